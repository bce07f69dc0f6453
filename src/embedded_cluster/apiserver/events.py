"""The two kinds called Event are one: stored as core/v1, shown as either.

Field names: Kubernetes API reference, Event v1 and Event v1 events.k8s.io.
"""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]

# events.k8s.io/v1 -> core/v1; the fields not named are called the same in both.
CORE_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_BACK = {core: new for new, core in CORE_NAMES.items()}


def to_core(event: JsonObject) -> JsonObject:
    """A core/v1 Event of one in either version."""
    if event.get("apiVersion") != "events.k8s.io/v1":
        return event
    return {CORE_NAMES.get(key, key): value for key, value in event.items()} | {"apiVersion": "v1"}


def from_core(event: JsonObject) -> JsonObject:
    """An events.k8s.io/v1 Event of a core/v1 one."""
    return {_BACK.get(key, key): value for key, value in event.items()} | {"apiVersion": "events.k8s.io/v1"}
