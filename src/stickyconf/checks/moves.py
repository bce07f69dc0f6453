"""How sessions leave a pod that has ended: once, to a ready pod, with a new cookie, and then they stay.

The moment that counts is the removal of its target, from every gateway replica and by every worker of it: then the
gateway gives a session a new target and a new cookie (Kong docs, Upstream entity, FAQ).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import inf

from stickyconf.checks.ending import residents
from stickyconf.checks.evidence import FOLLOWS_SECONDS, FOLLOWS_SYNCS, Evidence, stale_workers
from stickyconf.model import Exchange, Finding, Happening, History, Measure, Unknown

CONNECT_SECONDS = 60.0
"""How long Kong waits for a connection to a target before it tries another (``connect_timeout`` of a Service, its
default). A request to the address of a pod that has gone may take so long: that is no failure yet."""

LAG_SECONDS = 1.0
"""How long after the Admin API shows a removal a worker of the gateway may still use the old targets, in histories in
which the workers were not asked."""


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
    """Look at each resident session of ``pod`` once every worker has removed the target: one move, with a new cookie.

    A cookie that names a target which is listed is followed as well as can be: what happens between the death of a pod
    and the removal of its target is no move, and a measure. From then on the session is on one ready pod, with a cookie
    that it got for it; a worker that goes on following the old one when its time is over violates. The visits planned
    after it, ``after.requests``, are the exposure.
    """
    sessions = residents(history, on=pod)
    if not sessions:
        evidence.doubts.append(Finding(f"sessions on {pod} before it ended", "none"))
    removed = removed_everywhere(history, pod)
    if removed is None:
        evidence.doubts.append(Finding(f"the target of {pod} to be removed on every gateway replica", "it was not"))
        gone = max((event.when for event in history.happened(Happening.POD_GONE, pod)), default=inf)
        removed = gone + max(FOLLOWS_SECONDS, FOLLOWS_SYNCS * history.setup.tempo["sync"])
    ready = set(history.setup.pods) - {pod} | {
        event.subject for event in history.happened(Happening.ENDPOINT) if event.detail.get("ready") == "true"
    }
    evidence.violations += stale_workers(history, removal_of(pod)).violations
    settled, early = _by_every_worker(history, pod, removed), 0
    for exchanges in sessions.values():
        early += any(exchange.pod not in (None, pod) and exchange.sent <= removed for exchange in exchanges)
        late = unanswered(exchanges, removed)
        if late:
            evidence.violations.append(late)
        else:
            _judge_session(history, _Session(exchanges, pod, settled, history.setup.cookie), ready, evidence)
    waits = [wait_of(exchanges, removed) for exchanges in sessions.values()]
    evidence.measures += [
        Measure("sessions of the ended pod", len(sessions)),
        Measure("of these, on another pod before the target was removed", early),
        Measure("longest wait until a session was served after the removal", round(max(waits, default=0.0), 3), "s"),
    ]


def removal_of(pod: str) -> str:
    """Return what asking the workers about the removal of a pod's target is about: the subject of such events."""
    return f"the removal of {pod}"


def _by_every_worker(history: History, pod: str, removed: float) -> float:
    """Return when every worker was first seen to have a removal that all Admin APIs showed; or the end of its time.

    It is the moment of the removal itself if the workers were not asked since.
    """
    if history.happened(Happening.UNSETTLED, removal_of(pod)):
        return removed + history.setup.plan.get("workers.seconds", 0.0)
    asked = (event.when for about in (pod, removal_of(pod)) for event in history.happened(Happening.SETTLED, about))
    return min((when for when in asked if when > removed), default=removed)


def removed_everywhere(history: History, pod: str) -> float | None:
    """Return when the last gateway replica was first seen without the pod; None if one never was."""
    moments = []
    for gateway in history.setup.gateways:
        events = history.happened(Happening.TARGET_REMOVED, pod)
        seen = [event.when for event in events if event.detail.get("gateway") == gateway]
        if not seen:
            return None
        moments.append(seen[-1])
    return max(moments, default=None)


def wait_of(exchanges: Sequence[Exchange], since: float) -> float:
    """Return how long a session waited for its first answer from a pod after a moment, in seconds."""
    later, served = _later(exchanges, since)
    ended = served.received if served else max((exchange.received for exchange in later), default=since)
    return ended - since


def unanswered(exchanges: Sequence[Exchange], since: float) -> Finding | None:
    """Return a finding if a session asked for more than CONNECT_SECONDS after a moment until a pod answered it.

    A single request without an answer is neither a failure nor nothing: the session has to be served again in time.
    """
    later, served = _later(exchanges, since)
    silent = [exchange for exchange in later if isinstance(exchange.outcome, Unknown)]
    if not silent or wait_of(exchanges, since) <= CONNECT_SECONDS:
        return None
    expected = f"session {silent[0].session} to be served again within {CONNECT_SECONDS:g} s"
    said = f"{wait_of(exchanges, since):.1f} s later " + ("it was" if served else "it was not")
    return Finding(expected, f"{said}; {silent[-1].told()}", (silent[0].seq, silent[-1].seq))


def _later(exchanges: Sequence[Exchange], since: float) -> tuple[list[Exchange], Exchange | None]:
    """Return what ended after a moment, up to the first that was sent after it and served by a pod; and that one."""
    later: list[Exchange] = []
    for exchange in exchanges:
        if exchange.received > since:
            later.append(exchange)
            if exchange.pod and exchange.sent > since:
                return later, exchange
    return later, None


@dataclass(frozen=True, slots=True)
class _Session:
    """One session of a pod that has ended, in the order of its requests. ``removed``: when every worker knew."""

    exchanges: Sequence[Exchange]
    pod: str
    removed: float
    cookie: str

    @property
    def name(self) -> str:
        return self.exchanges[0].session

    def values_of_the_pod(self) -> set[str]:
        """Return the cookie's values that the session got from the pod while that was the one that served."""
        return {
            issued.value
            for exchange in self.exchanges
            if exchange.pod == self.pod and exchange.answer
            for issued in exchange.answer.set_cookies(self.cookie)
        }

    def moved_by(self) -> Exchange | None:
        """Return the answer that gave the session the cookie of another pod: the last one that did so before the
        removal, if that is the cookie the session had then, else the first one after it.
        """
        old, found = self.values_of_the_pod(), None
        for exchange in self.exchanges:
            if found and exchange.sent > self.removed:
                break
            issued = exchange.answer.set_cookies(self.cookie) if exchange.answer else ()
            if issued:
                new = exchange.pod not in (None, self.pod) and issued[-1].value not in old
                found = exchange if new else None
        return found

    def after(self) -> list[Exchange]:
        """Return what a pod served after the removal."""
        return [exchange for exchange in self.exchanges if exchange.pod and exchange.sent > self.removed]


def _judge_session(history: History, session: _Session, ready: set[str], evidence: Evidence) -> None:
    served, name = session.after(), session.name
    if not served:
        _judge_unserved(session, evidence)
        return
    moved = session.moved_by()
    opener = session.exchanges[0]
    if moved is None:
        late = [exchange for exchange in served if exchange.sent > session.removed + LAG_SECONDS]
        if not late:
            evidence.doubts.append(Finding(f"visits of {name} {LAG_SECONDS:g} s after the removal", "none"))
            return
        first = late[0]
        issued = first.answer.set_cookies(session.cookie) if first.answer else ()
        again = issued or any(
            exchange.pod != session.pod and exchange.answer and exchange.answer.set_cookies(session.cookie)
            for exchange in session.exchanges
        )
        said = "the old one again" if again else f"none: {first.told()}"
        expected = f"session {name} to get a new cookie with its move"
        evidence.violations.append(Finding(expected, said, (opener.seq, first.seq)))
        return
    stays = [exchange for exchange in served if exchange.sent > moved.sent]
    if any(exchange.pod != moved.pod for exchange in stays):
        route = [session.pod, *(pod for pod, _ in groupby([moved, *stays], key=lambda exchange: exchange.pod))]
        astray = next(exchange for exchange in stays if exchange.pod != moved.pod)
        told = Finding(f"session {name} to move from {session.pod} once", " -> ".join(map(str, route)))
        evidence.violations.append(replace(told, exchanges=(moved.seq, astray.seq)))
    if moved.pod not in ready:
        cited = (opener.seq, moved.seq)
        evidence.violations.append(Finding(f"session {name} to move to a ready pod", moved.told(), cited))
    planned = history.setup.plan.get("after.requests", 1)
    visits = (moved.sent > session.removed) + sum(exchange.carried(session.cookie) for exchange in stays)
    if visits < planned:
        expected = f"{planned:g} visits of {name}, its move and those with the new cookie"
        evidence.doubts.append(Finding(expected, f"{visits}", (moved.seq,)))


def _judge_unserved(session: _Session, evidence: Evidence) -> None:
    """Judge a session that no pod served after the removal: it went nowhere, waits still, or was not asked."""
    failed = [exchange for exchange in session.exchanges if exchange.sent > session.removed and exchange.unserved]
    if failed:
        cited = (session.exchanges[0].seq, failed[0].seq)
        expected = f"session {session.name} to move from {session.pod} once"
        evidence.violations.append(Finding(expected, f"{session.pod} -> nowhere: {failed[0].told()}", cited))
    else:
        evidence.doubts.append(Finding(f"visits of {session.name} after {session.pod} had ended", "none"))
