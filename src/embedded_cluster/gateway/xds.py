"""Envoy's configuration as plain JSON resources: what translation makes, a hook may change, and Envoy reads."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Xds:
    """The resources of Envoy's v3 API that this gateway writes, each field a list of messages.

    *listeners*: ``Listener``; *routes*: ``RouteConfiguration``; *clusters*: ``Cluster``; *endpoints*:
    ``ClusterLoadAssignment``, one for each cluster of type EDS. *worker* is the number of the worker that will run
    them, from 0; a hook is asked for each of them.
    """

    listeners: list[Json]
    routes: list[Json]
    clusters: list[Json]
    endpoints: list[Json]
    worker: int = 0


# EMBEDDED_HOOK: (resources about to be written, Kong's entities by type) -> the resources to write.
Hook = Callable[[Xds, dict[str, list[Json]]], Xds]


def route_file(name: str) -> str:
    """Where the route configuration *name* is kept, relative to Envoy's directory."""
    return f"routes-{name}.json"


def endpoint_file(cluster: str) -> str:
    """Where the endpoints of *cluster* are kept. Envoy wants one file per cluster; names may be long."""
    return f"endpoints-{hashlib.sha256(cluster.encode()).hexdigest()[:32]}.json"


def source(directory: Path, file: str) -> Json:
    """Return the ``ConfigSource`` that has Envoy read *file* and follow its replacements."""
    return {"path_config_source": {"path": str(directory / file)}, "resource_api_version": "V3"}
