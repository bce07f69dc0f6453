"""Cluster IPs and node ports of Services. Nothing listens there: the embedded cluster has no kube-proxy."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterable
from typing import Any

from embedded_cluster.apiserver.fielderrors import FieldError
from embedded_cluster.apiserver.kinds import SERVICE
from embedded_cluster.apiserver.status import invalid

JsonObject = dict[str, Any]

SERVICE_RANGE = ipaddress.IPv4Network("10.96.0.0/16")
NODE_PORTS = range(30000, 32768)
_FIRST_IP = 10  # below it, real clusters have the API server and DNS


def assign(service: JsonObject, others: Iterable[JsonObject]) -> None:
    """Give *service*, in place, the addresses its type needs and it does not have; none that *others* have.

    Raises ``ApiError`` 422 when it asks for one that is taken or impossible.
    """
    spec = service["spec"]
    specs = [other["spec"] for other in others]
    if spec["type"] == "ExternalName":
        for field in ("clusterIP", "clusterIPs"):
            spec.pop(field, None)
    else:
        if spec.get("clusterIP") != "None":
            _assign_ip(service, {other.get("clusterIP") for other in specs})
        spec["clusterIPs"] = [spec["clusterIP"]]
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _assign_ports(service, {port.get("nodePort") for other in specs for port in other.get("ports") or []})


def _assign_ip(service: JsonObject, taken: set[str | None]) -> None:
    spec = service["spec"]
    asked = spec.get("clusterIP")
    if not asked:
        free = (str(SERVICE_RANGE[i]) for i in range(_FIRST_IP, SERVICE_RANGE.num_addresses - 1))
        spec["clusterIP"] = next(ip for ip in free if ip not in taken)
        return
    problem = ""
    if asked in taken:
        problem = f"failed to allocate IP {asked}: provided IP is already allocated"
    else:
        try:
            if ipaddress.ip_address(asked) not in SERVICE_RANGE:
                problem = f"failed to allocate IP {asked}: the provided IP ({asked}) is not in the valid range"
        except ValueError:
            problem = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
    if problem:
        raise invalid(SERVICE, service["metadata"]["name"], [FieldError.invalid("spec.clusterIPs", [asked], problem)])


def _assign_ports(service: JsonObject, taken: set[int | None]) -> None:
    ports = service["spec"].get("ports") or []
    errors: list[FieldError] = []
    for index, port in enumerate(ports):
        asked = port.get("nodePort")
        if asked and asked in taken:
            why = "provided port is already allocated"
            errors.append(FieldError.invalid(f"spec.ports[{index}].nodePort", asked, why))
        elif asked and asked not in NODE_PORTS:
            why = (
                f"provided port is not in the valid range. The range of valid ports is {NODE_PORTS[0]}-{NODE_PORTS[-1]}"
            )
            errors.append(FieldError.invalid(f"spec.ports[{index}].nodePort", asked, why))
    if errors:
        raise invalid(SERVICE, service["metadata"]["name"], errors)
    taken |= {port.get("nodePort") for port in ports}
    free = itertools.filterfalse(taken.__contains__, NODE_PORTS)
    for port in ports:
        if not port.get("nodePort"):
            port["nodePort"] = next(free)
