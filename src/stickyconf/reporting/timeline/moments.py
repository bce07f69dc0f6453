"""What happened to the cluster, as lines with labels that stay out of each other's way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stickyconf.model import Event, Happening, History

TOGETHER = 0.012
"""The same thing happening to several subjects within this share of the history's duration is one moment."""

MOST_ROWS = 24
"""Labels stand in at most so many rows; a moment that finds none keeps its line and its tooltip."""

_ACTS = frozenset(
    {
        Happening.APPLIED,
        Happening.ANNOTATED,
        Happening.CHANGED,
        Happening.READINESS,
        Happening.ANSWERING,
        Happening.DELETED,
        Happening.SCALED,
        Happening.REPLACED,
        Happening.RELEASED,
        Happening.RAN,
    }
)
_SAID = {
    Happening.DELETED: "deleted",
    Happening.RELEASED: "preStop released",
    Happening.TERMINATING: "Terminating",
    Happening.ENDPOINT_REMOVED: "no endpoint",
    Happening.POD_GONE: "gone",
    Happening.RESTARTED: "started again",
    Happening.FAILED: "ended",
    Happening.GATEWAY_GONE: "the gateway went away",
    Happening.HELD: "preStop holds",
    Happening.SIGTERM: "SIGTERM",
    Happening.DIED: "died",
    Happening.CONNECTED: "gets a connection",
    Happening.TARGET_REMOVED: "removed from gateway",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One vertical line. ``kind`` is "act" (ours), "seen" or "bad"; ``told`` has every detail, a line each."""

    when: float
    label: str
    kind: str
    told: str


def moments(history: History, letters: Mapping[str, str], span: float) -> list[Moment]:
    """Return what to mark of a history's events, in the order of time; ``span`` is its duration in seconds.

    Left out is what was so at the beginning, and what repeats what was seen already.
    """
    groups: list[tuple[str, str, list[Event]]] = []
    for event in _news(history):
        what, kind = _said(event)
        alike = (events for said, _, events in reversed(groups) if said == what)
        latest = next(alike, None)
        if latest and event.when - latest[0].when <= TOGETHER * span:
            latest.append(event)
        else:
            groups.append((what, kind, [event]))
    return sorted((_moment(what, kind, events, letters) for what, kind, events in groups), key=lambda one: one.when)


def rows(starts: Sequence[float], widths: Sequence[float]) -> list[int | None]:
    """Return the row of each label, 0 on top, of where labels start and how wide they are; None if one has no room.

    A label stands right of its line, which goes down from it. So that no line crosses a label, a later label stands
    below every earlier one that it would run through: labels close together go down like stairs.
    """
    ends: list[float] = []
    found: list[int | None] = []
    for start, width in zip(starts, widths, strict=True):
        row = len(ends)
        while row and ends[row - 1] <= start:
            row -= 1
        if row >= MOST_ROWS:
            found.append(None)
            continue
        ends[row:] = [start + width, *ends[row + 1 :]]
        found.append(row)
    return found


def _news(history: History) -> list[Event]:
    """Return the events that change something: not the first look at endpoints and targets, nor repetitions."""
    weights = {(pod, gateway): "1" for pod in history.setup.pods for gateway in history.setup.gateways}
    endpoints = dict.fromkeys(history.setup.pods, "ready")
    found = []
    for event in history.events:
        match event.what:
            case Happening.UPSTREAM | Happening.MARKED | Happening.UNSUPPORTED | Happening.STATUS:
                continue
            case Happening.MESSAGE | Happening.CARRIED | Happening.TALLIED:
                continue
            case Happening.TARGET:
                key, weight = (event.subject, event.detail.get("gateway", "")), event.detail.get("weight", "")
                if weights.get(key) == weight:
                    continue
                weights[key] = weight
            case Happening.ENDPOINT:
                condition = _condition(event)
                if endpoints.get(event.subject, "not ready") == condition:
                    continue
                endpoints[event.subject] = condition
        found.append(event)
    return found


def _condition(event: Event) -> str:
    detail = event.detail
    if detail.get("terminating") == "true":
        return "terminating" if detail.get("serving") == "true" else "terminating, not serving"
    return "ready" if detail.get("ready") == "true" else "not ready"


def _said(event: Event) -> tuple[str, str]:
    """Return what to call an event, without its subject, and its kind."""
    what, detail = event.what, event.detail
    kind = "act" if what in _ACTS else "seen"
    match what:
        case Happening.TARGET:
            return f"weight {detail.get('weight')}", kind
        case Happening.ENDPOINT:
            return f"endpoint {_condition(event)}", kind
        case Happening.SCALED:
            return f"scaled to {detail.get('replicas')}", kind
        case Happening.RAN:
            failed = detail.get("exit") != "0"
            return f"{event.subject}: exit {detail.get('exit')}", "bad" if failed else kind
        case Happening.CONVERGED:
            return "converged", kind
        case Happening.UNCONVERGED:
            return f"not converged within {detail.get('budget')}", "bad"
        case Happening.SETTLED:
            return "every worker", kind
        case Happening.UNSETTLED:
            return "not every worker", "bad"
        case Happening.CLUSTER_EVENT:
            return f"event {detail.get('reason')}", kind
        case Happening.READINESS:
            return "told to be ready" if detail.get("passes") == "true" else "told not to be ready", kind
        case Happening.ANSWERING:
            return f"told to answer {detail.get('status')}", kind
        case Happening.CHANGED:
            return f"{event.subject.partition('/')[0]} {detail.get('how')}", kind
        case Happening.APPLIED | Happening.REJECTED | Happening.ANNOTATED:
            return f"{event.subject.partition('/')[0]} {what.value}", kind
        case _:
            return _SAID.get(what, what.value), kind


def _moment(what: str, kind: str, events: Sequence[Event], letters: Mapping[str, str]) -> Moment:
    subjects = dict.fromkeys(letters[event.subject] for event in events if event.subject in letters)
    again = f" ({len(events)} times)" if len(events) > 1 else ""
    label = f"{', '.join(subjects)} {what}" if subjects else what + again
    told = "\n".join(
        f"{event.when:.3f} s {event.what.value} {event.subject} "
        + " ".join(f"{name}={value[:120]}" for name, value in event.detail.items())
        for event in events[:20]
    )
    return Moment(events[0].when, label, kind, told)
