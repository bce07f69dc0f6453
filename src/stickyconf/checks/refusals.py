"""Policies that the CRD lets through and the gateway does not take, and one that lacks its settings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from stickyconf.checks.declared import check
from stickyconf.checks.evidence import (
    Evidence,
    lone_refusal,
    pods_reached,
    refusal_doubt,
    served_sessions,
    unknown_outcomes,
)
from stickyconf.model import Event, Finding, Happening, History, Measure, Ruling
from stickyconf.model.ancestors import conditions_of

LACKING = "without-settings"
"""The policy that names the algorithm and has no stickySessions; its Service, its route and its arm are called so."""

REFUSED = ("path-without-slash", "path-with-empty-segment")
"""The policies that the gateway refuses; each has a Service and a route of the same name."""


def announced_objects(events: Iterable[Event], policy: str) -> list[str]:
    """Return which objects Warning events tell of that announce a policy: it, or the Service that names it."""
    return [
        event.subject
        for event in events
        if event.subject in (f"KongUpstreamPolicy/{policy}", f"Service/{policy}")
        or policy in event.detail.get("message", "")
    ]


@check("API-08", arms=(LACKING,))
def policy_without_settings_observed(history: History) -> Ruling:
    """Record what comes of the algorithm without its settings: by the Admin API, status, events, and traffic."""
    evidence = Evidence(doubts=unknown_outcomes(history.arm(LACKING)))
    if not history.happened(Happening.APPLIED, LACKING):
        evidence.doubts.append(Finding(f"the policy {LACKING} to be admitted", "it was not"))
    shown = [e for e in history.happened(Happening.UPSTREAM) if f".{LACKING}." in e.subject]
    told = {_told(json.loads(event.detail["upstream"])) for event in shown}
    looks = history.happened(Happening.STATUS, f"KongUpstreamPolicy/{LACKING}")
    status = json.loads(looks[-1].detail["status"]) if looks else None
    said = conditions_of(status or {}, history.setup.namespace, LACKING)
    events = [e for e in history.happened(Happening.CLUSTER_EVENT) if announced_objects([e], LACKING)]
    exchanges = history.arm(LACKING)
    if not exchanges:
        evidence.doubts.append(Finding("requests to its Service", "none"))
    answers = [exchange.answer for exchange in exchanges if exchange.answer]
    own = Counter(f"{answer.status}" for answer in answers if answer.pod is None)
    sessions = served_sessions(history, LACKING)
    measures: dict[str, int | str] = {
        "Admin API": "; ".join(sorted(told)) or "not seen",
        "status of the policy": ", ".join(f"{k} {v}" for k, v in sorted(said.items())) or "the Service is no ancestor",
        "events": "; ".join(dict.fromkeys(f"{e.detail['reason']}: {e.detail['message']}" for e in events)) or "none",
        "requests served by pods": f"{sum(bool(a.pod) for a in answers)} of {len(exchanges)}",
        "answered by the gateway": ", ".join(f"{status} {count} times" for status, count in sorted(own.items()))
        or "none",
        "responses that set a cookie": sum(bool(answer.set_cookies()) for answer in answers),
        "sessions that stayed on one pod": sum(len(pods_reached(served)) == 1 for served in sessions.values()),
    }
    evidence.measures += [Measure(name, value) for name, value in measures.items()]
    return evidence.ruling()


def _told(upstream: dict[str, Any] | None) -> str:
    if not upstream:
        return "no upstream"
    return f"algorithm {upstream.get('algorithm')}, cookie {upstream.get('sticky_sessions_cookie')}"


@check("API-13")
def refused_policies_are_announced(history: History) -> Ruling:
    """A policy that the gateway refuses is announced by a Warning event about it, or about the Service that names it.

    Exposure: the policies were admitted, and no gateway replica took them.
    """
    evidence, events = Evidence(), history.happened(Happening.CLUSTER_EVENT)
    for name in REFUSED:
        doubts, about = _not_refused(history, name), announced_objects(events, name)
        evidence.doubts += doubts
        if not about and not doubts:
            evidence.violations.append(Finding(f"a Warning event about the policy {name} or its Service", "none"))
        evidence.measures.append(Measure(f"events about {name}", ", ".join(dict.fromkeys(about)) or "none"))
    return evidence.ruling()


@check("ROB-08", arms=("resident",))
def refused_policies_freeze_nothing(history: History) -> Ruling:
    """While policies exist that the gateway refuses, another Service is scaled, which arrives, and none of its requests
    fails.

    Exposure: the policies were there, refused, until the change had been waited for. One that does not arrive is their
    fault if it does once they are gone.
    """
    evidence = Evidence(doubts=[doubt for name in REFUSED for doubt in _not_refused(history, name)])
    scaled = [event.when for event in history.happened(Happening.SCALED)]
    gone = [e.when for e in history.happened(Happening.CHANGED) if e.subject.partition("/")[2] in REFUSED]
    if not scaled or not gone or not history.happened(Happening.PODS_READY):
        evidence.doubts.append(Finding("the Service to be scaled, and the policies to be taken away after it", "no"))
        return evidence.ruling()
    converged = [event.when for event in history.happened(Happening.CONVERGED) if event.when > scaled[0]]
    if not any(moment < min(gone) for moment in converged):
        expected = f"the Service scaled beside {' and '.join(REFUSED)} to reach the gateway"
        late = [moment for moment in converged if moment > min(gone)]
        if late:
            found = f"it did not, and did {late[0] - min(gone):.1f} s after they were taken away"
            evidence.violations.append(Finding(expected, found))
        else:
            evidence.doubts.append(Finding(expected, "it did not, neither after they were taken away"))
    visits = history.arm("resident")
    lone = lone_refusal(history)
    evidence.doubts += [refusal_doubt(exchange) for exchange in visits if exchange.seq == lone]
    evidence.violations += [
        Finding("every request of another Service to be served", exchange.told(), (exchange.seq,))
        for exchange in visits
        if exchange.unserved and exchange.seq != lone
    ]
    evidence.doubts += unknown_outcomes(visits)
    if not any(scaled[0] < exchange.sent < min(gone) for exchange in visits):
        evidence.doubts.append(Finding("requests while the Service was scaled", "none"))
    evidence.measures.append(Measure("requests of the other Service", len(visits)))
    return evidence.ruling()


def _not_refused(history: History, name: str) -> list[Finding]:
    """Return a doubt if a policy was not admitted, or if a gateway replica was not seen to go without it."""
    if not history.happened(Happening.APPLIED, name):
        return [Finding(f"the policy {name} to be admitted", "it was not")]
    looks = [event for event in history.happened(Happening.UPSTREAM) if f".{name}." in event.subject]
    if not looks:
        return [Finding(f"the gateway to be asked about the policy {name}", "it was not")]
    taken = [event.detail["gateway"] for event in looks if json.loads(event.detail["upstream"])]
    return [Finding(f"the gateway to refuse the policy {name}", f"{taken[0]} took it")] if taken else []
