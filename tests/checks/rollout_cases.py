"""Histories for the checks of a rolling restart."""

from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories.edits import (
    answered,
    arranged,
    between,
    by_gateway,
    edited,
    every,
    nth,
    only,
    reaches,
    refused,
    shifted,
    told,
    unconnected,
    unconverged,
    unknown,
    visits_of,
    without,
)
from tests.histories.rollout import RELEASED, rollout

ROLLED = rollout()
HELD, AFTER = between(2.0, RELEASED), between(RELEASED + 0.4, 9)


def of(pod, when):
    """The visits, at this time, of the sessions that were opened on a pod."""
    return lambda history: list(visits_of("resident", pod, when)(history))[:1]


UNSURE = {
    "nobody asked for it": (without(ROLLED, Happening.CHANGED), "2 pods to be replaced / that was not asked for"),
    "no new pods": (without(ROLLED, Happening.PODS_READY), "2 pods to be replaced / 0 new ones were ready"),
    "one new pod": (told(ROLLED, Happening.PODS_READY, pods='["echo-a", "echo-c"]'), "/ 1 new ones were ready"),
    "an old pod that stays": (without(ROLLED, Happening.POD_GONE, "echo-b"), "echo-b to be gone"),
    "no visit at the end": (
        only(ROLLED, every(where=lambda e: not AFTER(e))),
        "to be visited after the last pod had gone",
    ),
    "a pod without a session": (
        only(ROLLED, every(where=lambda e: ROLLED.sessions()[e.session][0].pod != "echo-b")),
        "a session on echo-b before",
    ),
    "a change that never arrived": (unconverged(ROLLED), "to arrive on every gateway replica"),
    "an unknown outcome": (edited(ROLLED, nth("resident", -1), unknown), "known outcome"),
}

CASES = {
    "rolling_update_fails_no_request": Cases(
        spoken=rollout,
        accepts={
            "sessions that stay until their pods end": ROLLED,
            "an application that answers 404": edited(ROLLED, nth("resident", 30), answered(404)),
        },
        rejects={
            "a request that fails": (edited(ROLLED, nth("resident", 30), refused), "through the rolling update"),
            "502 of the gateway": (edited(ROLLED, of("echo-a", HELD), by_gateway(502)), "through the rolling update"),
            "no route": (edited(ROLLED, of("echo-a", HELD), by_gateway(404)), "through the rolling update"),
            "500 of a pod": (edited(ROLLED, of("echo-a", HELD), answered(500)), "through the rolling update"),
            "a failure once pods have gone": (
                edited(ROLLED, nth("resident", -1), by_gateway(503)),
                "through the rolling",
            ),
            "a session that leaves early": (
                edited(ROLLED, of("echo-a", HELD), reaches("echo-c")),
                "to stay on echo-a until it ends",
            ),
        },
        doubts=UNSURE
        | {
            "drain support off": (arranged(ROLLED, drain=False), "drain support on / it was False"),
            "no visit while they were held": (
                only(ROLLED, every(where=lambda e: not between(1.3, RELEASED)(e))),
                "while echo-a was terminating and held",
            ),
            "one connection refused": (edited(ROLLED, nth("resident", 30), unconnected), "once and not again"),
        },
    ),
    "rolling_restart_moves_no_session_needlessly": Cases(
        spoken=rollout,
        accepts={
            "one move of each session": ROLLED,
            "a request that fails": edited(ROLLED, nth("resident", 30), refused),
            "a session that leaves while its pod is terminating": edited(
                ROLLED, visits_of("resident", "echo-a", between(2.0, 9)), reaches("echo-c")
            ),
            "a session that moves twice, each time from a pod that is replaced": edited(
                ROLLED, visits_of("resident", "echo-a", between(2.0, RELEASED + 0.105)), reaches("echo-b")
            ),
        },
        rejects={
            "a session that leaves a pod which stays": (
                edited(ROLLED, nth("resident", -1), reaches("echo-x")),
                "to leave only pods that are replaced, each once",
            ),
            "a session that leaves its pod too early": (
                edited(ROLLED, of("echo-b", between(0.5, 1.5)), reaches("echo-a")),
                "to leave only pods that are replaced, each once / echo-b -> echo-a -> echo-b",
            ),
            "a session that comes back to its pod": (
                edited(ROLLED, of("echo-a", HELD), reaches("echo-b")),
                "to leave only pods that are replaced, each once",
            ),
            "a pod that nobody saw terminating": (
                without(ROLLED, Happening.TERMINATING, "echo-a"),
                "to leave only pods that are replaced, each once",
            ),
            "a pod that was terminating later": (
                shifted(ROLLED, Happening.TERMINATING, 5),
                "to leave only pods that are replaced, each once",
            ),
        },
        doubts=UNSURE,
    ),
}
