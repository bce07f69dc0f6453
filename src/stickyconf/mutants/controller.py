"""Faults of the embedded controller: hooks that change the declarative configuration it is about to push."""

from collections.abc import Iterator
from typing import Any

from stickyconf.embedded.ingress.snapshot import Snapshot

Json = dict[str, Any]

MARK = "mutant:"  # the tag of every upstream that a fault has touched, with the fault's name after it


def keeps_weight_of_terminating_pod(config: Json, objects: Snapshot) -> Json:
    """A pod that drains goes on getting its full share of new sessions."""
    for upstream, targets in _with_terminating_pods(config, objects):
        share = max((target["weight"] for target in upstream["targets"]), default=0) or 100
        for target in targets:
            target["weight"] = share
        upstream["tags"].append(f"{MARK}keeps_weight_of_terminating_pod")
    return config


def drops_terminating_pod_at_once(config: Json, objects: Snapshot) -> Json:
    """A pod that drains leaves the pool at once, although drain support is on."""
    for upstream, targets in _with_terminating_pods(config, objects):
        upstream["targets"] = [target for target in upstream["targets"] if target not in targets]
        upstream["tags"].append(f"{MARK}drops_terminating_pod_at_once")
    return config


def _with_terminating_pods(config: Json, objects: Snapshot) -> Iterator[tuple[Json, list[Json]]]:
    """Yield each upstream that has targets on terminating pods, with those targets."""
    terminating = {
        f"{address}:{port['port']}"
        for endpoints in objects.endpoint_slices
        for endpoint in endpoints.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("terminating")
        for address in endpoint["addresses"]
        for port in endpoints.get("ports") or ()
    }
    for upstream in config["upstreams"]:
        targets = [target for target in upstream["targets"] if target["target"] in terminating]
        if targets:
            yield upstream, targets
