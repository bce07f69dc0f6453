"""What became of pods that were to stay ready: a session that leaves such a pod is no evidence against the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

from stickyconf.model import Event, Happening, History


@dataclass(frozen=True, slots=True)
class Lapse:
    """A time for which a pod was not ready, or was not the same process, in seconds on the history's clock.

    It was seen at ``since``, and may have begun at ``began`` already. ``until`` is when the endpoint was seen ready
    again; inf if it never was.
    """

    pod: str
    began: float
    since: float
    until: float
    what: str

    def told(self) -> str:
        """Say it for a message."""
        again = f", ready again at {self.until:.2f} s" if self.until < inf else ""
        return f"{self.pod} was not ready throughout: {self.what} at {self.since:.2f} s{again}"


def lapses(history: History) -> Mapping[str, tuple[Lapse, ...]]:
    """Return the lapses of each pod that had any since it was ready for the first time.

    The pods of the set-up were ready when the experiment began; later ones are from when their endpoint was.
    """
    start = min((event.when for event in history.events if event.what in _BEGINNINGS), default=0.0)
    acts: dict[str, float] = {}
    ready: set[str] = set()
    found: dict[str, list[Lapse]] = {}
    begun = False
    for event in history.events:
        if not begun and event.when >= start:
            begun = True
            ready |= set(history.setup.pods)
        pod = event.subject
        if _is_ready(event):
            ready.add(pod)
            if found.get(pod) and found[pod][-1].until == inf:
                found[pod].append(replace(found[pod].pop(), until=event.when))
            continue
        if event.what in _ACTS:
            acts[pod] = event.when
        what = _harm(event)
        lasting = bool(found.get(pod)) and found[pod][-1].until == inf
        if what and pod in ready and not lasting:
            act = acts.get(pod, acts.get(_ALL_PODS)) if _is_deletion(event) else None
            began = event.when - SEEN_LATE_SECONDS if act is None else act
            found.setdefault(pod, []).append(Lapse(pod, began, event.when, inf, what))
    return {pod: tuple(own) for pod, own in found.items()}


SEEN_LATE_SECONDS = 10.0
"""How long it may take until the cluster tells that a pod has ended or is not ready: a node looks every second or two,
and a probe has to fail several times."""

_BEGINNINGS = (Happening.CONVERGED, Happening.UNCONVERGED)

_ACTS = (Happening.DELETED, Happening.SCALED)
_ALL_PODS = "Deployment/echo"

_HARMS = {
    Happening.ENDPOINT_REMOVED: "its endpoint was removed",
    Happening.TERMINATING: "it was deleted",
    Happening.POD_GONE: "it was gone",
    Happening.SIGTERM: "it was told to stop",
    Happening.DIED: "its process died",
}


def _is_ready(event: Event) -> bool:
    return event.what is Happening.ENDPOINT and event.detail.get("ready") == "true"


def _is_deletion(event: Event) -> bool:
    """Say whether an event shows that its pod was deleted, so that nothing befell it before that was asked for."""
    return event.what is Happening.TERMINATING or event.detail.get("terminating") == "true"


def _harm(event: Event) -> str:
    """Say what an event takes from a pod's readiness; "" if nothing."""
    if event.what is Happening.ENDPOINT:
        return "its endpoint was not ready"
    if event.what is Happening.RESTARTED:
        return f"its container was started again ({event.detail.get('why', 'for a reason not known')})"
    if event.what is Happening.FAILED:
        return f"it ended ({event.detail.get('why', 'for a reason not known')})"
    return _HARMS.get(event.what, "")
