"""Faults of health checks: they take pods out, and should let them serve again."""

from typing import Any

from embedded_cluster.gateway.xds import Xds
from stickyconf.mutants.declared import mutant
from stickyconf.mutants.gateway.lua import mark_placements

Kong = dict[str, list[dict[str, Any]]]


@mutant(at="gateway", source="KONG#15001", caught_by=("ROB-13",), failure_mode=41)
def never_lets_a_recovered_pod_serve(xds: Xds, kong: Kong) -> Xds:
    """A pod that passive health checks took out is never asked whether it has recovered, and stays out."""
    probed = [cluster for cluster in xds.clusters if "health_checks" in cluster]
    for cluster in probed:
        del cluster["health_checks"]
    return mark_placements(xds, "never_lets_a_recovered_pod_serve") if probed else xds
