"""How one pod ended, read from a history: the moments every drain requirement refers to.

    acted            terminating   settled                 held_until  sigterm      gone, removed
      | request sent   | seen        | every worker has it   | released | log line     |
      |----------------|-------------|----- steady drain ----| the last moment at which preStop certainly holds

``acted`` is recorded before the deletion is asked for, so preStop cannot have begun earlier. ``held_until`` is recorded
before the pod is released, or is acted + hold if it was not released. Between the two the pod was certainly serving;
less if it was seen to end before that.
"""

from __future__ import annotations

from dataclasses import dataclass

from stickyconf.checks.evidence import Evidence, unconverged
from stickyconf.model import Exchange, Finding, Happening, History, Sessions

LATEST_SETTLING = 0.6
"""The share of the hold within which the gateway must show the change, if the plan names no time for it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The moments of one pod's end, in seconds on the history's clock; None for what was not seen.

    ``settled`` is when every worker of the gateway had the change, as connections of their own had shown, or if that
    was never seen (``has_settled`` is False then), the end of the time that the gateway had for it. ``due`` is the end
    of the time that its Admin APIs had to show it.
    """

    pod: str
    acted: float
    terminating: float
    held_until: float
    settled: float
    has_settled: bool
    due: float
    weight_zero: float | None
    removed: float | None
    sigterm: float | None
    gone: float | None
    doubts: tuple[Finding, ...]


def begin(history: History, drain: bool | None = None) -> tuple[Ending | None, Evidence]:
    """Read the pod's end. A history recorded with drain support the other way is no evidence: None, with the doubt."""
    if drain is not None and history.setup.drain is not drain:
        wanted, was = ("on", "off") if drain else ("off", "on")
        return None, Evidence(doubts=[Finding(f"drain support {wanted}", f"it was {was}")])
    ending = read_ending(history)
    if isinstance(ending, Finding):
        return None, Evidence(doubts=[ending])
    return ending, Evidence(doubts=[*ending.doubts, *unconverged(history)])


def read_ending(history: History) -> Ending | Finding:
    """Read how the pod ended; a Finding says why there is nothing to read."""
    acts = [*history.happened(Happening.DELETED), *history.happened(Happening.SCALED)]
    ending = history.happened(Happening.TERMINATING)
    if not acts:
        return Finding("a pod to be ended", "it was not asked for")
    if len({event.subject for event in ending}) != 1:
        return Finding("one pod to terminate", f"{', '.join(event.subject for event in ending) or 'none'} did")
    pod, acted, hold = ending[0].subject, acts[0].when, history.setup.tempo["hold"]
    released = _first(history, Happening.RELEASED, pod)
    until = acted + hold if released is None else min(released, acted + hold)
    settling = history.setup.plan.get("settling.seconds", LATEST_SETTLING * hold)
    sigterm, gone = _first(history, Happening.SIGTERM, pod), _first(history, Happening.POD_GONE, pod)
    ended = min((moment for moment in (sigterm, gone) if moment is not None), default=None)
    settled, has_settled = _settled(history, pod, acted, acted + settling)
    doubts = []
    if ended is None:
        doubts.append(Finding(f"the end of {pod} to be seen", "neither its SIGTERM nor its removal was"))
    elif ended < until:
        held = f"for {hold:g} s" if released is None else "until it was released"
        doubts.append(Finding(f"preStop to hold {pod} {held}", f"it ended {until - ended:.2f} s early"))
    return Ending(
        pod=pod,
        acted=acted,
        terminating=ending[0].when,
        held_until=until if ended is None else min(until, ended),
        settled=settled,
        has_settled=has_settled,
        due=acted + settling,
        weight_zero=everywhere(history, pod, acted, removed_counts=False),
        removed=_removed_everywhere(history, pod, acted),
        sigterm=sigterm,
        gone=gone,
        doubts=tuple(doubts),
    )


def everywhere(history: History, pod: str, since: float, *, removed_counts: bool) -> float | None:
    """Return when the last gateway replica first showed the pod at weight 0 (or without it); None if one never did."""
    moments = []
    for gateway in history.setup.gateways:
        seen = [
            event.when
            for event in history.events
            if event.subject == pod
            and event.when >= since
            and event.detail.get("gateway") == gateway
            and (
                (event.what is Happening.TARGET and event.detail["weight"] == "0")
                or (removed_counts and event.what is Happening.TARGET_REMOVED)
            )
        ]
        if not seen:
            return None
        moments.append(seen[0])
    return max(moments, default=None)


def newcomers(history: History) -> list[Exchange]:
    """Return the sessions opened during the drain: requests without the cookie that a pod served."""
    return [
        exchange for exchange in history.arm("newcomer") if exchange.pod and not exchange.carried(history.setup.cookie)
    ]


def residents(history: History, *, on: str | None = None, not_on: str | None = None) -> Sessions:
    """Return the sessions opened before the drain, by the pod that opened them."""
    return {
        session: exchanges
        for session, exchanges in history.sessions("resident").items()
        if exchanges[0].pod and on in (None, exchanges[0].pod) and exchanges[0].pod != not_on
    }


def _settled(history: History, pod: str, acted: float, due: float) -> tuple[float, bool]:
    """Return when the change had arrived: on every Admin API, then on every worker; and whether it had.

    The Admin APIs have until ``due`` to show it, the workers as long as was planned after that. One that has not
    arrived by then still counts from then on.
    """
    shown = everywhere(history, pod, acted, removed_counts=True)
    if shown is None or shown > due:
        return due, False
    latest = shown + history.setup.plan.get("workers.seconds", 0.0)
    arrived = [event.when for event in history.happened(Happening.SETTLED, pod) if event.when > shown]
    return min(arrived[0], latest) if arrived else latest, bool(arrived)


def _removed_everywhere(history: History, pod: str, since: float) -> float | None:
    moments = []
    for gateway in history.setup.gateways:
        seen = [
            event.when
            for event in history.happened(Happening.TARGET_REMOVED, pod)
            if event.when >= since and event.detail["gateway"] == gateway
        ]
        if not seen:
            return None
        moments.append(seen[0])
    return max(moments, default=None)


def _first(history: History, what: Happening, subject: str) -> float | None:
    return next((event.when for event in history.happened(what, subject)), None)
