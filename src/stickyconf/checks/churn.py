"""Sessions of one Service while the endpoints of another change all the time."""

from __future__ import annotations

from stickyconf.checks.declared import check
from stickyconf.checks.ending import residents
from stickyconf.checks.evidence import (
    Evidence,
    judge_staying,
    lone_refusal,
    refusal_doubt,
    stale_workers,
    unconverged,
    unknown_outcomes,
)
from stickyconf.checks.moves import without_a_session
from stickyconf.model import Finding, Happening, History, Measure, Ruling

CHURNED, CHURNING = "churned", "churning"
CHANGES = 8
"""Changes that follow each other whatever the gateway makes of them."""
A_MINUTE = 100.0
FEWEST_ARRIVED = 8
"""Changes that have to be seen to arrive one by one."""


@check("ROB-07", arms=("resident", CHURNING))
def endpoint_churn_is_survived(history: History) -> Ruling:
    """The endpoints of a Service change a hundred times a minute: nothing fails there, and no other session moves.

    Each later change, made once the one before had arrived, arrives as well, on every worker. Exposure: so many changes
    at that rate, while sessions on every pod were visited, and FEWEST_ARRIVED that arrived.
    """
    stale = stale_workers(history)
    evidence = Evidence(stale.violations, [*stale.doubts, *unconverged(history)])
    changes = [one.when for one in history.happened(Happening.CHANGED) if one.subject.endswith(f"/{CHURNED}")]
    arrived = [one.when for one in history.happened(Happening.CONVERGED) if one.detail.get("pod")]
    if len(changes) <= CHANGES:
        evidence.doubts.append(Finding(f"more than {CHANGES} changes of endpoints", f"{len(changes)}"))
        return evidence.ruling()
    rate = (CHANGES - 1) / max(1e-3, changes[CHANGES] - changes[1]) * 60
    if rate < A_MINUTE:
        evidence.doubts.append(Finding(f"{A_MINUTE:g} changes a minute", f"{rate:.0f}"))
    if len(arrived) < FEWEST_ARRIVED:
        evidence.doubts.append(Finding(f"{FEWEST_ARRIVED} changes that arrive", f"{len(arrived)}"))
    sessions, churning = residents(history), history.arm(CHURNING)
    judge_staying(history, sessions, evidence)
    lone = lone_refusal(history)
    for exchange in churning:
        if exchange.seq == lone:
            evidence.doubts.append(refusal_doubt(exchange))
        elif exchange.unserved or (exchange.answer and exchange.answer.status >= 500):
            found = Finding("every request to the Service that changes to be served", exchange.told(), (exchange.seq,))
            evidence.violations.append(found)
    visits = [one for exchanges in sessions.values() for one in exchanges if one.sent > changes[0]]
    if not visits or not churning:
        evidence.doubts.append(Finding("requests to both Services meanwhile", f"{len(visits)} and {len(churning)}"))
    evidence.doubts += [*without_a_session(history, changes[1]), *unknown_outcomes([*visits, *churning])]
    evidence.measures += [Measure("changes", len(changes)), Measure("changes a minute, at first", round(rate))]
    return evidence.ruling()
