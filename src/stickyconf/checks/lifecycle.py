"""What becomes of sessions whose pod is removed, killed, or dead while its endpoint is still listed."""

from __future__ import annotations

from stickyconf.checks.ending import residents
from stickyconf.checks.evidence import Evidence, strays, unconverged, unknown_outcomes
from stickyconf.checks.moves import judge_moves, without_a_session
from stickyconf.model import Finding, Happening, History, Measure, Ruling

MOST_FAILURES = 3
"""Requests of one session that may fail before it recovers: those under way when its pod dies, and one that finds out.
More is an error loop."""


def removed_pod_moves_only_its_own_sessions(history: History) -> Ruling:
    """A pod is removed: its sessions move once, to a ready pod, with a new cookie that pins; no other session moves.

    Exposure: every pod held a session before, and those on the others visited after the pod was gone.
    """
    pod, deleted, evidence = _deleted(history)
    if not pod:
        return evidence.ruling()
    others = residents(history, not_on=pod)
    visits = [exchange for exchanges in others.values() for exchange in exchanges]
    evidence.broken += strays(others)
    evidence.doubts += [*without_a_session(history, deleted), *unknown_outcomes(visits)]
    judge_moves(history, pod, evidence)
    gone = [event.when for event in history.happened(Happening.POD_GONE, pod)]
    if not gone or not any(exchange.pod and exchange.sent > gone[0] for exchange in visits):
        evidence.doubts.append(Finding(f"visits of sessions on other pods after {pod} was gone", "none"))
    evidence.measures.append(Measure("sessions on other pods", len(others)))
    return evidence.ruling()


def sessions_of_a_killed_pod_recover(history: History) -> Ruling:
    """A pod is killed without grace: its sessions are served by a ready pod within the settle bound, and stay there.

    Exposure: they sent requests right after it was killed, and after the bound.
    """
    pod, deleted, evidence = _deleted(history)
    if not pod:
        return evidence.ruling()
    _judge_recovery(history, pod, deleted, evidence)
    return evidence.ruling()


def dead_process_is_survived(history: History) -> Ruling:
    """Drain on: a terminating pod's process dies, its endpoint stays listed: its sessions recover and then stay.

    Exposure: they sent requests after the process had said that it died, within the settle bound and after it, while
    every gateway replica still listed the pod.
    """
    pod, _, evidence = _deleted(history)
    if not pod:
        return evidence.ruling()
    died = [event.when for event in history.happened(Happening.DIED, pod)]
    if not history.setup.drain or not died:
        seen = "it did not" if history.setup.drain else "drain support was off"
        evidence.doubts.append(Finding(f"the process of {pod} to die while it drains", seen))
        return evidence.ruling()
    _judge_recovery(history, pod, died[0], evidence)
    removals = [event.when for event in history.happened(Happening.TARGET_REMOVED, pod)]
    late = died[0] + _bound(history)
    own = [exchange.sent for exchanges in residents(history, on=pod).values() for exchange in exchanges]
    if not any(late < sent < min(removals, default=sent + 1) for sent in own):
        evidence.doubts.append(
            Finding(f"visits of its sessions after the settle bound while {pod} was still listed", "none")
        )
    return evidence.ruling()


def _deleted(history: History) -> tuple[str, float, Evidence]:
    """Return the pod that was deleted and when; "" with the doubt where none was."""
    acts = history.happened(Happening.DELETED)
    if not acts:
        return "", 0.0, Evidence(doubts=[Finding("a pod to be deleted", "none was")])
    return acts[0].subject, acts[0].when, Evidence(doubts=unconverged(history))


def _bound(history: History) -> float:
    """Return the settle bound of a recovery, in seconds, as it was planned."""
    return history.setup.plan.get("recovery.seconds", 0.0)


def _judge_recovery(history: History, pod: str, dead: float, evidence: Evidence) -> None:
    """Look at each session of a pod that is dead since a moment: few failures, none after the bound, and one move."""
    late, soon = dead + _bound(history), 0
    for session, exchanges in residents(history, on=pod).items():
        since = [exchange for exchange in exchanges if exchange.received > dead]
        failed = [e for e in since if e.unserved or (e.answer and e.answer.status >= 500)]
        overdue = [exchange for exchange in failed if exchange.sent > late]
        cited = tuple(exchange.seq for exchange in (overdue or failed)[:MOST_FAILURES])
        if overdue:
            evidence.broken.append(
                Finding(
                    f"session {session} to be served again {_bound(history):g} s after {pod} had died",
                    f"{overdue[0].told()} {overdue[0].sent - dead:.2f} s after it",
                    cited,
                )
            )
        elif len(failed) > MOST_FAILURES:
            expected = f"session {session} to fail {MOST_FAILURES} times at the most"
            evidence.broken.append(Finding(expected, f"{len(failed)} times, first: {failed[0].told()}", cited))
        soon += sum(dead < exchange.sent <= late for exchange in since)
        if not any(exchange.sent > late for exchange in since):
            evidence.doubts.append(Finding(f"visits of {session} after the settle bound", "none"))
        evidence.doubts += unknown_outcomes(since)
        evidence.measures.append(Measure(f"failed requests of {session}", len(failed)))
    if not soon:
        evidence.doubts.append(Finding(f"visits of its sessions right after {pod} had died", "none"))
    judge_moves(history, pod, evidence)
