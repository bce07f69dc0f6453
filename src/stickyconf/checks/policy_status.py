"""What the controller tells people of a policy: in its status, and by events."""

from __future__ import annotations

import json

from stickyconf.checks.declared import check
from stickyconf.checks.evidence import Evidence, unconverged
from stickyconf.model import Finding, Happening, History, Measure, Ruling
from stickyconf.model.ancestors import conditions_of

SERVICE = "echo"
CONDITIONS = ("Accepted", "Programmed")


@check("API-10")
def policy_status_lists_the_service(history: History) -> Ruling:
    """Once an annotated Service backs a route, the policy's status has it as an ancestor, Accepted and Programmed.

    Exposure: before the annotation the status named no such ancestor.
    """
    evidence = Evidence(doubts=unconverged(history))
    annotated = [event.when for event in history.happened(Happening.ANNOTATED)]
    looks = history.happened(Happening.STATUS)
    before = [look for look in looks if annotated and look.when < annotated[0]]
    after = [look for look in looks if annotated and look.when > annotated[0]]
    if not before or not after:
        evidence.doubts.append(
            Finding("the policy's status to be seen before the annotation and after it", f"{len(looks)} looks at it")
        )
        return evidence.ruling()
    said = conditions_of(json.loads(before[-1].detail["status"]) or {}, history.setup.namespace, SERVICE)
    if said:
        evidence.doubts.append(Finding("a Service that is no ancestor before its annotation", _told(said)))
    said = conditions_of(json.loads(after[-1].detail["status"]) or {}, history.setup.namespace, SERVICE)
    if any(said.get(name) != "True" for name in CONDITIONS):
        evidence.violations.append(
            Finding(f"{after[-1].subject} to list Service/{SERVICE} as Accepted and Programmed", _told(said))
        )
    evidence.measures.append(
        Measure("from the annotation to the look at the status", round(after[-1].when - annotated[0], 3), "s")
    )
    return evidence.ruling()


def _told(said: dict[str, str]) -> str:
    return ", ".join(f"{name} {status}" for name, status in sorted(said.items())) or "it is no ancestor"
