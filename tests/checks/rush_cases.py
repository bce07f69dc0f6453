"""Histories for the checks of many clients at the same moment."""

from dataclasses import replace

from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories import drawn
from tests.histories.edits import (
    answered,
    arranged,
    by_gateway,
    edited,
    every,
    follow_ups,
    lacking,
    nth,
    only,
    openings,
    planned,
    plus,
    reaches,
    refused,
    sending,
    unconverged,
    unknown,
    without,
    without_cookie,
)
from tests.histories.rush import rush

RUSH = rush()
BUSY = next(exchange.pod for exchange in RUSH.arm("load"))


def elsewhere(pods):
    """Place every new session on these pods in turn."""
    history = RUSH
    for number, pod in enumerate(pods):
        turn = [e.seq for e in RUSH.arm("newcomer")][number :: len(pods)]
        history = edited(history, every("newcomer", where=lambda e, turn=turn: e.seq in turn), reaches(pod))
    return history


def one_after_the_other(history):
    """Let each first request be answered before the next was sent."""
    return edited(history, openings("arrival"), lambda e: replace(e, received=e.sent + 0.001))


CASES = {
    "pinned_load_does_not_steer_placement": Cases(
        drawn=drawn.beside_load,
        spoken=rush,
        accepts={
            "placement that takes no notice": RUSH,
            "a load request that failed": edited(RUSH, nth("load", 40), refused),
            "one of the load that strayed": edited(RUSH, nth("load", 40), reaches("echo-c")),
        },
        rejects={
            "new sessions kept off the busy pod": (
                elsewhere(["echo-b", "echo-c"]),
                f"sessions on {BUSY}, by its weight",
            ),
            "new sessions drawn to it": (
                elsewhere([BUSY, BUSY, "echo-b", BUSY, BUSY, "echo-c"]),
                f"sessions on {BUSY}, by its weight",
            ),
        },
        doubts={
            "no load": (lacking(RUSH, "load"), "at least 186 sessions"),
            "a load whose requests nobody timed": (planned(RUSH, load_seconds=0), "at least 186 sessions"),
            "a load of requests that took long to arrive": (planned(RUSH, load_seconds=0.05), "at least 186 sessions"),
            "a load that carries no cookie": (edited(RUSH, every("load"), sending()), "at least 186 sessions"),
            "a load that is too light": (
                only(RUSH, every(where=lambda e: e.arm != "load" or e.seq % 2)),
                "at least 186 sessions",
            ),
            "a load that ended before": (
                edited(RUSH, every("load"), lambda e: replace(e, sent=e.sent - 9, received=e.received - 9)),
                "at least 186 sessions",
            ),
            "a load spread over the pods": (
                edited(RUSH, every("load", where=lambda e: e.seq % 2), reaches("echo-c")),
                "at least 186 sessions",
            ),
            "new sessions that had a cookie": (
                edited(RUSH, lambda h: h.arm("newcomer")[:9], sending("session_id=at-echo-a")),
                "at least 186 sessions",
            ),
            "few new sessions": (rush(newcomers=180), "at least 186 sessions"),
            "fewer than planned": (planned(RUSH, newcomer_sessions=200), "as planned"),
            "new sessions that failed": (edited(RUSH, nth("newcomer", 3), refused), "as planned"),
            "an unknown outcome": (edited(RUSH, nth("newcomer", 3), unknown), "known outcome"),
            "a load that the gateway kept from coming": (
                plus(RUSH, Happening.MISSED, "the load to be there", 0.1, budget="request", last="0"),
                "the load to be there / not within the budget request; last seen: 0",
            ),
            "unknown weights": (without(RUSH, Happening.TARGET), "2 pods of known weight"),
            "a policy that never arrived": (unconverged(RUSH), "to arrive on every gateway replica"),
        },
    ),
    "simultaneous_first_requests_are_served": Cases(
        spoken=rush,
        accepts={
            "all served and pinned": RUSH,
            "an application that answers 401": edited(RUSH, openings("arrival"), answered(401)),
        },
        rejects={
            "one refused": (edited(RUSH, nth("arrival", 0), refused), "connection reset"),
            "one that the gateway answers itself": (
                edited(RUSH, nth("arrival", 0), by_gateway(429)),
                "every first request to be served",
            ),
            "one that breaks a pod": (
                edited(RUSH, nth("arrival", 0), answered(500)),
                "every first request to be served",
            ),
            "one without a cookie": (
                edited(RUSH, nth("arrival", 39), without_cookie()),
                "the cookie session_id with every first response",
            ),
            "a session that strays": (edited(RUSH, nth("arrival", -1), reaches("echo-x")), "to stay there"),
            "one that fails later": (edited(RUSH, nth("arrival", -1), by_gateway(404)), "to be served"),
        },
        doubts={
            "nobody there": (lacking(RUSH, "arrival"), "arm arrival, as planned"),
            "one after the other": (one_after_the_other(RUSH), "20 first requests under way"),
            "one pod only": (arranged(RUSH, pods=("echo-a",)), "at least 2 ready pods"),
            "all on one pod": (
                edited(RUSH, every("arrival"), reaches("echo-a")),
                "control requests on at least 2 of 3 pods",
            ),
            "fewer than planned": (planned(RUSH, arrival_sessions=41), "as planned"),
            "nobody came back": (
                planned(only(RUSH, openings("arrival")), arrival_requests=1),
                "that only a cookie can have kept on their pod",
            ),
            "requests without the cookie": (
                edited(RUSH, follow_ups("arrival"), sending()),
                "every request of the arm arrival",
            ),
            "an unknown outcome": (edited(RUSH, nth("arrival", 50), unknown), "known outcome"),
            "a policy that never arrived": (unconverged(RUSH), "to arrive on every gateway replica"),
        },
    ),
}
