"""Kong's health checks of an upstream: which answers take a target out, and what lets it serve again.

Source: developer.konghq.com, "Health checks and circuit breakers". Passive checks count the answers to clients, and
only ever take a target out; active ones ask the target, and take it out or let it serve again. A count of 0 is none.
"""

from dataclasses import dataclass
from typing import Any

from embedded_cluster.gateway.entities import Entity

_HEALTHY, _UNHEALTHY = (200, 302), (429, 500, 503)  # what Kong counts if nothing is said


@dataclass(frozen=True, slots=True)
class Probe:
    """What active checks ask every *interval* seconds, and how many answers in a row with these statuses count."""

    path: str
    interval: float
    timeout: float
    statuses: tuple[int, ...]
    successes: int
    failures: int


@dataclass(frozen=True, slots=True)
class Health:
    """After so many *failures*, answers to clients with these *statuses* in a row, a target is taken out.

    None for *probe*: nobody asks it.
    """

    failures: int
    statuses: tuple[int, ...]
    probe: Probe | None


def checks(upstream: Entity | None) -> Health | None:
    """Return the health checks of an upstream; None if it has none. Of active checks those by HTTP are served."""
    declared: dict[str, Any] = (upstream or {}).get("healthchecks") or {}
    bad = declared.get("passive", {}).get("unhealthy", {})
    failures, probe = int(bad.get("http_failures", 0)), _probe(declared.get("active", {}))
    return Health(failures, tuple(bad.get("http_statuses", _UNHEALTHY)), probe) if failures or probe else None


def _probe(active: dict[str, Any]) -> Probe | None:
    healthy, unhealthy = active.get("healthy", {}), active.get("unhealthy", {})
    intervals = [float(one["interval"]) for one in (healthy, unhealthy) if one.get("interval")]
    if not intervals:
        return None
    return Probe(
        path=active.get("http_path", "/"),
        interval=min(intervals),  # Kong has one for targets that are healthy, and one for the others
        timeout=float(active.get("timeout", 1)),
        statuses=tuple(healthy.get("http_statuses", _HEALTHY)),
        successes=int(healthy.get("successes", 0)),
        failures=int(unhealthy.get("http_failures", 0)),
    )
