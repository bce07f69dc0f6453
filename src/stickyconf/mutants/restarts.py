"""Faults of a controller that has just been started."""

from typing import Any

from embedded_cluster.ingress.snapshot import Snapshot
from stickyconf.mutants.controller import mark
from stickyconf.mutants.declared import mutant

Json = dict[str, Any]

_pushes: list[int] = []  # of this process


@mutant(at="controller", source="KIC#2255", caught_by=("ROB-04", "UPG-01"), failure_mode=24)
def pushes_what_it_knows_so_far(config: Json, objects: Snapshot) -> Json:
    """A controller that was started anew pushes a configuration without routes first, and the whole one later."""
    _pushes.append(1)
    for upstream in config["upstreams"]:
        mark(upstream, "pushes_what_it_knows_so_far")
    if len(_pushes) == 1:
        config["services"] = []
    return config
