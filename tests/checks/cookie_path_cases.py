"""Histories for the check of affinity inside and outside the cookie's Path."""

from stickyconf.checks.cookiepath import ALTERNATING
from tests.checks.cases import Cases
from tests.histories import drawn
from tests.histories.edits import (
    arranged,
    by_gateway,
    edited,
    every,
    lapsing,
    nth,
    planned,
    reaches,
    sending,
    unconverged,
    unknown,
)
from tests.histories.edits import refused as failed
from tests.histories.wandering import INSIDE, OUTSIDE, wandering

WANDERING = wandering()
LAST = WANDERING.exchanges[-1].pod
ELSEWHERE = edited(WANDERING, nth(ALTERNATING, -1), reaches("echo-elsewhere"))


def inside(exchange):
    return exchange.path == INSIDE


def outside(exchange):
    return exchange.path == OUTSIDE


def all_outside(*changes):
    return edited(WANDERING, every(ALTERNATING, where=outside), *changes)


def home(exchange):
    """It reaches the pod on which its session was opened."""
    return reaches(WANDERING.sessions(ALTERNATING)[exchange.session][0].pod)(exchange)


CASES = {
    "path_bounds_affinity": Cases(
        spoken=wandering,
        drawn=drawn.outside_the_path,
        accepts={"pinned inside and spread outside": WANDERING},
        rejects={
            "a session that is elsewhere after a request outside": (
                ELSEWHERE,
                "to stay there",
            ),
            "a request inside that fails": (edited(WANDERING, nth(ALTERNATING, -1), failed), "to be served"),
            "a request inside that has no route": (
                edited(WANDERING, nth(ALTERNATING, -1), by_gateway(404)),
                "was answered 404 by the gateway itself",
            ),
            "requests outside that all reach one pod": (
                all_outside(reaches("echo-a")),
                "requests outside the Path on different pods / all 42 on echo-a",
            ),
            "requests outside that are pinned as well": (
                all_outside(home),
                "requests outside the Path to be spread / all reached their session's pod",
            ),
        },
        doubts={
            "a session whose pod was not ready": (
                lapsing(
                    edited(WANDERING, nth(ALTERNATING, -1), reaches("echo-elsewhere")), WANDERING.exchanges[-1].pod
                ),
                "was not ready throughout",
            ),
            "an unknown outcome": (edited(WANDERING, nth(ALTERNATING, -1), unknown), "known outcome"),
            "less than planned": (planned(WANDERING, alternating_requests=99), "as planned"),
            "a route that never arrived": (unconverged(WANDERING), "to arrive on every gateway replica"),
            "too few requests outside": (wandering(outside=14), "requests outside the Path, and 2 pods / 14, 3"),
            "one pod": (arranged(WANDERING, pods=("echo-a",)), "requests outside the Path, and 2 pods / 42, 1"),
            "sessions on one pod": (
                edited(WANDERING, every(ALTERNATING, where=inside), reaches("echo-a")),
                "sessions opened on at least 2 pods / on 1",
            ),
            "requests inside without the cookie": (
                edited(WANDERING, every(ALTERNATING, where=inside), sending()),
                "later requests inside the Path to carry the cookie",
            ),
            "requests outside with the cookie": (
                all_outside(sending("shop-session=at-echo-a")),
                "no request outside the Path to carry the cookie / 42 of 42 did",
            ),
        },
    ),
}
