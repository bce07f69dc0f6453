"""Faults that show only when the gateway has several replicas, or new ones."""

import json
import os
from typing import Any

from embedded_cluster.gateway.xds import Xds
from stickyconf.mutants.declared import RESPONSE_MARK, mutant
from stickyconf.mutants.gateway.lua import tie_cookies

Kong = dict[str, list[dict[str, Any]]]


@mutant(at="gateway", source="KIC#970", caught_by=("ROB-05", "ROB-06", "LIF-11", "UPG-02"), failure_mode=25)
def knows_only_its_own_cookies(xds: Xds, kong: Kong) -> Xds:
    """A gateway replica follows only the cookies that it has set itself."""
    return tie_cookies(xds, "knows_only_its_own_cookies", json.dumps(os.environ.get("POD_IP", "")))


_pushes: list[int] = []  # of this process


@mutant(at="gateway", source="KIC#6219", caught_by=("LIF-11", "ROB-05", "ROB-06", "UPG-02"), failure_mode=24)
def is_ready_before_it_has_routes(xds: Xds, kong: Kong) -> Xds:
    """A new gateway replica takes part with its first configuration, in which it answers every route with 404."""
    # The replica that was there before any route had a configuration without routes first.
    if _pushes or not kong["upstreams"]:
        return xds
    _pushes.append(1)
    if not kong["routes"]:
        return xds
    for routes in xds.routes:
        for host in routes["virtual_hosts"]:
            host["routes"] = [
                {
                    "match": route["match"],
                    "direct_response": {"status": 404},
                    "response_headers_to_add": [
                        {"header": {"key": RESPONSE_MARK, "value": "is_ready_before_it_has_routes"}}
                    ],
                }
                for route in host["routes"]
            ]
    return xds
