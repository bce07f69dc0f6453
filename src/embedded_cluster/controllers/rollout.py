"""The arithmetic of a rollout: numbers in, numbers out (Kubernetes documentation, "Deployments", "Strategy")."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass

from embedded_cluster.client import Object

TEMPLATE_HASH = "pod-template-hash"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, so no words; nor digits that look like letters


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many pods a Deployment wants, and how far a rollout may differ from that."""

    replicas: int
    surge: int
    unavailable: int

    @classmethod
    def of(cls, deployment: Object) -> "Bounds":
        """What the Deployment's spec says: percentages of a surge round up, of unavailable pods down."""
        spec = deployment["spec"]
        replicas = spec.get("replicas", 1)
        strategy = spec.get("strategy") or {}
        if strategy.get("type") == "Recreate":
            return cls(replicas, surge=0, unavailable=0)
        rolling = strategy.get("rollingUpdate") or {}
        surge = _share(rolling.get("maxSurge", "25%"), replicas, math.ceil)
        unavailable = _share(rolling.get("maxUnavailable", "25%"), replicas, math.floor)
        if not surge and not unavailable:
            unavailable = 1  # both may round to 0, and then nothing could ever move
        return cls(replicas, surge, min(unavailable, replicas))


@dataclass(frozen=True, slots=True)
class Generation:
    """The pods of one ReplicaSet: asked for, and available."""

    replicas: int
    available: int


def size_of_new(bounds: Bounds, new: int, total: int) -> int:
    """How many replicas the new ReplicaSet should have, when it has *new* and all together have *total*."""
    if new >= bounds.replicas:
        return bounds.replicas
    room = bounds.replicas + bounds.surge - total
    return new + max(0, min(room, bounds.replicas - new))


def sizes_of_old(bounds: Bounds, new: Generation, old: list[Generation]) -> list[int]:
    """How many replicas each old ReplicaSet should have, the oldest first.

    Pods that serve no client go first, of any ReplicaSet; then as many others as leave enough available.
    """
    total = new.replicas + sum(generation.replicas for generation in old)
    least = bounds.replicas - bounds.unavailable
    removable = total - least - (new.replicas - new.available)
    sizes = [generation.replicas for generation in old]
    for place, generation in enumerate(old):
        useless = min(max(0, removable), generation.replicas - min(generation.available, generation.replicas))
        sizes[place] -= useless
        removable -= useless
    spare = new.available + sum(generation.available for generation in old) - least
    for place, size in enumerate(sizes):
        fewer = min(size, max(0, min(spare, removable)))
        sizes[place] -= fewer
        spare -= fewer
        removable -= fewer
    return sizes


def template_hash(template: Object) -> str:
    """A short name for a pod template: equal templates, equal names."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:10])


def _share(value: int | str, replicas: int, rounding: Callable[[float], int]) -> int:
    if isinstance(value, str):
        return rounding(int(value.removesuffix("%")) * replicas / 100)
    return value
