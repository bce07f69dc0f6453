"""Histories for the checks of large bodies, shared connections, sockets and streams."""

from dataclasses import replace

from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories.edits import (
    answered,
    by_gateway,
    edited,
    every,
    having,
    lacking,
    lapsing,
    nth,
    openings,
    planned,
    plus,
    reaches,
    refused,
    sending,
    shifted,
    told,
    unconverged,
    unknown,
    without,
    without_cookie,
)
from tests.histories.protocols import VICTIM, protocols

SPOKEN = protocols()
LARGE = SPOKEN.arm("large")[-1]
SOCKET = next(one for one in SPOKEN.arm("socket") if one.pod == VICTIM and one.carried("session_id"))
OTHER = next(one for one in SPOKEN.arm("socket") if one.pod != VICTIM and one.carried("session_id"))
STREAM = SPOKEN.arm("stream")[-1]


def strays(arm):
    """What every check rejects in its arm."""
    return {
        f"a {arm} request on another pod": (
            edited(SPOKEN, nth(arm, -1), reaches("echo-elsewhere")),
            "to stay there / exchange",
        ),
        f"a {arm} request that fails": (edited(SPOKEN, nth(arm, -1), refused), "to be served / exchange"),
        f"a {arm} request without a route": (edited(SPOKEN, nth(arm, -1), by_gateway(404)), "to be served / exchange"),
    }


def unsure(arm):
    """What leaves every check unsure in its arm."""
    return {
        f"a {arm} session whose pod was not ready": (
            lapsing(edited(SPOKEN, nth(arm, -1), refused), SPOKEN.arm(arm)[-1].pod, 0.0, 99.0),
            "was not ready throughout",
        ),
        f"a {arm} request with an unknown outcome": (edited(SPOKEN, nth(arm, -1), unknown), "known outcome"),
        f"nothing in the arm {arm}": (lacking(SPOKEN, arm), "as planned"),
        "a gateway that never had it": (unconverged(SPOKEN), "to arrive on every gateway replica"),
    }


def at_one_pod(arm, where=lambda _: True):
    """Sessions, and what is said on the sockets and streams they open."""
    history = edited(SPOKEN, every(arm, where=where), reaches("echo-b"))
    opened = {one.request_id for one in history.arm(arm)}
    events = tuple(
        replace(event, detail={**event.detail, "heard": f"echo-b {event.detail['said']}".strip()})
        if event.what is Happening.MESSAGE and event.subject in opened
        else event
        for event in history.events
    )
    return replace(history, events=events)


def unheard(pod):
    """No message on the sockets of a pod."""
    opened = {one.request_id for one in SPOKEN.arm("socket") if one.pod == pod}
    events = (event for event in SPOKEN.events if event.what is not Happening.MESSAGE or event.subject not in opened)
    return replace(SPOKEN, events=tuple(events))


def saying(request_id, **detail):
    """The last message of a socket or stream is another."""
    last = [event for event in SPOKEN.happened(Happening.MESSAGE) if event.subject == request_id][-1]
    events = tuple(
        replace(event, detail={**event.detail, **detail}) if event is last else event for event in SPOKEN.events
    )
    return replace(SPOKEN, events=events)


def cut(request_id, when=22.5):
    return plus(SPOKEN, Happening.CUT, request_id, when, why="no close frame received or sent")


STALE = plus(
    planned(SPOKEN, workers_seconds=1.0),
    Happening.UNSETTLED,
    "secure",
    9.9,
    asked="set the cookie session_id for a new session over TLS",
    workers="1",
    connections="13",
    seconds="2.0",
    last="0 of 13",
    request=SPOKEN.arm("secure")[0].request_id,
)

CASES = {
    "sessions_stay_over_tls": Cases(
        spoken=protocols,
        accepts={"sessions that stay": SPOKEN},
        rejects=strays("secure")
        | {"a worker that sets no cookie over TLS": (STALE, "every worker of the gateway to set the cookie")},
        doubts=unsure("secure")
        | {
            "sessions on one pod": (at_one_pod("secure"), "sessions of secure opened on at least 2 pods"),
            "strangers on one pod": (at_one_pod("secure-control"), "cookieless control requests"),
            "no cookies": (edited(SPOKEN, every("secure"), sending()), "to carry session_id"),
            "a request without TLS": (
                edited(SPOKEN, nth("secure", -1), having(gateway="http://127.0.0.1:8000")),
                "a request over TLS / exchange",
            ),
            "a listener that never was there": (
                told(STALE, Happening.UNSETTLED, "secure", request=""),
                "13 new connections in a row",
            ),
        },
    ),
    "large_bodies_arrive_whole": Cases(
        spoken=protocols,
        accepts={"bodies that arrive whole": SPOKEN},
        rejects=strays("large")
        | {
            "a body that arrives cut": (
                told(SPOKEN, Happening.CARRIED, LARGE.request_id, sent="another"),
                "the body another to arrive",
            ),
            "a body that comes back cut": (
                told(SPOKEN, Happening.CARRIED, LARGE.request_id, returned="another"),
                "what came back was another: another",
            ),
        },
        doubts=unsure("large")
        | {
            "sessions on one pod": (at_one_pod("large"), "sessions of large opened on at least 2 pods"),
            "a control that did not spread": (at_one_pod("control"), "cookieless control requests"),
            "no cookies": (edited(SPOKEN, every("large"), sending()), "to carry session_id"),
            "small bodies": (planned(SPOKEN, large_bytes=64), "bodies of 1 MB / 64 bytes were planned"),
            "a body that was not compared": (
                without(SPOKEN, Happening.CARRIED, LARGE.request_id),
                "a body of 1000000 bytes / exchange",
            ),
        },
    ),
    "sessions_share_a_connection": Cases(
        spoken=protocols,
        accepts={"sessions that stay": SPOKEN},
        rejects=strays("multiplexed")
        | {
            "another host's request at our application": (
                edited(SPOKEN, every("coalesced"), reaches("echo-b")),
                "a request for neighbour.sticky.stickyconf.test to reach the application of that host / exchange",
            ),
            "our request at the other application": (
                edited(SPOKEN, nth("multiplexed", -1), reaches("neighbour-1")),
                "to reach the application of that host / exchange",
            ),
            "a request of another host that fails": (
                edited(SPOKEN, nth("coalesced", -1), refused),
                "to be served / exchange",
            ),
        },
        doubts=unsure("multiplexed")
        | {
            "sessions on one pod": (at_one_pod("multiplexed"), "sessions of multiplexed opened on at least 2 pods"),
            "no cookies": (edited(SPOKEN, every("multiplexed"), sending()), "to carry session_id"),
            "two connections": (
                edited(SPOKEN, nth("coalesced", -1), having(connection="127.0.0.1:2")),
                "all sessions on one connection / they were on 2",
            ),
            "nothing but HTTP/1.1": (
                edited(SPOKEN, every("multiplexed", "coalesced"), having(protocol="HTTP/1.1")),
                "HTTP/2 / HTTP/1.1",
            ),
            "no other application": (lacking(SPOKEN, "coalesced"), "as planned"),
            "another host's request without an outcome": (
                edited(SPOKEN, nth("coalesced", -1), unknown),
                "known outcome",
            ),
        },
    ),
    "a_socket_is_pinned_and_outlives_a_drain": Cases(
        spoken=protocols,
        accepts={
            "sockets that stay": SPOKEN,
            "a socket that ends with its pod": cut(SOCKET.request_id, 23.2),
        },
        rejects=strays("socket")
        | {
            "no cookie with 101": (
                edited(SPOKEN, openings("socket"), without_cookie()),
                "the 101 response to set session_id",
            ),
            "an upgrade that is refused": (
                edited(SPOKEN, nth("socket", -1), answered(426)),
                "101 Switching Protocols / exchange",
            ),
            "a socket that is cut while its pod drains": (cut(SOCKET.request_id), "to stay open / it was cut"),
            "a socket on another pod that is cut": (cut(OTHER.request_id, 24.0), "to stay open / it was cut"),
            "an answer of another pod": (saying(OTHER.request_id, heard="echo-z hello"), "/ echo-z hello"),
        },
        doubts=unsure("socket")
        | {
            "sessions on one pod": (at_one_pod("socket"), "sessions of socket opened on at least 2 pods"),
            "second upgrades without the cookie": (
                edited(SPOKEN, every("socket"), sending()),
                "the second upgrade to carry session_id",
            ),
            "a message that was not answered in time": (saying(OTHER.request_id, heard=""), "/ nothing in time"),
            "no drain": (without(SPOKEN, Happening.DELETED), "a pod to be drained beside the sockets / none was"),
            "a hold that was not kept": (
                shifted(SPOKEN, Happening.SIGTERM, -1.0),
                f"preStop to hold {VICTIM} until it was released",
            ),
            "a drain that was not seen": (
                without(SPOKEN, Happening.TARGET, VICTIM),
                f"the gateway to drain {VICTIM} / it was not seen to",
            ),
            "no message in the drain": (
                unheard(VICTIM),
                f"a message on {VICTIM} while it drained / there was none",
            ),
            "a socket that is cut as its pod was not ready": (
                lapsing(cut(OTHER.request_id, 24.0), OTHER.pod, 23.5, 24.5),
                "to stay open / it was cut",
            ),
        },
    ),
    "a_stream_is_not_cut": Cases(
        spoken=protocols,
        accepts={"streams that go on": SPOKEN},
        rejects=strays("stream")
        | {
            "a stream that is cut": (cut(STREAM.request_id, 15.5), "to stay open / it was cut"),
            "an event of another pod": (saying(STREAM.request_id, heard="echo-z"), "/ echo-z"),
        },
        doubts=unsure("stream")
        | {
            "streams on one pod": (at_one_pod("stream"), "sessions of stream opened on at least 2 pods"),
            "no event in time": (saying(STREAM.request_id, heard=""), "/ nothing in time"),
            "no change": (without(SPOKEN, Happening.CHANGED), "a change to be seen in an answer of its own"),
            "a change that was not seen": (lacking(SPOKEN, "change"), "a change to be seen in an answer of its own"),
            "no event after the change": (
                edited(SPOKEN, every("change"), having(sent=18.0, received=18.1)),
                "events on every stream after the change / none came on 8",
            ),
            "streams that one pod sends": (
                at_one_pod("stream"),
                "streams from at least 2 pods / from 1",
            ),
        },
    ),
}
