"""Histories for the checks of what the controller says of a policy."""

import json
from typing import Any

from stickyconf.model import Happening, History
from tests.checks.cases import Cases
from tests.histories import annotation
from tests.histories.conforming import PROGRAMMED
from tests.histories.edits import plus, shifted, unconverged, without

SHOWN = annotation()
FIRST, LAST = SHOWN.happened(Happening.STATUS)
[ANCESTOR] = PROGRAMMED["ancestors"]
NOT_PROGRAMMED = {"type": "Programmed", "status": "False"}


def saying(status: Any, look=LAST) -> History:
    """The same, but for what one look at the status saw."""
    events = tuple(event for event in SHOWN.events if event is not look)
    bare = type(SHOWN)(SHOWN.setup, SHOWN.exchanges, events, SHOWN.sightings)
    return plus(bare, Happening.STATUS, look.subject, look.when, status=json.dumps(status))


def conditions(**said: str) -> History:
    """The same, but for the conditions of the ancestor."""
    listed = [{"type": kind, "status": status} for kind, status in said.items()]
    return saying({"ancestors": [ANCESTOR | {"conditions": listed}]})


def about(**reference: str) -> History:
    """The same, but that the ancestor is another object."""
    return saying({"ancestors": [ANCESTOR | {"ancestorRef": ANCESTOR["ancestorRef"] | reference}]})


CASES = {
    "policy_status_lists_the_service": Cases(
        accepts={
            "an ancestor that is programmed": SHOWN,
            "no namespace, which is the policy's own": about(namespace=""),
            "other conditions beside": conditions(Accepted="True", Programmed="True", ResolvedRefs="False"),
            "another ancestor before": saying(
                {"ancestors": [ANCESTOR | {"ancestorRef": {"kind": "Service", "name": "other"}}]}, FIRST
            ),
        },
        rejects={
            "no status": (saying(None), "to list Service/echo as Accepted and Programmed / it is no ancestor"),
            "no ancestor": (saying({"ancestors": []}), "it is no ancestor"),
            "another Service": (about(name="other"), "it is no ancestor"),
            "a Service of another namespace": (about(namespace="other"), "it is no ancestor"),
            "an object of another kind": (about(kind="Gateway"), "it is no ancestor"),
            "not accepted": (conditions(Accepted="False", Programmed="True"), "Accepted False, Programmed True"),
            "not programmed": (conditions(Accepted="True", Programmed="False"), "Accepted True, Programmed False"),
            "nothing said of programming": (conditions(Accepted="True"), "Programmed / Accepted True"),
            "two controllers that disagree": (
                saying({"ancestors": [ANCESTOR | {"conditions": [NOT_PROGRAMMED]}, ANCESTOR]}),
                "Accepted True, Programmed False",
            ),
        },
        doubts={
            "no annotation": (without(SHOWN, Happening.ANNOTATED), "to be seen before the annotation and after it"),
            "no look": (without(SHOWN, Happening.STATUS), "to be seen before the annotation and after it"),
            "no look before": (shifted(SHOWN, Happening.ANNOTATED, -9), "before the annotation and after it / 2 looks"),
            "no look after": (shifted(SHOWN, Happening.ANNOTATED, 99), "before the annotation and after it / 2 looks"),
            "an ancestor from the start": (
                saying(PROGRAMMED, FIRST),
                "a Service that is no ancestor before its annotation / Accepted True",
            ),
            "a change that never arrived": (unconverged(SHOWN), "to arrive on every gateway replica"),
        },
    ),
}
