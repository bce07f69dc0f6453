"""Histories for the checks of what becomes of sessions in a drain."""

from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.checks.drain_moments import (
    AFTERWARDS,
    DRAIN_OFF,
    DRAINING,
    OFF,
    ON,
    SCALED,
    UNSURE,
    moving,
    pinned,
    weight_zero_before,
)
from tests.histories import drain, drawn
from tests.histories.conforming import ACTED, END, REMOVED, SHOWN, SIGTERM, SUCCESSOR, VICTIM
from tests.histories.edits import (
    arranged,
    between,
    by_gateway,
    edited,
    every,
    having,
    lacking,
    lapsing,
    nth,
    only,
    planned,
    plus,
    reaches,
    refused,
    sending,
    setting,
    shifted,
    told,
    unknown,
    visits_of,
    without,
    without_cookie,
)


def on_other_pods(when):
    """The visits, in this time, of the sessions that other pods opened."""
    return lambda history: [
        e for own in history.sessions("resident").values() if own[0].pod != VICTIM for e in own if when(e)
    ]


# Killed the moment it was deleted: its sessions had to move at once, and that is not the gateway's fault.
KILLED = edited(
    shifted(shifted(ON, Happening.SIGTERM, -2.9), Happening.POD_GONE, -3.4),
    pinned(between(SHOWN + 0.1, END)),
    reaches("echo-a"),
)
NEVER_SHOWN = only(
    without(told(ON, Happening.TARGET, VICTIM, weight="1"), Happening.TARGET_REMOVED),
    every(where=lambda e: not (e.arm == "newcomer" and between(ACTED, SIGTERM)(e) and e.seq % 2)),
)
CASES = {
    "pinned_sessions_stay_until_the_pod_stops": Cases(
        spoken=drain,
        accepts={
            "sessions that stay": ON,
            "a pod scaled away": SCALED,
            "an unknown outcome afterwards": edited(ON, pinned(AFTERWARDS), unknown),
            "a visit still under way at SIGTERM, and lost": edited(
                ON, pinned(between(SIGTERM - 0.2, SIGTERM)), having(received=SIGTERM + 0.1), refused
            ),
        },
        rejects={
            "a session that moves while its pod serves": (
                edited(ON, pinned(DRAINING), reaches("echo-a")),
                "to stay on echo-b, terminating but serving",
            ),
            "one that moves before the gateway has settled": (
                edited(ON, pinned(between(ACTED, SHOWN)), reaches("echo-a")),
                "to stay on echo-b, terminating but serving",
            ),
            "one that fails": (edited(ON, pinned(DRAINING), refused), "connection reset"),
            "one that the gateway answers itself": (edited(ON, pinned(DRAINING), by_gateway(503)), "answered 503"),
            "one that has no route any more": (edited(ON, pinned(DRAINING), by_gateway(404)), "answered 404"),
            "a pod dropped at once": (arranged(OFF, drain=True), "to stay on echo-b, terminating but serving"),
        },
        doubts=UNSURE
        | DRAIN_OFF
        | {
            "a pod without a session": (
                only(ON, every(where=lambda e: e.arm != "resident" or ON.sessions()[e.session][0].pod != "echo-c")),
                "a session on echo-c before the drain",
            ),
            "a victim without a session": (
                only(ON, every(where=lambda e: e.arm != "resident" or ON.sessions()[e.session][0].pod != VICTIM)),
                "a session on echo-b before the drain",
            ),
            "no visit while it drained": (
                only(ON, every(where=lambda e: e.arm != "resident" or not between(SHOWN, SIGTERM)(e))),
                "pinned requests on echo-b over 25 connections once the gateway had settled / 0 over 0",
            ),
            "visits over few connections": (
                edited(ON, every("resident"), lambda e: having(connection=e.session)(e)),
                "over 25 connections once the gateway had settled",
            ),
            "a visit with an unknown outcome while it drained": (
                edited(ON, pinned(DRAINING), unknown),
                "known outcome",
            ),
            "a pod killed at once, whose sessions had to move": (KILLED, "preStop to hold echo-b"),
        },
    ),
    "draining_pod_gets_no_new_session": Cases(
        drawn=drawn.new_in_a_drain,
        spoken=drain,
        accepts={
            "new sessions elsewhere": ON,
            "a pod scaled away": SCALED,
            "one more just before the change arrived": edited(
                ON, nth("newcomer", 0, where=between(SHOWN - 0.05, SHOWN)), reaches(VICTIM)
            ),
            "two more within the settling": edited(
                edited(ON, nth("newcomer", 2, where=between(SHOWN, END)), reaches(VICTIM)),
                nth("newcomer", 4, where=between(SHOWN, END)),
                reaches(VICTIM),
            ),
            "weight 0 long before, for a moment": weight_zero_before(ON),
        },
        rejects={
            "a new session while it drains": (
                edited(ON, nth("newcomer", 3, where=DRAINING), reaches(VICTIM)),
                "no new session on echo-b once it is out of the rotation",
            ),
            "its share of the new sessions throughout": (
                edited(
                    ON,
                    every("newcomer", where=lambda e: between(SHOWN, SIGTERM)(e) and e.seq % 4 == 0),
                    reaches(VICTIM),
                ),
                "no new session on echo-b once it is out of the rotation",
            ),
            "a change that never arrived, and new sessions on it to the end": (
                edited(NEVER_SHOWN, every("newcomer", where=between(ACTED, SIGTERM)), reaches(VICTIM)),
                "no new session on echo-b",
            ),
        },
        doubts=UNSURE
        | DRAIN_OFF
        | {
            "too few new sessions": (
                only(ON, every(where=lambda e: e.arm != "newcomer" or e.seq % 3 == 0)),
                "49 new sessions while echo-b",
            ),
            "new sessions that failed": (edited(ON, every("newcomer"), refused), "49 new sessions while echo-b"),
            "new sessions that had a cookie": (
                edited(ON, every("newcomer"), sending("session_id=at-echo-a")),
                "49 new sessions while echo-b",
            ),
            "a pod killed at once": (shifted(ON, Happening.SIGTERM, -2.9), "49 new sessions while echo-b"),
        },
    ),
    "other_sessions_are_untouched": Cases(
        spoken=drain,
        accepts={
            "sessions that stay": ON,
            "a pod scaled away": SCALED,
            "drain support off": OFF,
            "a session of the victim that strays: not this check's": edited(ON, pinned(DRAINING), reaches("echo-a")),
        },
        rejects={
            "one that moves during the drain": (
                edited(ON, lambda h: list(on_other_pods(DRAINING)(h))[:1], reaches(SUCCESSOR)),
                "to stay there",
            ),
            "one that moves when the pod is gone": (
                edited(ON, lambda h: list(on_other_pods(AFTERWARDS)(h))[:1], reaches(SUCCESSOR)),
                "to stay there",
            ),
            "one that fails": (
                edited(ON, lambda h: list(on_other_pods(DRAINING)(h))[:1], refused),
                "to be served",
            ),
            "a new session without a cookie": (
                edited(ON, nth("newcomer", 0, DRAINING), without_cookie()),
                "opened during the drain, to get a cookie / none",
            ),
            "a session opened meanwhile that strays": (
                edited(ON, nth("keeper", -1), reaches("echo-z")),
                "to stay there",
            ),
            "a session opened meanwhile that nobody serves": (edited(ON, nth("keeper", -1), refused), "to be served"),
        },
        doubts=UNSURE
        | {
            "nobody there": (lacking(ON, "resident"), "a session on echo-a before the drain"),
            "one that moves, of a pod that was not ready throughout": (
                lapsing(edited(ON, lambda h: list(on_other_pods(DRAINING)(h))[:1], reaches(SUCCESSOR)), "echo-a", 3.0),
                "echo-a was not ready throughout",
            ),
            "a session opened meanwhile, whose pod was not ready throughout": (
                lapsing(
                    edited(ON, lambda h: [h.arm("keeper")[-1]], reaches("echo-z")),
                    ON.sessions("keeper")[ON.arm("keeper")[-1].session][0].pod,
                    3.0,
                    9.0,
                ),
                "was not ready throughout",
            ),
            "nobody who came and kept a cookie": (lacking(ON, "keeper"), "opened during the drain to come back"),
            "nobody there before the drain": (
                only(ON, every(where=lambda e: e.arm != "resident" or e.sent > ACTED)),
                "a session on echo-a before the drain",
            ),
            "no visit during the drain": (
                only(ON, every(where=lambda e: e.arm != "resident" or not between(ACTED, SIGTERM)(e))),
                "on other pods during the drain",
            ),
            "no visit afterwards": (
                only(ON, every(where=lambda e: e.arm != "resident" or not AFTERWARDS(e))),
                "on other pods after echo-b was gone",
            ),
            "an unknown outcome": (
                edited(ON, lambda h: list(on_other_pods(DRAINING)(h))[:1], unknown),
                "known outcome",
            ),
        },
    ),
    "moved_sessions_move_once": Cases(
        spoken=drain,
        accepts={
            "sessions that move": ON,
            "a pod scaled away": SCALED,
            "drain support off": OFF,
            "a new value that the old one begins with": edited(
                ON, moving, without_cookie(), setting("session_id=at-echo; Path=/")
            ),
            "an unknown outcome on the way": edited(ON, pinned(between(SIGTERM - 0.4, SIGTERM)), unknown),
            "an unknown outcome after the removal": edited(ON, pinned(AFTERWARDS, 3), unknown),
            "a session served elsewhere while its dead target is listed": edited(
                ON, pinned(between(SIGTERM, REMOVED), 1), reaches("echo-z")
            ),
            "a session that comes back while its target is listed": edited(
                ON, pinned(between(SIGTERM, REMOVED), 1), reaches(VICTIM)
            ),
        },
        rejects={
            "a session that moves twice": (
                edited(ON, pinned(AFTERWARDS, -1), reaches("echo-z")),
                "to move from echo-b once / echo-b -> echo-",
            ),
            "a session that returns": (
                edited(ON, pinned(AFTERWARDS, 3), reaches(VICTIM)),
                "-> echo-b -> echo-",
            ),
            "no new cookie": (edited(ON, moving, without_cookie()), "to get a new cookie with its move / none"),
            "the old cookie again": (
                edited(ON, moving, without_cookie(), setting("session_id=at-echo-b; Path=/")),
                "to get a new cookie with its move / the old one again",
            ),
            "a pod that was never ready": (
                edited(
                    plus(
                        ON, Happening.ENDPOINT, "echo-unready", 2.5, ready="false", serving="true", terminating="false"
                    ),
                    visits_of("resident", VICTIM, between(SIGTERM, END)),
                    reaches("echo-unready"),
                ),
                "to move to a ready pod",
            ),
            "a session that nobody serves any more": (
                edited(ON, visits_of("resident", VICTIM, between(SIGTERM, END)), by_gateway(503)),
                "echo-b -> nowhere",
            ),
        },
        doubts=UNSURE
        | {
            "no session on the victim": (
                only(ON, every(where=lambda e: e.arm != "resident" or ON.sessions()[e.session][0].pod != VICTIM)),
                "sessions on echo-b before it ended",
            ),
            "a target that was never removed": (
                without(ON, Happening.TARGET_REMOVED),
                "the target of echo-b to be removed on every gateway replica / it was not",
            ),
            "no visit after its end": (
                only(ON, every(where=lambda e: e.arm != "resident" or e.sent < SIGTERM)),
                "after echo-b had ended / none",
            ),
            "unknown outcomes ever after": (
                edited(ON, visits_of("resident", VICTIM, between(SIGTERM, END)), unknown),
                "after echo-b had ended / none",
            ),
            "few visits after the move": (planned(ON, after_requests=50), "its move and those with the new cookie"),
            "visits without the new cookie": (
                edited(ON, visits_of("resident", VICTIM, AFTERWARDS), sending()),
                "its move and those with the new cookie",
            ),
        },
    ),
}
