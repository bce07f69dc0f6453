"""Histories for the checks of a drain. The victim is echo-b; see tests/histories/conforming.py for the moments."""

from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories import drain
from tests.histories.conforming import ACTED, END, GONE, SHOWN, SIGTERM, SUCCESSOR, VICTIM
from tests.histories.edits import (
    answered,
    arranged,
    between,
    by_gateway,
    edited,
    every,
    having,
    lacking,
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
    unconverged,
    unknown,
    visits_of,
    without,
    without_cookie,
)
from tests.histories.tape import GATEWAY

ON = drain()
SCALED = drain(by="scale")
OFF = drain(support=False)
SECOND = "kong-gateway-2"

# Times, as the checks read them: what happens while the pod certainly serves, and after it is gone.
DRAINING = between(SHOWN + 0.3, SIGTERM - 0.2)
AFTERWARDS = between(GONE, END)


def pinned(when, number=0):
    """The victim's session's visit of this number in this time."""
    return lambda history: [list(visits_of("resident", VICTIM, when)(history))[number]]


def moving(history):
    """The first visit of each session of the victim that another pod served."""
    return [
        next(e for e in exchanges if e.pod not in (None, VICTIM))
        for exchanges in history.sessions("resident").values()
        if exchanges[0].pod == VICTIM
    ]


def in_flight_on_victim(history):
    return [own[1] for own in history.sessions("in-flight").values() if own[0].pod == VICTIM]


def on_other_pods(when):
    """The visits, in this time, of the sessions that other pods opened."""
    return lambda history: [
        e for own in history.sessions("resident").values() if own[0].pod != VICTIM for e in own if when(e)
    ]


UNREADABLE = {
    "nobody ended a pod": (without(ON, Happening.DELETED), "a pod to be ended"),
    "no pod terminated": (without(ON, Happening.TERMINATING), "one pod to terminate / none did"),
    "two pods terminated": (
        plus(ON, Happening.TERMINATING, "echo-a", 2.2),
        "one pod to terminate / echo-b, echo-a did",
    ),
}
UNSURE = UNREADABLE | {
    "a change that never arrived": (unconverged(ON), "to arrive on every gateway replica"),
    "a pod whose end nobody saw": (
        without(without(ON, Happening.SIGTERM), Happening.POD_GONE),
        "the end of echo-b to be seen",
    ),
    "a hold that was not kept": (shifted(ON, Happening.SIGTERM, -0.5), "preStop to hold echo-b for 3 s"),
}
DRAIN_OFF = {"drain support off": (arranged(ON, drain=False), "drain support on / it was off")}

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
        accepts={
            "sessions that stay": ON,
            "a pod scaled away": SCALED,
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
            "one that fails": (edited(ON, pinned(DRAINING), refused), "connection refused"),
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
                "pinned requests on echo-b once the gateway had settled",
            ),
            "a visit with an unknown outcome while it drained": (
                edited(ON, pinned(DRAINING), unknown),
                "known outcome",
            ),
            "a pod killed at once, whose sessions had to move": (KILLED, "preStop to hold echo-b for 3 s"),
        },
    ),
    "draining_pod_gets_no_new_session": Cases(
        accepts={
            "new sessions elsewhere": ON,
            "a pod scaled away": SCALED,
            "one more just before the change arrived": edited(
                ON, nth("newcomer", 0, where=between(SHOWN - 0.05, SHOWN)), reaches(VICTIM)
            ),
            "one more within the settling": edited(ON, nth("newcomer", 0, where=between(SHOWN, END)), reaches(VICTIM)),
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
        },
        doubts=UNSURE
        | {
            "nobody there": (lacking(ON, "resident"), "a session on echo-a before the drain"),
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
        accepts={
            "sessions that move": ON,
            "a pod scaled away": SCALED,
            "drain support off": OFF,
            "a new value that the old one begins with": edited(
                ON, moving, without_cookie(), setting("session_id=at-echo; Path=/")
            ),
            "an unknown outcome on the way": edited(ON, pinned(between(SIGTERM - 0.4, SIGTERM)), unknown),
        },
        rejects={
            "a session that moves twice": (
                edited(ON, pinned(AFTERWARDS, -1), reaches("echo-z")),
                "to move from echo-b once / echo-b -> echo-",
            ),
            "a session that returns": (
                edited(ON, pinned(between(SIGTERM, END), 1), reaches(VICTIM)),
                "-> echo-b -> echo-",
            ),
            "no new cookie": (edited(ON, moving, without_cookie()), "to get a new cookie with its move / none"),
            "the old cookie again": (
                edited(ON, moving, without_cookie(), setting("session_id=at-echo-b; Path=/")),
                "to get a new cookie with its move / the old one again",
            ),
            "a pod that was never ready": (
                edited(ON, visits_of("resident", VICTIM, between(SIGTERM, END)), reaches("echo-unready")),
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
    "no_request_fails": Cases(
        accepts={
            "all served": ON,
            "a pod scaled away": SCALED,
            "drain support off": OFF,
            "probes that failed while the stage was set": edited(
                edited(ON, nth("newcomer", 0), having(arm="probe")), every("probe"), by_gateway(404)
            ),
            "an answer of the application that is no success": edited(ON, nth("newcomer", 50), answered(404)),
        },
        rejects={
            "a new session refused": (edited(ON, nth("newcomer", 50), refused), "connection refused"),
            "one that the gateway answers itself": (edited(ON, nth("newcomer", 50), by_gateway(503)), "answered 503"),
            "one that has no route any more": (edited(ON, nth("newcomer", 50), by_gateway(404)), "answered 404"),
            "a pod that breaks while it ends": (edited(ON, pinned(DRAINING), answered(502)), "(502)"),
            "a long request cut": (edited(ON, in_flight_on_victim, refused), "connection refused"),
            "a failure before the deletion": (edited(ON, nth("resident", 10), refused), "connection refused"),
        },
        doubts=UNSURE
        | {
            "an unknown outcome": (edited(ON, nth("newcomer", 50), unknown), "known outcome"),
            "no new sessions for a while": (
                only(ON, every(where=lambda e: e.arm != "newcomer" or not between(3.0, 4.5)(e))),
                "a request of the arm newcomer every 1 s",
            ),
            "no visits until the pod was removed": (
                only(ON, every(where=lambda e: e.arm != "resident" or not between(4.6, 6.5)(e))),
                "a request of the arm resident every 1 s",
            ),
            "nobody there": (only(ON, every("in-flight")), "a request of the arm resident every 1 s"),
        },
    ),
    "in_flight_request_completes": Cases(
        accepts={"a long request served to its end": ON, "a pod scaled away": SCALED, "drain support off": OFF},
        rejects={
            "cut": (edited(ON, in_flight_on_victim, refused), "the request under way on echo-b to complete there"),
            "answered by the gateway": (edited(ON, in_flight_on_victim, by_gateway(502)), "answered 502"),
            "answered 404 by the gateway": (edited(ON, in_flight_on_victim, by_gateway(404)), "answered 404"),
            "served again by another pod": (edited(ON, in_flight_on_victim, reaches("echo-a")), "reached echo-a"),
        },
        doubts=UNSURE
        | {
            "nothing under way": (lacking(ON, "in-flight"), "a request under way on echo-b until SIGTERM"),
            "nothing under way on the victim": (
                only(ON, every(where=lambda e: e.arm != "in-flight" or ON.sessions()[e.session][0].pod != VICTIM)),
                "a request under way on echo-b until SIGTERM",
            ),
            "answered before SIGTERM": (
                edited(ON, in_flight_on_victim, having(received=SIGTERM - 0.01)),
                "a request under way on echo-b until SIGTERM",
            ),
            "sent after the deletion": (
                edited(ON, in_flight_on_victim, having(sent=ACTED + 0.01)),
                "a request under way on echo-b until SIGTERM",
            ),
            "an unknown outcome": (edited(ON, in_flight_on_victim, unknown), "known outcome"),
        },
    ),
    "terminating_target_has_weight_zero": Cases(
        accepts={
            "weight 0": ON,
            "a pod scaled away": SCALED,
            "other weights that change with the number of pods": plus(
                ON, Happening.TARGET, "echo-a", 2.4, gateway=GATEWAY, weight="50", address="10.0.0.1:1027"
            ),
        },
        rejects={
            "its weight unchanged": (
                shifted(
                    without(told(ON, Happening.TARGET, VICTIM, weight="1"), Happening.TARGET_REMOVED),
                    Happening.TARGET,
                    -2.3,
                    VICTIM,
                ),
                "echo-b at weight 0 on kong-gateway-1 while preStop holds / unchanged",
            ),
            "removed": (arranged(OFF, drain=True), "removed 0.30 s after the deletion"),
            "removed after a moment at weight 0": (shifted(ON, Happening.TARGET_REMOVED, -2), "removed 1.90 s after"),
            "weight 0 and back": (
                plus(ON, Happening.TARGET, VICTIM, 3.5, gateway=GATEWAY, weight="1", address="10.0.0.2:1027"),
                "at weight 1 1.50 s after the deletion",
            ),
            "another pod at weight 0 too": (
                plus(ON, Happening.TARGET, "echo-a", 2.3, gateway=GATEWAY, weight="0", address="10.0.0.1:1027"),
                "echo-a to keep its weight on kong-gateway-1 / at weight 0",
            ),
            "another pod removed": (
                plus(ON, Happening.TARGET_REMOVED, "echo-c", 2.3, gateway=GATEWAY),
                "echo-c to keep its weight on kong-gateway-1 / removed",
            ),
            "not on the other replica": (
                plus(
                    arranged(ON, gateways=(GATEWAY, SECOND)),
                    Happening.TARGET,
                    VICTIM,
                    0.0,
                    gateway=SECOND,
                    weight="1",
                    address="10.0.0.2:1027",
                ),
                "echo-b at weight 0 on kong-gateway-2 while preStop holds / unchanged",
            ),
        },
        doubts=UNSURE
        | DRAIN_OFF
        | {
            "a target never shown with a weight": (without(ON, Happening.TARGET), "a weight above 0 on kong-gateway-1"),
            "a target at weight 0 before": (
                told(ON, Happening.TARGET, VICTIM, weight="0"),
                "a weight above 0 on kong-gateway-1",
            ),
            "a replica never looked at": (
                arranged(ON, gateways=(GATEWAY, SECOND)),
                "a weight above 0 on kong-gateway-2",
            ),
            "no replica": (arranged(ON, gateways=()), "an Admin API to look at"),
        },
    ),
    "pod_leaves_the_pool_at_once": Cases(
        accepts={"removed while it serves": OFF},
        rejects={
            "not removed until its end": (
                shifted(OFF, Happening.TARGET_REMOVED, 3),
                "echo-b to leave the upstream while it still serves",
            ),
            "never removed": (without(OFF, Happening.TARGET_REMOVED), "echo-b to leave the upstream"),
            "listed at weight 0": (arranged(ON, drain=False), "it was listed at weight 0"),
            "one of its sessions still on it": (
                edited(OFF, pinned(DRAINING), reaches(VICTIM)),
                "no session on echo-b once it left the pool",
            ),
            "a new session on it": (
                edited(OFF, nth("newcomer", 3, where=DRAINING), reaches(VICTIM)),
                "no new session on echo-b once it is out of the rotation",
            ),
            "no new cookie": (edited(OFF, moving, without_cookie()), "to get a new cookie with its move"),
            "a session that moves twice": (
                edited(OFF, pinned(AFTERWARDS, -1), reaches(SUCCESSOR)),
                "to move from echo-b once",
            ),
        },
        doubts={
            "drain support on": (arranged(OFF, drain=True), "drain support off / it was on"),
            "nobody ended a pod": (without(OFF, Happening.DELETED), "a pod to be ended"),
            "a change that never arrived": (unconverged(OFF), "to arrive on every gateway replica"),
            "no visit of its sessions meanwhile": (
                edited(
                    only(OFF, every(where=lambda e: e.arm != "resident" or not between(SHOWN, SIGTERM)(e))),
                    moving,
                    setting("session_id=new; Path=/"),
                ),
                "visits of its sessions while echo-b was out of the pool but serving",
            ),
            "no session of its own": (
                only(OFF, every(where=lambda e: e.arm != "resident" or OFF.sessions()[e.session][0].pod != VICTIM)),
                "sessions on echo-b before it ended",
            ),
            "too few new sessions": (
                only(OFF, every(where=lambda e: e.arm != "newcomer" or e.seq % 3 == 0)),
                "49 new sessions while echo-b",
            ),
        },
    ),
    "drain_times_observed": Cases(
        accepts={"a drain": ON, "drain support off": OFF, "an end that nobody saw": without(ON, Happening.SIGTERM)},
        doubts=UNREADABLE,
    ),
}
