"""How sessions leave a pod that has ended: once, to a ready pod, with a new cookie, and then they stay."""

from __future__ import annotations

from itertools import groupby

from stickyconf.checks.ending import residents
from stickyconf.checks.evidence import Evidence, served_sessions
from stickyconf.model import Exchange, Finding, Happening, History, Measure


def without_a_session(history: History, before: float) -> list[Finding]:
    """Return a doubt for each pod that held no resident session before a moment of the history's clock."""
    openers = [exchanges[0] for exchanges in residents(history).values()]
    holding = {exchange.pod for exchange in openers if exchange.sent < before}
    return [
        Finding(f"a session on {pod} before the drain", "none was placed there")
        for pod in history.setup.pods
        if pod not in holding
    ]


def judge_moves(history: History, pod: str, evidence: Evidence) -> None:
    """Look at each resident session of ``pod``: one move, to a ready pod, with a new cookie, and visits after it.

    The visits planned after it, ``after.requests``, are the exposure.
    """
    sessions, visits = residents(history, on=pod), served_sessions(history, "resident")
    if not sessions:
        evidence.doubts.append(Finding(f"sessions on {pod} before it ended", "none"))
    for session, exchanges in sessions.items():
        served = visits[session]
        stays = [(where, list(group)) for where, group in groupby(served, key=lambda exchange: exchange.pod)]
        if len(stays) == 2:
            _judge_move(history, session, stays[0][1][-1], stays[1][1], evidence)
            continue
        after = [exchange for exchange in exchanges if exchange.sent > served[-1].sent and exchange.unserved]
        if len(stays) == 1 and not after:
            evidence.doubts.append(Finding(f"visits of {session} after {pod} had ended", "none"))
            continue
        route = " -> ".join([str(where) for where, _ in stays] + ["nowhere"] * bool(after))
        cited = tuple(exchange.seq for exchange in (*(group[0] for _, group in stays), *after[:1]))
        evidence.violations.append(Finding(f"session {session} to move from {pod} once", route, cited))
    evidence.measures.append(Measure("sessions of the ended pod", len(sessions)))


def _judge_move(history: History, session: str, last: Exchange, after: list[Exchange], evidence: Evidence) -> None:
    first, cookie = after[0], history.setup.cookie
    issued = first.answer.set_cookies(cookie) if first.answer else ()
    cited = (last.seq, first.seq)
    if not issued:
        evidence.violations.append(
            Finding(f"session {session} to get a new cookie with its move", f"none: {first.told()}", cited)
        )
    elif first.carried(cookie, issued[-1].value):
        evidence.violations.append(
            Finding(f"session {session} to get a new cookie with its move", "the old one again", cited)
        )
    ready = set(history.setup.pods) | {
        event.subject for event in history.happened(Happening.ENDPOINT) if event.detail.get("ready") == "true"
    }
    if first.pod not in ready:
        evidence.violations.append(Finding(f"session {session} to move to a ready pod", first.told(), cited))
    planned = history.setup.plan.get("after.requests", 1)
    visits = 1 + sum(exchange.carried(cookie) for exchange in after[1:])
    if visits < planned:
        evidence.doubts.append(
            Finding(f"{planned:g} visits of {session}, its move and those with the new cookie", f"{visits}", cited)
        )
