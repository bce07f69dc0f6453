"""A terminating pod that goes on serving the sessions it has: no new one is placed on it."""

from __future__ import annotations

from math import inf

from stickyconf.checks.declared import check
from stickyconf.checks.ending import Ending, begin, newcomers
from stickyconf.checks.evidence import Evidence, stale_workers
from stickyconf.model import Finding, Happening, History, Measure, Ruling
from stickyconf.stats import DRAINS, MISSED, SETTLING_ALPHA, OutOfRotation, witness_sample_size

NEWCOMERS = OutOfRotation(alpha=DRAINS * SETTLING_ALPHA)
"""How many new sessions are enough. A deleted pod is replaced, so its share may be one of one pod more."""

FRESH_CONNECTIONS = 200
"""Connections that must agree on the targets, at the least."""


UNSTICKY = "unsticky"
"""A Service without the policy in front of the same pods, and the arm of the requests to it."""


def connections_needed(workers: int, pods: int) -> int:
    """Return how many connections must agree on the targets, with so many workers and pods ready before.

    One worker that still uses the old targets then stays unnoticed with a probability of MISSED at the most. A deleted
    pod may be replaced, so that its share is one of one pod more.
    """
    return max(FRESH_CONNECTIONS, witness_sample_size(1 / (workers * (pods + 1)), MISSED))


def judge_newcomers(history: History, ending: Ending, evidence: Evidence, at_least: int = 0) -> None:
    """Look where new sessions were placed once the gateway had settled: not on the pod that ends.

    Exposure: so many while it was still serving that a pod in the rotation would have got one, and ``at_least``.
    """
    late = [exchange for exchange in newcomers(history) if exchange.sent > ending.settled]
    since = (
        "the gateway had settled"
        if ending.has_settled
        else f"the {ending.settled - ending.acted:.1f} s that the gateway has for the change: it never settled"
    )
    behind = stale_workers(history, ending.pod)
    evidence.violations += behind.violations
    evidence.doubts += behind.doubts
    evidence.violations += [
        Finding(
            f"no new session on {ending.pod} once it is out of the rotation",
            f"{exchange.told()} {exchange.sent - ending.settled:.2f} s after {since}",
            (exchange.seq,),
        )
        for exchange in late
        if exchange.pod == ending.pod
    ]
    while_serving = sum(exchange.sent < ending.held_until for exchange in late)
    needed = max(at_least, NEWCOMERS.samples(max(1, len(history.setup.pods))))
    if while_serving < needed:
        evidence.doubts.append(
            Finding(f"{needed} new sessions while {ending.pod} was out of the rotation but serving", f"{while_serving}")
        )
    evidence.measures.append(Measure("new sessions while it ended", while_serving))


@check("DRN-10", arms=("newcomer",), design=NEWCOMERS)
def ready_terminating_pod_gets_no_new_session(history: History) -> Ruling:
    """Drain on: a pod that terminates while its endpoint counts as ready gets no new session either.

    Exposure beside that of every drain: the endpoint was seen ready and terminating at once.
    """
    ending, evidence = begin(history, drain=True)
    if ending is None:
        return evidence.ruling()
    judge_newcomers(history, ending, evidence)
    seen = [event.detail for event in history.happened(Happening.ENDPOINT, ending.pod)]
    if not any(detail["ready"] == detail["terminating"] == "true" for detail in seen):
        evidence.doubts.append(Finding(f"the endpoint of {ending.pod} to be ready and terminating", "it was not seen"))
    return evidence.ruling()


@check("DRN-11", arms=("newcomer",), design=NEWCOMERS)
def pod_of_two_services_gets_no_new_session(history: History) -> Ruling:
    """Drain on: a terminating pod that is an endpoint of two Services of one rule gets no new session through either.

    Exposure beside that of every drain: the pod was seen as an endpoint of both.
    """
    ending, evidence = begin(history, drain=True)
    if ending is None:
        return evidence.ruling()
    judge_newcomers(history, ending, evidence)
    services = {event.detail.get("service", "") for event in history.happened(Happening.ENDPOINT, ending.pod)} - {""}
    if len(services) < 2:
        evidence.doubts.append(
            Finding(f"{ending.pod} to be an endpoint of two Services", f"of {', '.join(sorted(services)) or 'none'}")
        )
    return evidence.ruling()


@check("ROB-09", arms=("newcomer", UNSTICKY))
def no_connection_uses_the_old_targets(history: History) -> Ruling:
    """Once a drain has converged, none of so many fresh connections places a session on the pod that left.

    Nor does a request to a Service without the policy reach it: the pod drains for every Service that it belongs to.
    Exposure: as many as connections_needed says for the gateway's workers, each a new one, while the pod was held and
    able to answer; of the other Service as many as show a pod that keeps its share.
    """
    ending, evidence = begin(history, drain=True)
    if ending is None:
        return evidence.ruling()
    workers = max(1, int(history.setup.plan.get("gateway.workers", 1)))
    judge_newcomers(history, ending, evidence, connections_needed(workers, len(history.setup.pods)))
    _judge_unsticky(history, ending, evidence)
    evidence.measures.append(Measure("workers of the gateway", workers))
    connections = [exchange.connection for exchange in newcomers(history)]
    if len(set(connections)) < len(connections):
        evidence.doubts.append(
            Finding("a fresh connection for each new session", f"{len(set(connections))} for {len(connections)}")
        )
    return evidence.ruling()


def _judge_unsticky(history: History, ending: Ending, evidence: Evidence) -> None:
    """Look where requests to the Service without the policy went once every worker had the change for it."""
    behind = stale_workers(history, UNSTICKY)
    evidence.violations += behind.violations
    evidence.doubts += behind.doubts
    settled = min((event.when for event in history.happened(Happening.SETTLED, UNSTICKY)), default=inf)
    late = [exchange for exchange in history.arm(UNSTICKY) if exchange.pod and exchange.sent > settled]
    evidence.violations += [
        Finding(f"no request without the policy on {ending.pod}, which drains", exchange.told(), (exchange.seq,))
        for exchange in late
        if exchange.pod == ending.pod
    ]
    while_serving = sum(exchange.sent < ending.held_until for exchange in late)
    needed = NEWCOMERS.samples(max(1, len(history.setup.pods)))
    if while_serving < needed:
        expected = f"{needed} requests to a Service without the policy while {ending.pod} drained"
        evidence.doubts.append(Finding(expected, f"{while_serving}"))
