"""Histories for the check of endpoints that change all the time."""

from dataclasses import replace

from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories.churn import NAME, SLICE, churn
from tests.histories.edits import (
    answered,
    by_gateway,
    edited,
    every,
    lacking,
    nth,
    only,
    plus,
    reaches,
    unconnected,
    unconverged,
    unknown,
    without,
)

MADE = churn()
PROBE = MADE.arm("churning")[-1]
LATE = {"asked": "lead to echo-a", "workers": "1", "connections": "1", "seconds": "10.0", "last": "it did not"}
SLOWLY = replace(
    MADE,
    events=tuple(replace(e, when=e.when * 2) if e.what is Happening.CHANGED else e for e in MADE.events),
)

CASES = {
    "endpoint_churn_is_survived": Cases(
        spoken=churn,
        accepts={
            "nobody noticed": MADE,
            "an application that answers 404": edited(MADE, every("churning"), answered(404)),
        },
        rejects={
            "a session that moves": (edited(MADE, nth("resident", -1), reaches("echo-z")), "to stay there"),
            "a session that fails": (edited(MADE, nth("resident", -1), by_gateway(503)), "to be served"),
            "an error where it changes": (
                edited(MADE, nth("churning", 3), by_gateway(503)),
                "every request to the Service that changes to be served",
            ),
            "a pod that fails": (edited(MADE, nth("churning", 3), answered(502)), "that changes to be served"),
            "an update that is lost": (
                plus(MADE, Happening.UNSETTLED, NAME, 9.9, **LATE, request=PROBE.request_id),
                "every worker of the gateway to lead to echo-a",
            ),
        },
        doubts={
            "a change that never arrived": (unconverged(MADE), "to arrive on every gateway replica"),
            "connections that did not agree": (
                plus(MADE, Happening.UNSETTLED, NAME, 9.9, **LATE, request=""),
                "every worker of the gateway to lead to echo-a",
            ),
            "no change": (without(MADE, Happening.CHANGED, SLICE), "more than 8 changes of endpoints / 0"),
            "changes too slow": (SLOWLY, "100 changes a minute / 60"),
            "none seen to arrive": (without(MADE, Happening.CONVERGED), "8 changes that arrive / 0"),
            "no session": (lacking(MADE, "resident"), "requests to both Services meanwhile"),
            "nothing asked where it changes": (lacking(MADE, "churning"), "requests to both Services meanwhile"),
            "nobody visited meanwhile": (
                only(MADE, every(where=lambda e: e.arm != "resident" or e.sent < 0.4)),
                "requests to both Services meanwhile / 0",
            ),
            "an unknown outcome": (edited(MADE, nth("churning", 3), unknown), "known outcome"),
            "one connection refused": (edited(MADE, nth("churning", 3), unconnected), "once and not again"),
        },
    ),
}
