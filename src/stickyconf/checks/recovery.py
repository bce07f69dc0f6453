"""A pod that health checks have taken out, and that has recovered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from stickyconf.checks.declared import check
from stickyconf.checks.ending import residents
from stickyconf.checks.evidence import Evidence, judge_missed, pods_reached, unconverged, unknown_outcomes
from stickyconf.model import Event, Exchange, Finding, Happening, History, Measure, Ruling
from stickyconf.stats import Reach


@check("ROB-13", arms=("resident", "newcomer"), design=Reach(alpha=1e-8))
def recovered_pod_serves_again(history: History, design: Reach) -> Ruling:
    """A pod that answered 5xx, so that passive health checks took it out, gets new sessions again once it recovered.

    Active checks of the same policy ask it meanwhile. It has the time planned, ``recovery.seconds``; and it is missed
    only if chance misses a pod of so many sessions at most as often as the alpha allows. Where its sessions are while
    it is out is a measure.
    Exposure: it answered as often with 5xx as the policy counts, every worker of the gateway then placed new sessions
    elsewhere, and its endpoint was ready throughout.
    """
    evidence = Evidence(doubts=unconverged(history))
    told = history.happened(Happening.ANSWERING)
    if [event.detail["status"] for event in told] != ["503", "200"]:
        evidence.doubts.append(Finding("a pod to be told to answer 503, and then 200", f"{len(told)} were told"))
        return evidence.ruling()
    ill, well = told
    evidence.doubts += _not_taken_out(history, ill, well)
    _judge_return(history, well, design.samples(len(history.setup.pods)), evidence)
    own = residents(history, on=ill.subject)
    meanwhile = [[e for e in visits if ill.when < e.sent and e.received < well.when] for visits in own.values()]
    evidence.measures.append(Measure("sessions of the pod while it answered 5xx", _whereabouts(ill.subject, meanwhile)))
    return evidence.ruling()


def _not_taken_out(history: History, ill: Event, well: Event) -> list[Finding]:
    """Return doubts if the pod was not seen to fail as often as the policy counts, or not to be taken out for it."""
    pod, doubts = ill.subject, []
    needed = history.setup.plan.get("ill.answers", 0)
    bad = [e for e in history.exchanges if e.pod == pod and e.answer and e.answer.status >= 500]
    if not needed or len(bad) < needed:
        doubts.append(Finding(f"{needed:g} answers 5xx of {pod}, as the policy counts", f"{len(bad)}"))
    if not any(ill.when < event.when < well.when for event in history.happened(Happening.SETTLED, pod)):
        doubts.append(Finding(f"every worker to place new sessions elsewhere than on {pod} while it answers 5xx", "no"))
    return doubts


def _judge_return(history: History, well: Event, needed: int, evidence: Evidence) -> None:
    pod, due = well.subject, well.when + history.setup.plan.get("recovery.seconds", 0.0)
    opened = [exchange for exchange in history.arm("newcomer") if exchange.pod and exchange.sent > well.when]
    evidence.doubts += unknown_outcomes(history.arm("newcomer"))
    there = [e for e in opened if e.pod == pod and e.answer and e.answer.status < 500]
    if there:
        waited = round(there[0].received - well.when, 3)
        evidence.measures.append(Measure("until the recovered pod got a new session", waited, "s"))
        return
    late = pods_reached(exchange for exchange in opened if exchange.sent > due).total()
    missed = Finding(f"{pod}, which has recovered, to get some of {late} new sessions", "none")
    if late < needed:
        evidence.doubts += [Finding(f"at least {needed} new sessions once {pod} had recovered", f"{late}"), missed]
    else:
        judge_missed(history, {pod: missed}, evidence)


def _whereabouts(pod: str, sessions: Iterable[list[Exchange]]) -> str:
    """Say how many sessions were on their pod, on others, on both, or without an answer of any pod."""
    seen = Counter(_where(pod, visits) for visits in sessions)
    return ", ".join(f"{count} {word}" for word, count in sorted(seen.items()))


def _where(pod: str, visits: list[Exchange]) -> str:
    last = visits[-1] if visits else None
    if last is None:
        return "not seen"
    if last.pod is None:
        return "without a pod in the end"
    return "stayed" if last.pod == pod else "moved"
