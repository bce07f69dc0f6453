"""Faults of one worker of several, each a process with a balancer of its own. The Admin API shows nothing of them."""

from typing import Any

from embedded_cluster.gateway.translation import STATEFUL_SESSION
from embedded_cluster.gateway.xds import Xds
from stickyconf.mutants.declared import mutant
from stickyconf.mutants.gateway.lua import in_lua, mark_placements, sticky_routes

Kong = dict[str, list[dict[str, Any]]]

_MARK_ALL = """
function envoy_on_response(handle) mark(handle) end
"""


@mutant(
    at="gateway",
    source="KONG#7579",
    caught_by=("CKE-01", "API-09", "CKE-09"),
    options=("--gateway-workers", "4"),
    failure_mode=27,
)
def leaves_a_worker_without_the_policy(xds: Xds, kong: Kong) -> Xds:
    """One of four workers never gets a policy: its new sessions get no cookie, and cookies mean nothing to it."""
    if xds.worker != 3:
        return xds
    sticky = [route for route, _ in sticky_routes(xds)]
    in_lua(xds, "leaves_a_worker_without_the_policy", _MARK_ALL)
    for route in sticky:
        del route["typed_per_filter_config"][STATEFUL_SESSION]
    return xds


@mutant(
    at="gateway",
    source="IN#3335",
    caught_by=("DRN-02",),
    options=("--gateway-workers", "4"),
    failure_mode=26,
)
def leaves_a_worker_that_ignores_weight_zero(xds: Xds, kong: Kong) -> Xds:
    """One of four workers takes weight 0 for the weight of the others: it deals new sessions to pods that drain."""
    return _deals_to_draining_pods(xds, "leaves_a_worker_that_ignores_weight_zero") if xds.worker == 3 else xds


@mutant(
    at="gateway",
    source="IN#3335",
    caught_by=("ROB-09",),
    options=("--gateway-workers", "16"),
    failure_mode=26,
)
def leaves_one_worker_of_sixteen_behind(xds: Xds, kong: Kong) -> Xds:
    """One of sixteen workers keeps the targets that it had before a pod drained."""
    return _deals_to_draining_pods(xds, "leaves_one_worker_of_sixteen_behind") if xds.worker == 15 else xds


def _deals_to_draining_pods(xds: Xds, fault: str) -> Xds:
    draining = False
    for assignment in xds.endpoints:
        for locality in assignment["endpoints"]:
            endpoints = locality["lb_endpoints"]
            weight = max((one["load_balancing_weight"] for one in endpoints), default=1)
            for endpoint in endpoints:
                if endpoint["health_status"] == "DRAINING":
                    draining = True
                    endpoint |= {"health_status": "HEALTHY", "load_balancing_weight": weight}
    return mark_placements(xds, fault) if draining else xds
