"""Faults of the Admin API: Envoy does as it is told, but what is shown of it is wrong.

A hook gets Kong's entities after Envoy's resources were made of them: what it changes there is only shown.
"""

from typing import Any

from embedded_cluster.gateway.xds import Xds

Kong = dict[str, list[dict[str, Any]]]

MARK = "mutant:"  # the tag of every upstream of which something wrong is shown, with the fault's name after it


def admin_api_shows_the_old_policy(xds: Xds, kong: Kong) -> Xds:
    """The Admin API goes on showing an upstream as it was before its policy."""
    for upstream in kong["upstreams"]:
        if upstream["algorithm"] == "sticky-sessions":
            upstream |= {"algorithm": "round-robin", "sticky_sessions_cookie": None}
            _mark(upstream, "admin_api_shows_the_old_policy")
    return xds


def admin_api_hides_weight_zero(xds: Xds, kong: Kong) -> Xds:
    """The Admin API shows a draining target with the weight it had before."""
    for upstream in kong["upstreams"]:
        draining = [t for t in kong["targets"] if t["upstream"]["id"] == upstream["id"] and not t["weight"]]
        for target in draining:
            target["weight"] = 100
        if draining:
            _mark(upstream, "admin_api_hides_weight_zero")
    return xds


def _mark(upstream: dict[str, Any], mutant: str) -> None:
    upstream["tags"] = [*(upstream["tags"] or ()), f"{MARK}{mutant}"]
