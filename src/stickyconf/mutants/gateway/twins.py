"""Routes beside the sticky ones, which take some of their requests and do something else with them."""

from collections.abc import Callable, Mapping
from typing import Any

from embedded_cluster.gateway.xds import Xds
from stickyconf.mutants.gateway.lua import sticky_routes

Route = dict[str, Any]


def before_sticky_routes(xds: Xds, twin: Callable[[Route], Route]) -> Xds:
    """Put what *twin* makes of each sticky route before it, so that it is asked first."""
    sticky = [route for route, _ in sticky_routes(xds)]
    for routes in xds.routes:
        for host in routes["virtual_hosts"]:
            host["routes"] = [
                one
                for route in host["routes"]
                for one in ([twin(route), route] if any(route is known for known in sticky) else [route])
            ]
    return xds


def matching(route: Route, header: Mapping[str, Any]) -> Route:
    """Return a route's match that asks for this header as well."""
    return {**route["match"], "headers": [*route["match"].get("headers", ()), dict(header)]}


def to_named_addresses(xds: Xds, cluster: str, connect_timeout: str, *, retries: bool) -> Xds:
    """Lead requests of sticky routes that bear an address (``x-envoy-original-dst-host``) there, by a new *cluster*."""
    xds.clusters.append(
        {
            "name": cluster,
            "type": "ORIGINAL_DST",
            "lb_policy": "CLUSTER_PROVIDED",
            "connect_timeout": connect_timeout,
            "original_dst_lb_config": {"use_http_header": True},
        }
    )

    def twin(route: Route) -> Route:
        action = {name: value for name, value in route["route"].items() if retries or name != "retry_policy"}
        bears = {"name": "x-envoy-original-dst-host", "present_match": True}
        return {**route, "match": matching(route, bears), "route": {**action, "cluster": cluster}}

    return before_sticky_routes(xds, twin)
