"""Sessions whose pod is removed, killed, or dead while its endpoint is still listed."""

from __future__ import annotations

from math import inf

from stickyconf.checks.declared import check
from stickyconf.checks.ending import residents
from stickyconf.checks.evidence import Evidence, strays, unconverged, unknown_outcomes
from stickyconf.checks.moves import judge_moves, without_a_session
from stickyconf.model import Event, Finding, Happening, History, Measure, Ruling

MOST_FAILURES = 3
"""Requests of one session that may fail while the endpoint of its dead pod is listed: those under way when it dies, and
one that finds out. Nothing but the gateway itself can end an error loop there."""


@check("LIF-02", arms=("resident",))
def removed_pod_moves_only_its_own_sessions(history: History) -> Ruling:
    """A pod is removed: its sessions move once, to a ready pod, with a new cookie that pins; no other session moves.

    Exposure: every pod held a session before, and those on the others visited after the pod was gone.
    """
    deletion, evidence = _begin(history)
    if deletion is None:
        return evidence.ruling()
    pod = deletion.subject
    others = residents(history, not_on=pod)
    visits = [exchange for exchanges in others.values() for exchange in exchanges]
    evidence.violations += strays(others)
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

    Until then they may fail. Exposure: they sent requests right after it was killed, and after the bound.
    """
    deletion, evidence = _begin(history)
    if deletion is None:
        return evidence.ruling()
    _judge_recovery(history, deletion.subject, deletion.when, evidence, most_failures=inf)
    return evidence.ruling()


@check("DRN-15", arms=("resident",))
def dead_process_is_survived(history: History) -> Ruling:
    """Drain on: a terminating pod's process dies, its endpoint stays listed: its sessions recover and then stay.

    Exposure: they sent requests after the process had said that it died, within the settle bound and after it, while
    every gateway replica still listed the pod.
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
    """Look at each session of a pod that is dead since a moment: so few failures, none after the bound, one move."""
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
        failures += len(failed)
    if not any(dead < exchange.sent <= dead + bound for exchange in visits):
        evidence.doubts.append(Finding(f"visits of its sessions right after {pod} had died", "none"))
    evidence.doubts += unknown_outcomes(visits)
    evidence.measures.append(Measure("failed requests of its sessions", failures))
    judge_moves(history, pod, evidence)
