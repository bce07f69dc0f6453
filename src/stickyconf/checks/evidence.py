"""What every check needs of a history: that it is consistent, and that it could have shown the fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

from stickyconf.checks.readiness import Lapse, lapses
from stickyconf.model import Exchange, Finding, Happening, History, Measure, Ruling, Sessions, Unknown
from stickyconf.stats import MISSED, witness_sample_size

ON_PURPOSE = "Gateway/"
"""How the subject of an act on the gateway itself begins."""

FOLLOWS_SECONDS, FOLLOWS_SYNCS = 10.0, 4
"""How long the gateway may take to follow what happens to a pod: so many seconds, or sync periods of the controller."""

MOST_FINDINGS = 20
"""Violations kept in a ruling; their number is kept as a measure."""


@dataclass
class Evidence:
    """What a check gathers on its way to a ruling: violations, doubts, measures."""

    violations: list[Finding] = field(default_factory=list)
    doubts: list[Finding] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)

    def ruling(self) -> Ruling:
        """Rule on what was gathered."""
        if len(self.violations) > MOST_FINDINGS:
            self.measures.append(Measure("violations in all", len(self.violations)))
        return Ruling.of(self.violations, self.doubts, self.measures)


def contradictions(history: History) -> list[str]:
    """Return where the client's view and the pods' own logs disagree. Any means that the suite or its setting failed.

    Every answer that names a pod must stand in that pod's log under the same request id. An answer that says itself
    that it is to another request is no contradiction: the gateway gave it to the wrong client (ROB-12).
    """
    return [
        f"{exchange.told()}, but the log of {exchange.pod} does not show request {exchange.request_id}"
        for exchange in history.exchanges
        if exchange.pod and not exchange.misdelivered and not history.logged(exchange.pod, exchange.request_id)
    ]


def gateway_departures(history: History) -> list[str]:
    """Return how the gateway went away by itself: what was recorded then says nothing about how it treats sessions.

    A scenario that takes it away on purpose records that as an act (DELETED or SCALED) whose subject begins with
    ON_PURPOSE; what happens to the gateway after it is the scenario's own.
    """
    acts = [*history.happened(Happening.DELETED), *history.happened(Happening.SCALED)]
    meant = min((act.when for act in acts if act.subject.startswith(ON_PURPOSE)), default=inf)
    return [
        f"the gateway went away at {event.when:.2f} s: {event.subject}: {event.detail.get('why', 'nobody knows why')}"
        for event in history.happened(Happening.GATEWAY_GONE)
        if event.when < meant
    ]


def unknown_outcomes(exchanges: Iterable[Exchange]) -> list[Finding]:
    """Return one doubt for the exchanges whose outcome is not known."""
    doubtful = [exchange for exchange in exchanges if isinstance(exchange.outcome, Unknown)]
    if not doubtful:
        return []
    cited = tuple(exchange.seq for exchange in doubtful[:MOST_FINDINGS])
    return [Finding("every request to have a known outcome", f"{len(doubtful)}, first: {doubtful[0].told()}", cited)]


def silences(history: History) -> list[Finding]:
    """Return a doubt if the record ended before its time, because the gateway answered no request any more."""
    return [
        Finding("an answer from the gateway to any request", f"none for {event.detail['seconds']} s")
        for event in history.happened(Happening.SILENT)
    ]


def unconverged(history: History, until: float = inf) -> list[Finding]:
    """Return one doubt for each change that never arrived on every gateway replica, and for traffic that never came.

    Only for those whose wait ended by ``until``, in seconds on the history's clock.
    """
    missed = [
        Finding(event.subject, f"not within the budget {event.detail['budget']}; last seen: {event.detail['last']}")
        for event in history.happened(Happening.MISSED)
        if event.when <= until
    ]
    return missed + [
        Finding(
            f"{event.subject} to arrive on every gateway replica",
            f"it did not within the budget {event.detail['budget']}; last seen: {event.detail['last']}",
        )
        for event in history.happened(Happening.UNCONVERGED)
        if event.when <= until
    ]


def stale_workers(history: History, subject: str = "") -> Evidence:
    """Return what was seen of gateway workers that did not act on a change within the budget ``workers``.

    A violation is a new session that shows it although the budget was used up when it was opened; a doubt that the
    connections which had to agree did not for another reason. Of one subject only, a pod or an upstream, if given.
    """
    evidence, by_id = Evidence(), {exchange.request_id: exchange for exchange in history.exchanges}
    for event in history.happened(Happening.UNSETTLED):
        if subject and event.subject != subject:
            continue
        within = history.setup.plan.get("workers.seconds", 0.0)
        expected = f"every worker of the gateway to {event.detail['asked']} within {within:g} s"
        behind = by_id.get(event.detail["request"])
        if behind and behind.pod:
            evidence.violations.append(
                Finding(expected, f"after {event.detail['seconds']} s, {behind.told()}", (behind.seq,))
            )
        else:
            actual = f"{event.detail['connections']} new connections in a row had to; seen last: {event.detail['last']}"
            evidence.doubts.append(Finding(expected, actual))
    return evidence


def settling_measures(history: History) -> list[Measure]:
    """Return how long the gateway's workers took for each change, once its Admin APIs showed it, the longest of all."""
    took = [float(event.detail["seconds"]) for event in history.happened(Happening.SETTLED)]
    return [Measure("until every worker acted on a change, the longest", max(took), "s")] if took else []


def incomplete(history: History, arms: Sequence[str]) -> list[Finding]:
    """Return a doubt for each arm in which pods served fewer requests than were planned beforehand."""
    doubts = []
    for arm in arms:
        sessions = history.sessions(arm)
        planned = history.setup.plan.get(f"{arm}.sessions", 1) * history.setup.plan.get(f"{arm}.requests", 1)
        served = sum(exchange.pod is not None for exchange in history.arm(arm))
        if served < planned:
            doubts.append(
                Finding(
                    f"{planned:g} requests served by pods in the arm {arm}, as planned",
                    f"{served} in {len(sessions)} sessions",
                )
            )
    return doubts


def control_did_not_spread(history: History, control: str) -> list[Finding]:
    """Return a doubt if no session could have been seen to move: one pod only, or a control that did not spread."""
    if len(history.setup.pods) < 2:
        return [Finding("at least 2 ready pods", f"{len(history.setup.pods)}: no session could have left its pod")]
    cookieless = [exchange for exchange in history.arm(control) if not exchange.carried(history.setup.cookie)]
    reached = pods_reached(cookieless)
    if len(reached) < 2:
        return [
            Finding(
                f"cookieless control requests on at least 2 of {len(history.setup.pods)} pods",
                f"{len(cookieless)} control requests reached {len(reached)}: no session could have left its pod",
            )
        ]
    return []


def tested_too_little(history: History, arms: Sequence[str]) -> list[Finding]:
    """Return a doubt for each arm in which a gateway without sticky sessions could have passed.

    A request tests the cookie when it carries it, and when a gateway that deals requests to its pods in turn would
    have dealt this one to another pod than the session's last: a multiple of the pods' number of clients in lockstep
    come back to the same pod each time without any affinity.
    """
    pods, doubts = len(history.setup.pods), []
    needed = witness_sample_size(1 - 1 / pods, MISSED) if pods > 1 else 1
    for arm in arms:
        later = [exchange for exchanges in served_sessions(history, arm).values() for exchange in exchanges[1:]]
        carrying = [exchange for exchange in later if exchange.carried(history.setup.cookie)]
        if len(carrying) < len(later):
            doubts.append(
                Finding(
                    f"every request of the arm {arm} after a session's first to carry {history.setup.cookie}",
                    f"{len(carrying)} of {len(later)} did",
                )
            )
        telling = sum(exchange.carried(history.setup.cookie) for exchange in dealt_elsewhere(history, arm))
        if telling < needed:
            doubts.append(
                Finding(
                    f"at least {needed} requests of the arm {arm} that only a cookie can have kept on their pod",
                    f"{telling} of {len(later)}",
                )
            )
    return doubts


def dealt_elsewhere(history: History, arm: str, *, fresh: bool = False) -> list[Exchange]:
    """Return those later requests of an arm's sessions that dealing in turn would bring to another pod than before.

    ``Dealing in turn`` gives the requests of the whole history, in the order sent, to one pod after the other.
    ``fresh``: only those on another connection than the request before. Each of a gateway's workers deals in turn by
    itself, so that clients who keep to one worker's connections come back to their pods whenever a multiple of the
    pods' number of them does.
    """
    turn = {exchange.seq: number for number, exchange in enumerate(e for e in history.exchanges if e.pod)}
    pods = max(1, len(history.setup.pods))
    return [
        exchange
        for exchanges in served_sessions(history, arm).values()
        for before, exchange in pairwise(exchanges)
        if (turn[exchange.seq] - turn[before.seq]) % pods and not (fresh and exchange.connection == before.connection)
    ]


def served_sessions(history: History, *arms: str) -> dict[str, list[Exchange]]:
    """Return the exchanges of these arms that a pod served, by session; sessions without any are left out."""
    sessions = {
        session: [exchange for exchange in exchanges if exchange.pod]
        for session, exchanges in history.sessions(*arms).items()
    }
    return {session: exchanges for session, exchanges in sessions.items() if exchanges}


def pods_reached(exchanges: Iterable[Exchange]) -> Counter[str]:
    """Count the exchanges by the pod that served them."""
    return Counter(exchange.pod for exchange in exchanges if exchange.pod)


def most_at_once(spans: Iterable[tuple[float, float]]) -> int:
    """Return how many of these spans of time, each with its start and its end, overlap at the most at one moment."""
    now = most = 0
    for _, change in sorted((moment, change) for span in spans for moment, change in zip(span, (1, -1), strict=True)):
        now += change
        most = max(most, now)
    return most


def opener(exchanges: Sequence[Exchange]) -> Exchange | None:
    """Return the exchange that opened a session: the first one served by a pod."""
    return next((exchange for exchange in exchanges if exchange.pod and not exchange.misdelivered), None)


def strays(sessions: Sessions) -> list[Finding]:
    """Return a finding for each exchange that did not reach the pod that opened its session.

    One that failed did not reach it, nor did one that the gateway answered by itself once the session was open. What
    they prove depends on the pods: see ``judge_staying``.
    """
    return [finding for *_, finding in _strays(sessions)]


def judge_staying(history: History, sessions: Sessions, evidence: Evidence) -> int:
    """Look whether each session stays on the pod that opened it, and return how many exchanges did not reach it.

    Each of these is a violation, but for three kinds, which are doubts: those of a session that left its pod while that
    was not ready (the doubt says what happened to it), the only connection of the history that was refused, and what
    another server than the gateway answered.
    """
    found, lapsed, refused = _strays(sessions), lapses(history), lone_refusal(history)
    follows = max(FOLLOWS_SECONDS, FOLLOWS_SYNCS * history.setup.tempo["sync"])
    for first, left, exchange, finding in found:
        lapse = _lapse_of(lapsed, first, left, follows)
        if exchange.seq == refused:
            evidence.doubts.append(refusal_doubt(exchange))
        elif exchange.foreign:
            evidence.doubts.append(finding)
        elif lapse:
            evidence.doubts.append(Finding(finding.expected, f"{finding.actual}; {lapse.told()}", finding.exchanges))
        else:
            evidence.violations.append(finding)
    return len(found)


def judge_missed(history: History, missed: Mapping[str, Finding], evidence: Evidence) -> None:
    """Take what pods lack, by pod, for violations; of a pod that was not ready throughout it is a doubt."""
    lapsed = lapses(history)
    for pod, finding in missed.items():
        if pod in lapsed:
            evidence.doubts.append(Finding(finding.expected, f"{finding.actual}; {lapsed[pod][0].told()}"))
        else:
            evidence.violations.append(finding)


def _lapse_of(
    lapsed: Mapping[str, Sequence[Lapse]], first: Exchange | None, left: Exchange, follows: float
) -> Lapse | None:
    """Return the lapse in which a session left the pod that opened it, or any pod if none did; None if in none.

    The gateway may act on the end of a lapse ``follows`` seconds later; one that was over before the session began does
    not concern it.
    """
    opened = first.sent if first else 0.0
    own = (
        lapse
        for pod, some in lapsed.items()
        if first is None or pod == first.pod
        for lapse in some
        if lapse.began <= left.received and max(opened, left.sent - follows) <= lapse.until
    )
    return min(own, key=lambda lapse: lapse.since, default=None)


def _strays(sessions: Sessions) -> list[tuple[Exchange | None, Exchange, Exchange, Finding]]:
    """Return what strayed: the opener of its session (if there is one), the exchange with which the session left its
    pod, the exchange that strayed, and how to say it.
    """
    found: list[tuple[Exchange | None, Exchange, Exchange, Finding]] = []
    for session, exchanges in sessions.items():
        first, left = opener(exchanges), None
        for exchange in exchanges:
            if first and exchange.pod == first.pod:  # most are
                left = None
                continue
            if first and exchange.misdelivered:  # another's answer does not say where this request went
                continue
            if exchange.failed or (exchange.unserved and first and exchange.sent > first.sent):
                finding = Finding(f"every request of session {session} to be served", exchange.told(), (exchange.seq,))
            elif first and exchange.pod:
                expected, cited = f"session {session}, opened on {first.pod}, to stay there", (first.seq, exchange.seq)
                finding = Finding(expected, exchange.told(), cited)
            else:
                continue
            left = left or exchange
            found.append((first, left, exchange, finding))
    return found


def lone_refusal(history: History) -> int | None:
    """Return the number of the only exchange whose connection was refused before the gateway said anything.

    One may be lost on the way to the gateway; a second is the gateway's. None if there is none, or more than one.
    """
    numbers = [exchange.seq for exchange in history.exchanges if exchange.unconnected]
    return numbers[0] if len(numbers) == 1 else None


def refusal_doubt(exchange: Exchange) -> Finding:
    """Return the doubt about a connection that was refused once."""
    return Finding("every connection to be accepted", f"{exchange.told()}, once and not again", (exchange.seq,))


def one_pod_opened(history: History, arms: Sequence[str]) -> list[Finding]:
    """Return a doubt if all sessions of these arms were opened on one pod: none was seen to stay on another."""
    openers = [opener(exchanges) for exchanges in history.sessions(*arms).values()]
    pods = {first.pod for first in openers if first}
    if len(pods) >= 2:
        return []
    return [Finding(f"sessions of {', '.join(arms)} opened on at least 2 pods", f"on {len(pods)}")]
