"""Histories for the checks of cookies that nobody was given."""

from dataclasses import replace

from stickyconf.model import Happening, Sighting
from tests.checks.cases import Cases
from tests.histories.edits import (
    answered,
    arranged,
    by_gateway,
    edited,
    every,
    lacking,
    nth,
    only,
    openings,
    planned,
    plus,
    reaches,
    refused,
    sending,
    setting,
    unconnected,
    unconverged,
    unknown,
    without,
    without_cookie,
)
from tests.histories.forgery import NEIGHBOUR, forgery

FORGED = forgery()
LURED = FORGED.arm("lured")
NEVER_ARRIVED = {"a policy that never arrived": (unconverged(FORGED), "to arrive on every gateway replica")}


def well_formed(pick):
    """Keep, of the requests without a cookie, those of these numbers only."""
    kept = {exchange.seq for exchange in FORGED.arm("well-formed")[pick]}
    return only(FORGED, every(where=lambda e: e.arm != "well-formed" or e.seq in kept))


def seen_by_the_neighbour(exchange):
    """Let the neighbour's own log show a request that the client saw answered by another pod."""
    sighting = Sighting(NEIGHBOUR, exchange.request_id, exchange.sent)
    return replace(FORGED, sightings=(*FORGED.sightings, sighting))


CASES = {
    "forged_value_is_replaced": Cases(
        spoken=forgery,
        accepts={
            "new cookies in their place": FORGED,
            "an application that answers 404": edited(FORGED, openings("forged"), answered(404)),
        },
        rejects={
            "one refused": (edited(FORGED, nth("forged", 0), refused), "connection reset"),
            "one answered by the gateway": (
                edited(FORGED, nth("forged", 0), by_gateway(400)),
                "session_id=forged-0 to be answered by a ready pod",
            ),
            "one answered by a pod that is not ready": (
                edited(FORGED, lambda h: h.arm("forged")[-4:], reaches("echo-x")),
                "to be answered by a ready pod",
            ),
            "no new cookie": (edited(FORGED, nth("forged", 0), without_cookie()), "a new cookie in place of"),
            "the same again": (
                edited(FORGED, nth("forged", 0), without_cookie(), setting("session_id=forged-0; Path=/")),
                "the same again",
            ),
            "a new cookie that does not pin": (edited(FORGED, nth("forged", 3), reaches("echo-x")), "to stay there"),
            "a session that fails later": (edited(FORGED, nth("forged", 3), by_gateway(503)), "to be served"),
        },
        doubts=NEVER_ARRIVED
        | {
            "no forged cookie": (lacking(FORGED, "forged"), "arm forged, as planned"),
            "no real cookie": (lacking(FORGED, "pinned"), "arm pinned, as planned"),
            "real cookies that do not pin": (
                edited(FORGED, nth("pinned", -1), reaches("echo-x")),
                "real cookies to pin",
            ),
            "one pod only": (
                arranged(edited(FORGED, every("forged", "pinned"), reaches("echo-a")), pods=("echo-a",)),
                "at least 2 ready pods",
            ),
            "a first request without a cookie": (
                edited(FORGED, nth("forged", 0), sending()),
                "to begin with a forged cookie",
            ),
            "fewer than planned": (planned(FORGED, forged_sessions=6), "as planned"),
            "new cookies that nobody tries": (
                edited(FORGED, nth("forged", 3), sending()),
                "every request of the arm forged",
            ),
            "an unknown outcome": (edited(FORGED, nth("forged", 0), unknown), "known outcome"),
            "an unknown outcome of a real cookie": (edited(FORGED, nth("pinned", 9), unknown), "known outcome"),
        },
    ),
    "malformed_value_breaks_nothing": Cases(
        spoken=forgery,
        accepts={
            "all answered": FORGED,
            "one too long refused": edited(FORGED, nth("oversize", 1), by_gateway(431)),
            "one too long whose connection is closed": edited(FORGED, nth("oversize", 1), refused),
            "a malformed one refused": edited(FORGED, nth("malformed", 1), by_gateway(400)),
        },
        rejects={
            "a malformed one that breaks the gateway": (
                edited(FORGED, nth("malformed", 1), by_gateway(500)),
                "the value non-ascii to be answered, and not 5xx",
            ),
            "one too long that breaks it": (
                edited(FORGED, nth("oversize", 0), by_gateway(502)),
                "the value 16-kb to be answered, and not 5xx",
            ),
            "a pod that breaks": (
                edited(FORGED, nth("malformed", 2), answered(500)),
                "the value duplicate to be answered, and not 5xx",
            ),
            "a connection cut": (edited(FORGED, nth("malformed", 0), refused), "the value empty to be answered"),
            "connections refused from one too long on": (
                edited(edited(FORGED, nth("oversize", -1), unconnected), nth("well-formed", -1), unconnected),
                "the gateway to serve on",
            ),
            "a gateway that is gone afterwards": (
                edited(FORGED, nth("well-formed", -1), refused),
                "the gateway to serve on",
            ),
            "one that has forgotten its routes": (
                edited(FORGED, nth("well-formed", 2), by_gateway(404)),
                "the gateway to serve on",
            ),
        },
        doubts=NEVER_ARRIVED
        | {
            "the only connection refused": (
                edited(FORGED, nth("malformed", 0), unconnected),
                "every connection to be accepted",
            ),
            "the only connection refused, beside the values": (
                edited(FORGED, nth("well-formed", 2), unconnected),
                "every connection to be accepted",
            ),
            "no malformed value": (lacking(FORGED, "malformed"), "3 requests of the arm malformed"),
            "no value too long": (lacking(FORGED, "oversize"), "2 requests of the arm oversize"),
            "none at all": (lacking(FORGED, "malformed", "oversize"), "3 requests of the arm malformed"),
            "fewer than planned": (planned(FORGED, malformed_sessions=4), "4 requests of the arm malformed"),
            "nothing before": (well_formed(slice(1, None)), "to be served before the first value"),
            "a failure before": (
                edited(FORGED, nth("well-formed", 0), by_gateway(503)),
                "to be served before the first value",
            ),
            "nothing after": (well_formed(slice(None, -1)), "after the last value"),
            "an unknown outcome": (edited(FORGED, nth("malformed", 0), unknown), "known outcome"),
            "an unknown outcome afterwards": (edited(FORGED, nth("well-formed", -1), unknown), "known outcome"),
        },
    ),
    "forged_address_is_never_dialled": Cases(
        spoken=forgery,
        accepts={
            "nobody came": FORGED,
            "a route of its own that needed no second connection": replace(FORGED, events=FORGED.events[:-1]),
        },
        rejects={
            "a request that the neighbour answers": (
                edited(FORGED, nth("lured", 1), reaches(NEIGHBOUR)),
                "the request arrived at the neighbour",
            ),
            "a request that it saw, answered by another pod": (
                seen_by_the_neighbour(LURED[2]),
                "the request arrived at the neighbour",
            ),
            "a connection without a request": (
                plus(FORGED, Happening.CONNECTED, NEIGHBOUR, LURED[1].sent, peer="10.0.0.2:40003"),
                "no connection to the neighbour but the 1 at most of its own route",
            ),
        },
        doubts=NEVER_ARRIVED
        | {
            "nobody was lured": (lacking(FORGED, "lured"), "arm lured, as planned"),
            "fewer than planned": (planned(FORGED, lured_sessions=9), "as planned"),
            "a neighbour that nobody reaches": (lacking(FORGED, "neighbour"), "before and after"),
            "one that was not reached before": (
                edited(FORGED, nth("neighbour", 0), by_gateway(503)),
                "before and after",
            ),
            "one that was not reached after": (
                edited(FORGED, nth("neighbour", 1), by_gateway(503)),
                "before and after",
            ),
            "one that takes nothing down": (without(FORGED, Happening.CONNECTED), "to record what connects to it"),
            "an unknown outcome": (edited(FORGED, nth("lured", 0), unknown), "known outcome"),
        },
    ),
}
