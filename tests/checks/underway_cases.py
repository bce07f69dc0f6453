"""Histories for the check of what is under way while the policy changes."""

from dataclasses import replace

from stickyconf.model import Event, Happening
from tests.checks.cases import Cases
from tests.histories.edits import (
    by_gateway,
    edited,
    every,
    lacking,
    lapsing,
    plus,
    reaches,
    told,
    unconverged,
    unknown,
    without,
)
from tests.histories.underway import under_way

OPEN = under_way()
STREAM = next(exchange for exchange in OPEN.arm("under-way") if "events=" in exchange.path)
CUT = plus(OPEN, Happening.CUT, STREAM.request_id, 5.2, why="the connection was closed")


def until(moment: float):
    """No event came after a moment."""
    kept = tuple(e for e in OPEN.events if e.what is not Happening.MESSAGE or e.when < moment)
    return replace(OPEN, events=kept)


def lone(events: tuple[Event, ...], annotation: bool):
    """Only one of the two changes of the annotation."""
    return tuple(e for e in events if e.what is not Happening.ANNOTATED or bool(e.detail["annotation"]) is annotation)


CASES = {
    "what_is_under_way_is_not_cut": Cases(
        spoken=under_way,
        accepts={"streams that go on": OPEN},
        rejects={
            "a stream that is cut": (CUT, "to stay open / it was cut: the connection was closed"),
            "events of another pod": (
                told(OPEN, Happening.MESSAGE, STREAM.request_id, heard="echo-z"),
                f"{STREAM.pod} on {STREAM.request_id} / echo-z",
            ),
        },
        doubts={
            "a stream that is cut as its pod ends": (
                lapsing(CUT, STREAM.pod, since=4.0, until=99.0),
                "to stay open / it was cut",
            ),
            "no event in time": (told(OPEN, Happening.MESSAGE, STREAM.request_id, heard=""), "nothing in time"),
            "a policy that was not edited": (without(OPEN, Happening.CHANGED), "the policy to be edited while"),
            "one that was not taken away": (replace(OPEN, events=lone(OPEN.events, True)), "to be taken away while"),
            "one that was not attached": (replace(OPEN, events=lone(OPEN.events, False)), "to be attached while"),
            "changes that did not arrive": (without(OPEN, Happening.CONVERGED), "to be edited while streams were open"),
            "no event after the last change": (until(8.2), "events on every stream after it was edited / none on 4"),
            "streams of one pod": (
                edited(told(OPEN, Happening.MESSAGE, heard="echo-a"), every("under-way"), reaches("echo-a")),
                "streams from at least 2 pods",
            ),
            "streams that were not answered": (edited(OPEN, every("under-way"), by_gateway(404)), "as planned"),
            "no stream": (lacking(OPEN, "under-way"), "arm under-way, as planned"),
            "an unknown outcome": (edited(OPEN, every("under-way"), unknown), "known outcome"),
            "a change that never arrived": (unconverged(OPEN), "to arrive on every gateway replica"),
        },
    ),
}
