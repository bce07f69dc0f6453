"""Faults of the Admin API: Envoy does what it should, but the Admin API shows something else.

A hook gets Kong's entities after Envoy's resources were made of them: what it changes there is only shown.
"""

from typing import Any

from embedded_cluster.gateway.xds import Xds
from stickyconf.mutants.declared import UPSTREAM_MARK, mutant

Kong = dict[str, list[dict[str, Any]]]


@mutant(at="gateway", source="UP", caught_by=("API-12",), marks="upstream")
def admin_api_shows_the_old_policy(xds: Xds, kong: Kong) -> Xds:
    """The Admin API goes on showing an upstream as it was before its policy."""
    for upstream in kong["upstreams"]:
        if upstream["algorithm"] == "sticky-sessions":
            upstream |= {"algorithm": "round-robin", "sticky_sessions_cookie": None}
            _mark(upstream, "admin_api_shows_the_old_policy")
    return xds


@mutant(at="gateway", source="RF", caught_by=("DRN-07",), marks="upstream")
def admin_api_hides_weight_zero(xds: Xds, kong: Kong) -> Xds:
    """The Admin API shows a draining target with the weight it had before."""
    for upstream in kong["upstreams"]:
        draining = [t for t in kong["targets"] if t["upstream"]["id"] == upstream["id"] and not t["weight"]]
        for target in draining:
            target["weight"] = 100
        if draining:
            _mark(upstream, "admin_api_hides_weight_zero")
    return xds


def _mark(upstream: dict[str, Any], fault: str) -> None:
    upstream["tags"] = [*(upstream["tags"] or ()), f"{UPSTREAM_MARK}{fault}"]
