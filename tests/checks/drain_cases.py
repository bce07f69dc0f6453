"""Histories for the checks of a drain as a whole: requests, targets, times, and drain support off."""

from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.checks.drain_moments import (
    AFTERWARDS,
    DRAIN_OFF,
    DRAINING,
    OFF,
    ON,
    SCALED,
    SECOND,
    UNREADABLE,
    UNSURE,
    moving,
    pinned,
    weight_zero_before,
)
from tests.histories import drain, drawn
from tests.histories.conforming import ACTED, END, REMOVED, SHOWN, SIGTERM, SUCCESSOR, VICTIM
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
    plus,
    reaches,
    refused,
    setting,
    shifted,
    told,
    unconnected,
    unconverged,
    unknown,
    without,
    without_cookie,
)
from tests.histories.tape import GATEWAY

ENDING = between(SIGTERM, REMOVED - 0.1)


def in_flight_on_victim(history):
    return [e for own in history.sessions("in-flight").values() if own[0].pod == VICTIM for e in own[1:]]


CASES = {
    "no_request_fails": Cases(
        spoken=drain,
        accepts={
            "all served": ON,
            "a pod scaled away": SCALED,
            "drain support off": OFF,
            "probes that failed while the stage was set": edited(
                edited(ON, nth("newcomer", 0), having(arm="probe")), every("probe"), by_gateway(404)
            ),
            "an answer of the application that is no success": edited(ON, nth("newcomer", 50), answered(404)),
            "a failure before the deletion: not this check's": edited(ON, nth("resident", 10), refused),
            "a failure when the pod was told to stop: not this check's": edited(ON, pinned(ENDING), refused),
        },
        rejects={
            "a new session refused": (edited(ON, nth("newcomer", 50), refused), "connection reset"),
            "one that the gateway answers itself": (edited(ON, nth("newcomer", 50), by_gateway(503)), "answered 503"),
            "one that has no route any more": (edited(ON, nth("newcomer", 50), by_gateway(404)), "answered 404"),
            "a pod that breaks while it ends": (edited(ON, pinned(DRAINING), answered(500)), "(500)"),
            "a long request cut": (edited(ON, in_flight_on_victim, refused, having(received=4.0)), "connection reset"),
            "connections refused twice": (
                edited(edited(ON, nth("newcomer", 50), unconnected), nth("newcomer", 52), unconnected),
                "connection refused",
            ),
        },
        doubts=UNSURE
        | {
            "an unknown outcome": (edited(ON, nth("newcomer", 50), unknown), "known outcome"),
            "one connection refused": (edited(ON, nth("newcomer", 50), unconnected), "every connection to be accepted"),
            "given up by the gateway after a minute": (
                edited(ON, in_flight_on_victim, having(sent=ACTED - 60.0, received=ACTED + 0.5), by_gateway(504)),
                "to be held for less than 60 s",
            ),
            "no POST": (
                edited(ON, every("resident"), having(method="GET")),
                "pinned requests with POST over fresh connections during the drain",
            ),
            "no kept connection": (
                edited(ON, every("resident"), lambda e: having(connection=f"127.0.0.1:{40000 + e.seq}")(e)),
                "pinned requests with GET over kept connections during the drain",
            ),
            "no new sessions for a while": (
                only(ON, every(where=lambda e: e.arm != "newcomer" or not between(3.0, 4.5)(e))),
                "a request of the arm newcomer every 1 s",
            ),
            "no visits for a while": (
                only(ON, every(where=lambda e: e.arm != "resident" or not between(3.4, 4.6)(e))),
                "a request of the arm resident every 1 s",
            ),
            "nobody there": (only(ON, every("in-flight")), "a request of the arm resident every 1 s"),
        },
    ),
    "no_request_fails_at_the_end": Cases(
        spoken=drain,
        accepts={
            "all served": ON,
            "a pod scaled away": SCALED,
            "drain support off": OFF,
            "a failure before it was told to stop: not this check's": edited(ON, nth("newcomer", 50), refused),
            "a failure after it had gone: not this check's": edited(ON, pinned(between(REMOVED, END)), refused),
        },
        rejects={
            "a session that meets a closed port": (edited(ON, pinned(ENDING), by_gateway(502)), "answered 502"),
            "a new session refused": (edited(ON, nth("newcomer", 0, ENDING), refused), "connection reset"),
            "a long request cut": (edited(ON, in_flight_on_victim, refused, having(received=SIGTERM)), "reset"),
            "one that fails long after, its target being listed still": (
                edited(without(ON, Happening.TARGET_REMOVED), pinned(between(REMOVED, END)), by_gateway(503)),
                "answered 503",
            ),
        },
        doubts=UNSURE
        | {
            "an unknown outcome": (edited(ON, nth("newcomer", 0, ENDING), unknown), "known outcome"),
            "one connection refused": (
                edited(ON, nth("newcomer", 0, ENDING), unconnected),
                "every connection to be accepted",
            ),
            "no new sessions for a while": (
                only(ON, every(where=lambda e: e.arm != "newcomer" or not between(4.8, 6.1)(e))),
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
        spoken=drain,
        accepts={"a long request served to its end": ON, "a pod scaled away": SCALED, "drain support off": OFF},
        rejects={
            "cut": (edited(ON, in_flight_on_victim, refused), "the request under way on echo-b to complete there"),
            "answered by the gateway": (edited(ON, in_flight_on_victim, by_gateway(502)), "answered 502"),
            "answered 404 by the gateway": (edited(ON, in_flight_on_victim, by_gateway(404)), "answered 404"),
            "served again by another pod": (edited(ON, in_flight_on_victim, reaches("echo-a")), "reached echo-a"),
        },
        doubts=UNSURE
        | {
            "nothing under way": (lacking(ON, "in-flight"), "a GET under way on echo-b until SIGTERM"),
            "nothing but a GET, which may have been sent again": (
                edited(ON, in_flight_on_victim, having(method="GET")),
                "a POST under way on echo-b until SIGTERM",
            ),
            "given up by the gateway after a minute": (
                edited(ON, in_flight_on_victim, having(sent=ACTED - 60.0), by_gateway(504)),
                "to be held for less than 60 s",
            ),
            "sent elsewhere after a minute": (
                edited(ON, in_flight_on_victim, having(sent=ACTED - 60.0), reaches("echo-a")),
                "to be held for less than 60 s",
            ),
            "nothing under way on the victim": (
                only(ON, every(where=lambda e: e.arm != "in-flight" or ON.sessions()[e.session][0].pod != VICTIM)),
                "a GET under way on echo-b until SIGTERM",
            ),
            "answered before SIGTERM": (
                edited(ON, in_flight_on_victim, having(received=SIGTERM - 0.01)),
                "a GET under way on echo-b until SIGTERM",
            ),
            "sent after the deletion": (
                edited(ON, in_flight_on_victim, having(sent=ACTED + 0.01)),
                "a GET under way on echo-b until SIGTERM",
            ),
            "an unknown outcome": (edited(ON, in_flight_on_victim, unknown), "known outcome"),
        },
    ),
    "terminating_target_has_weight_zero": Cases(
        spoken=drain,
        accepts={
            "weight 0": ON,
            "a pod scaled away": SCALED,
            "weight 0 as late as a slow controller may": arranged(
                shifted(ON, Happening.TARGET, 1.6, VICTIM), plan={"settling.seconds": 2.4}
            ),
            "another weight for a moment, then 0": plus(
                ON, Happening.TARGET, VICTIM, 2.1, gateway=GATEWAY, weight="50", address="10.0.0.2:1027"
            ),
            "the target of a pod long gone removed": plus(
                ON, Happening.TARGET_REMOVED, "10.0.0.9:1027", 2.5, gateway=GATEWAY
            ),
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
                "echo-b at weight 0 on kong-gateway-1 while preStop holds, within 1.8 s after the deletion / unchanged",
            ),
            "removed": (arranged(OFF, drain=True), "removed 0.30 s after the deletion"),
            "removed after a moment at weight 0": (shifted(ON, Happening.TARGET_REMOVED, -2), "removed 1.90 s after"),
            "weight 0 too late": (shifted(ON, Happening.TARGET, 1.6, VICTIM), "at weight 0 1.90 s after"),
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
                "echo-b at weight 0 on kong-gateway-2 while preStop holds, within 1.8 s after the deletion / unchanged",
            ),
        },
        doubts=UNSURE
        | DRAIN_OFF
        | {
            "a pod that ends before a slow controller has to act": (
                arranged(
                    shifted(
                        without(told(ON, Happening.TARGET, VICTIM, weight="1"), Happening.TARGET_REMOVED),
                        Happening.TARGET,
                        -2.3,
                        VICTIM,
                    ),
                    plan={"settling.seconds": 20.0},
                ),
                "or so long that it would have been",
            ),
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
        drawn=drawn.new_without_drain_support,
        spoken=lambda dialect: drain(dialect, support=False),
        accepts={
            "removed while it serves": OFF,
            "weight 0 long before, for a moment": weight_zero_before(OFF),
            "another weight for a moment, then gone": plus(
                OFF, Happening.TARGET, VICTIM, 2.1, gateway=GATEWAY, weight="50", address="10.0.0.2:1027"
            ),
        },
        rejects={
            "not removed until its end": (
                shifted(OFF, Happening.TARGET_REMOVED, 3),
                "echo-b to leave the upstream while it still serves",
            ),
            "not removed from the other replica": (
                arranged(OFF, gateways=(GATEWAY, SECOND)),
                "echo-b to leave the upstream while it still serves",
            ),
            "never removed": (without(OFF, Happening.TARGET_REMOVED), "echo-b to leave the upstream"),
            "removed too late": (shifted(OFF, Happening.TARGET_REMOVED, 1.6), "within 1.8 s / after 1.90 s"),
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
        spoken=drain,
        accepts={"a drain": ON, "drain support off": OFF, "an end that nobody saw": without(ON, Happening.SIGTERM)},
        doubts=UNREADABLE,
    ),
}
