"""Sessions beside pods that are added, and those whose pod is removed, killed, or dead while still listed."""

from __future__ import annotations

import json
from math import inf

from stickyconf.checks.declared import check
from stickyconf.checks.ending import residents
from stickyconf.checks.evidence import (
    Evidence,
    judge_missed,
    judge_staying,
    pods_reached,
    unconverged,
    unknown_outcomes,
)
from stickyconf.checks.moves import judge_moves, unanswered, wait_of, without_a_session
from stickyconf.model import Event, Exchange, Finding, Happening, History, Measure, Ruling, Unknown
from stickyconf.stats import Reach

MOST_FAILURES = 3
"""Requests of one session that may fail while the endpoint of its dead pod is listed: those under way when it dies, and
one that detects it. Nothing but the gateway itself can end an error loop there."""


@check("LIF-01", arms=("resident", "newcomer"), design=Reach(alpha=1e-8))
def scale_up_moves_nobody(history: History, design: Reach) -> Ruling:
    """Pods are added: no session moves, every new pod gets some of the new sessions, and each of these a cookie.

    Exposure: every pod held a session before, each was visited after a new pod had opened one, and so many new
    sessions were opened that chance alone misses a pod at most as often as this check's alpha allows.
    """
    evidence = Evidence(doubts=unconverged(history))
    scaled, ready = history.happened(Happening.SCALED), history.happened(Happening.PODS_READY)
    pods = set(json.loads(ready[-1].detail["pods"])) if ready else set()
    added = pods - set(history.setup.pods)
    if not scaled or not added:
        evidence.doubts.append(Finding("pods to be added", "none were ready"))
        return evidence.ruling()
    opened = [exchange for exchange in history.arm("newcomer") if exchange.sent > ready[-1].when]
    _judge_added_pods(history, added, opened, design.samples(len(pods)), evidence)
    evidence.violations += [
        Finding(f"session {exchange.session}, opened after pods were added, to get a cookie", "none", (exchange.seq,))
        for exchange in opened
        if exchange.pod and exchange.answer and not exchange.answer.set_cookies(history.setup.cookie)
    ]
    sessions = residents(history)
    visits = [exchange for exchanges in sessions.values() for exchange in exchanges]
    judge_staying(history, sessions, evidence)
    evidence.doubts += [*without_a_session(history, scaled[0].when), *unknown_outcomes([*visits, *opened])]
    first = min((exchange.received for exchange in opened if exchange.pod in added), default=inf)
    unvisited = [session for session, exchanges in sessions.items() if exchanges[-1].sent < first]
    if unvisited:
        found = f"{len(unvisited)} were not, among them {unvisited[0]}"
        evidence.doubts.append(Finding("every session to be visited after a new pod had opened one", found))
    evidence.measures += [Measure("pods added", len(added)), Measure("sessions that stayed", len(sessions))]
    return evidence.ruling()


def _judge_added_pods(
    history: History, added: set[str], opened: list[Exchange], needed: int, evidence: Evidence
) -> None:
    """Look for new sessions on each added pod; one without any is a violation if ``needed`` sessions were opened."""
    reached = pods_reached(opened)
    missed = {
        pod: Finding(f"{pod}, which was added, to get some of {reached.total()} new sessions", "none")
        for pod in sorted(added - reached.keys())
    }
    if reached.total() < needed:
        expected = f"at least {needed} new sessions after {len(added)} pods were added"
        evidence.doubts += [Finding(expected, f"{reached.total()}"), *missed.values()]
    else:
        judge_missed(history, missed, evidence)
    evidence.measures.append(Measure("new sessions on the added pods", sum(reached[pod] for pod in added)))


@check("LIF-02", arms=("resident",))
def removed_pod_moves_only_its_own_sessions(history: History) -> Ruling:
    """A pod is removed: its sessions move once, to a ready pod, with a new cookie that pins; no other session moves.

    A request that gets no answer, as its pod's address swallows it, is no failure: the session is served again within
    CONNECT_SECONDS, and how long it waited is a measure.
    Exposure: every pod held a session before, and those on the others visited after the pod was gone.
    """
    deletion, evidence = _begin(history)
    if deletion is None:
        return evidence.ruling()
    pod = deletion.subject
    others = residents(history, not_on=pod)
    visits = [exchange for exchanges in others.values() for exchange in exchanges]
    judge_staying(history, others, evidence)
    evidence.doubts += [*without_a_session(history, deletion.when), *unknown_outcomes(visits)]
    judge_moves(history, pod, evidence)
    gone = min((event.when for event in history.happened(Happening.POD_GONE, pod)), default=inf)
    if not any(exchange.sent > gone for exchange in visits):
        evidence.doubts.append(Finding(f"visits of sessions on other pods after {pod} was gone", "none"))
    evidence.measures.append(Measure("sessions on other pods", len(others)))
    return evidence.ruling()


@check("LIF-03", arms=("resident",))
def sessions_of_a_killed_pod_recover(history: History) -> Ruling:
    """A pod is killed without grace: its sessions are served by a ready pod within the settle bound, and stay there.

    Until then they may fail. A request that gets no answer, as its pod's address swallows it, is no failure: then the
    session is served again within CONNECT_SECONDS. Exposure: they sent requests right after it was killed, and after
    the bound.
    """
    deletion, evidence = _begin(history)
    if deletion is None:
        return evidence.ruling()
    _judge_recovery(history, deletion.subject, deletion.when, evidence, most_failures=inf)
    judge_moves(history, deletion.subject, evidence)
    return evidence.ruling()


@check("DRN-15", arms=("resident",))
def dead_process_is_survived(history: History) -> Ruling:
    """Drain on: a terminating pod's process dies, its endpoint stays listed: its sessions are served by other pods.

    As long as the target is listed, nothing promises that they stay on one of them, nor a new cookie. Exposure: they
    sent requests after the process had said that it died, within the settle bound and after it, while every gateway
    replica still listed the pod.
    """
    deletion, evidence = _begin(history)
    if deletion is None:
        return evidence.ruling()
    pod = deletion.subject
    died = [event.when for event in history.happened(Happening.DIED, pod)]
    if not history.setup.drain or not died:
        seen = "it did not" if history.setup.drain else "drain support was off"
        evidence.doubts.append(Finding(f"the process of {pod} to die while it drains", seen))
        return evidence.ruling()
    _judge_recovery(history, pod, died[0], evidence, most_failures=MOST_FAILURES)
    removed = min((event.when for event in history.happened(Happening.TARGET_REMOVED, pod)), default=inf)
    own = [exchange.sent for exchanges in residents(history, on=pod).values() for exchange in exchanges]
    if not own:
        evidence.doubts.append(Finding(f"sessions on {pod} before it ended", "none"))
    if not any(died[0] + _bound(history) < sent < removed for sent in own):
        evidence.doubts.append(
            Finding(f"visits of its sessions after the settle bound while {pod} was still listed", "none")
        )
    return evidence.ruling()


def _begin(history: History) -> tuple[Event | None, Evidence]:
    """Return the deletion that was asked for; None, with the doubt, if none was."""
    deletions = history.happened(Happening.DELETED)
    if not deletions:
        return None, Evidence(doubts=[Finding("a pod to be deleted", "none was")])
    return deletions[0], Evidence(doubts=unconverged(history))


def _bound(history: History) -> float:
    """Return the settle bound of a recovery, in seconds, as it was planned."""
    return history.setup.plan.get("recovery.seconds", 0.0)


def _judge_recovery(history: History, pod: str, dead: float, evidence: Evidence, *, most_failures: float) -> None:
    """Look at each session of a pod that is dead since a moment: so few failures, none after the bound."""
    bound = _bound(history)
    sessions = {
        session: [exchange for exchange in exchanges if exchange.received > dead]
        for session, exchanges in residents(history, on=pod).items()
    }
    visits = [exchange for exchanges in sessions.values() for exchange in exchanges]
    failures = 0
    for session, exchanges in sessions.items():
        failed = [e for e in exchanges if e.unserved or (e.answer and e.answer.status >= 500)]
        overdue = [exchange for exchange in failed if exchange.sent > dead + bound]
        if overdue:
            expected = f"session {session} to be served again {bound:g} s after {pod} had died"
            actual = f"{overdue[0].told()} {overdue[0].sent - dead:.2f} s after it"
            evidence.violations.append(Finding(expected, actual, (overdue[0].seq,)))
        elif len(failed) > most_failures:
            expected = f"session {session} to fail {most_failures:g} times at the most"
            cited = tuple(exchange.seq for exchange in failed)
            evidence.violations.append(Finding(expected, f"{len(failed)} times, first: {failed[0].told()}", cited))
        if not any(exchange.sent > dead + bound for exchange in exchanges):
            evidence.doubts.append(Finding(f"visits of {session} after the settle bound", "none"))
        late = unanswered(exchanges, dead)
        if late:
            evidence.violations.append(late)
        elif exchanges and isinstance(exchanges[-1].outcome, Unknown):
            evidence.doubts.append(Finding(f"session {session} to be served again", exchanges[-1].told()))
        failures += len(failed)
    if not any(dead < exchange.sent <= dead + bound for exchange in visits):
        evidence.doubts.append(Finding(f"visits of its sessions right after {pod} had died", "none"))
    waits = [wait_of(exchanges, dead) for exchanges in sessions.values()]
    evidence.measures += [
        Measure("failed requests of its sessions", failures),
        Measure("requests of its sessions without an answer", sum(isinstance(e.outcome, Unknown) for e in visits)),
        Measure(
            f"longest wait until a session was served after {pod} had died", round(max(waits, default=0.0), 3), "s"
        ),
    ]
