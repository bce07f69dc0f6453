"""Where sessions are while their pod fails its readiness probe, and afterwards. Measured: the sources disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from math import inf

from stickyconf.checks.declared import check
from stickyconf.checks.ending import residents
from stickyconf.checks.evidence import Evidence, unknown_outcomes
from stickyconf.model import Event, Exchange, Finding, Happening, History, Measure, Ruling

MOST_MOVES = 2
"""Moves of a session that a blip explains: off its pod and back. One with more goes back and forth."""


@check("LIF-05", arms=("resident",))
def readiness_blip_observed(history: History) -> Ruling:
    """Record where the sessions of a pod are while it is not ready, and where once it is ready again.

    Exposure: the pod had sessions, and its endpoint was seen not ready, and ready again.
    """
    evidence = Evidence()
    off = _told(history, "false")
    on = _told(history, "true")
    if off is None or on is None:
        evidence.doubts.append(Finding("a pod to fail its readiness probe, and to pass it again", "it was not told to"))
        return evidence.ruling()
    pod, over = off.subject, min((event.when for event in history.happened(Happening.DELETED)), default=inf)
    unready = _endpoint(history, pod, off.when, ready="false")
    again = _endpoint(history, pod, on.when, ready="true")
    if unready is None or again is None or not unready < on.when:
        evidence.doubts.append(Finding(f"the endpoint of {pod} to be seen not ready, and ready again", "it was not"))
        return evidence.ruling()
    own = residents(history, on=pod)
    meanwhile = {name: [e for e in visits if unready < e.sent and e.received < on.when] for name, visits in own.items()}
    after = {name: [e for e in visits if again < e.sent and e.received < over] for name, visits in own.items()}
    _require_visits(f"while {pod} was not ready", meanwhile, evidence)
    _require_visits(f"once {pod} was ready again", after, evidence)
    moves = [_moves([e for e in visits if e.sent < over]) for visits in own.values()]
    evidence.measures += [
        Measure("while the pod was not ready", _counted(_where(pod, visits) for visits in meanwhile.values())),
        Measure("once it was ready again", _counted(_afterwards(pod, meanwhile[name], after[name]) for name in own)),
        Measure("moves of a session at the most", max(moves, default=0)),
        Measure("sessions that went back and forth", _counted(f"{m} moves" for m in moves if m > MOST_MOVES) or "none"),
    ]
    return evidence.ruling()


@check("DRN-16", arms=("resident",))
def draining_pod_that_stops_serving_observed(history: History) -> Ruling:
    """Record where the sessions of a terminating pod are once it fails its readiness probe.

    Exposure: the endpoint was seen terminating and not serving, while the pod was held.
    """
    evidence = Evidence()
    deleted = next(iter(history.happened(Happening.DELETED)), None)
    if deleted is None or history.setup.drain is not True:
        evidence.doubts.append(Finding("a pod to be drained, with drain support on", "none was"))
        return evidence.ruling()
    pod = deleted.subject
    since = _endpoint(history, pod, deleted.when, serving="false", terminating="true")
    until = min((e.when for what in _ENDS for e in history.happened(what, pod)), default=inf)
    if since is None or not since < until:
        evidence.doubts.append(Finding(f"the endpoint of {pod} to be seen terminating and not serving", "it was not"))
        return evidence.ruling()
    own = {name: _holding(visits, deleted.when) for name, visits in history.sessions("resident").items()}
    held = {
        name: [e for e in history.sessions("resident")[name] if since < e.sent and e.received < until]
        for name, on in own.items()
        if on == pod
    }
    _require_visits(f"while {pod} was terminating and not serving", held, evidence)
    evidence.measures.append(
        Measure("while the draining pod was not serving", _counted(_where(pod, visits) for visits in held.values()))
    )
    return evidence.ruling()


_ENDS = (Happening.RELEASED, Happening.SIGTERM, Happening.POD_GONE)


def _told(history: History, passes: str) -> Event | None:
    """Return when a pod was first told to fail its probe, or to pass it."""
    told = (event for event in history.happened(Happening.READINESS) if event.detail["passes"] == passes)
    return next(told, None)


def _endpoint(history: History, pod: str, since: float, **conditions: str) -> float | None:
    """Return when, since a moment, the pod's endpoint was first seen so; None if it never was."""
    seen = (
        event.when
        for event in history.happened(Happening.ENDPOINT, pod)
        if event.when >= since and conditions.items() <= event.detail.items()
    )
    return next(seen, None)


def _holding(exchanges: Sequence[Exchange], moment: float) -> str | None:
    """Return the pod that served a session last before a moment."""
    return next((exchange.pod for exchange in reversed(exchanges) if exchange.pod and exchange.received < moment), None)


def _where(pod: str, visits: list[Exchange]) -> str:
    """Say where a session was at some time: on its pod, elsewhere, both, or nowhere."""
    if any(exchange.unserved for exchange in visits):
        return "failed"
    pods = {exchange.pod for exchange in visits if exchange.pod}
    return "was not seen" if not pods else "stayed" if pods == {pod} else "moved" if pod not in pods else "alternated"


def _afterwards(pod: str, before: list[Exchange], after: list[Exchange]) -> str:
    """Say where a session was afterwards, seen from where it was meanwhile."""
    was, now = _where(pod, before), _where(pod, after)
    if now == "stayed":
        return "stayed" if was == "stayed" else "returned"
    if now == "moved" and was == "moved":
        return "stayed where they had moved"
    return now


def _moves(exchanges: list[Exchange]) -> int:
    return sum(1 for _ in groupby(exchange.pod for exchange in exchanges if exchange.pod)) - 1


def _counted(words: Iterable[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in sorted(Counter(words).items()))


def _require_visits(when: str, visits: Mapping[str, list[Exchange]], evidence: Evidence) -> None:
    """Note as doubts if there was no session to look at, or one was not visited at some time."""
    missing = [name for name, own in visits.items() if not own]
    if missing or not visits:
        evidence.doubts.append(
            Finding(f"visits of every session {when}", f"{missing[0]} had none" if missing else "no session")
        )
    evidence.doubts += unknown_outcomes(exchange for own in visits.values() for exchange in own)
