"""Histories for the check of a soak."""

from dataclasses import replace

from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories.edits import (
    edited,
    every,
    lacking,
    lapsing,
    planned,
    plus,
    reaches,
    told,
    unconverged,
    unknown,
    without,
)
from tests.histories.soaking import soaking

SOAKED = soaking()
LAST = SOAKED.happened(Happening.TALLIED, "soak")[-1]


def tallied(**detail):
    """The last tally is another."""
    events = tuple(replace(one, detail={**one.detail, **detail}) if one is LAST else one for one in SOAKED.events)
    return replace(SOAKED, events=events)


def deviating(history):
    return plus(history, Happening.DEVIATED, "soak-007", 50.0, opened="echo-a", told="reached echo-b")


CASES = {
    "a_soak_loosens_no_session": Cases(
        spoken=soaking,
        accepts={"sessions that stay": SOAKED},
        rejects={
            "one request on another pod": (
                deviating(tallied(strays="1")),
                "no strays among 24000 requests / 1; first: soak-007, opened on echo-a, reached echo-b",
            ),
            "a request that fails": (tallied(failures="1"), "no failures among 24000 requests"),
        },
        doubts={
            "a stray while a pod was not ready": (
                lapsing(deviating(tallied(strays="1")), "echo-a", 10.0, 20.0),
                "no strays among 24000 requests",
            ),
            "an opening with an unknown outcome": (edited(SOAKED, every("soak"), unknown), "known outcome"),
            "a visit with an unknown outcome": (tallied(unknown="2"), "known outcome / 2 have none"),
            "nothing": (lacking(SOAKED, "soak"), "as planned"),
            "a route that never arrived": (unconverged(SOAKED), "to arrive on every gateway replica"),
            "sessions on one pod": (edited(SOAKED, every("soak"), reaches("echo-a")), "opened on at least 2 pods"),
            "a soak that ended early": (planned(SOAKED, soak_minutes=5), "a soak of 300 s / it lasted"),
            "no tallies": (without(SOAKED, Happening.TALLIED, "soak"), "a soak of 60 s"),
            "a control that did not spread": (
                tallied(control='{"echo-a": 400}'),
                "requests without a cookie spread in stretch 6",
            ),
            "sessions that were never visited": (
                told(SOAKED, Happening.TALLIED, "visits", fewest="0"),
                "every session to be visited",
            ),
            "tallies that are missing": (
                replace(SOAKED, events=tuple(e for e in SOAKED.events if not 15 < e.when < 55)),
                "a tally every 10 s",
            ),
        },
    ),
}
