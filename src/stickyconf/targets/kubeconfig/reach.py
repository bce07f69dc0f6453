"""Finds an address of Kong's proxy that this machine reaches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from stickyconf.ports import ENDPOINT_SLICE, SERVICE, HarnessError, Kind, Rejected
from stickyconf.targets.installation import NoTarget
from stickyconf.targets.kubeconfig.portforward import MOST_CONNECTIONS
from stickyconf.targets.kubernetes import KubernetesCluster
from stickyconf.targets.proxy import PROBE_HOST, is_kongs

PROBE_SECONDS = 2.0
PORT_FORWARD = (
    f"port-forward through the Kubernetes API, at most {MOST_CONNECTIONS} connections at once; a load balancer or a"
    " node port, or --proxy-url, would carry more"
)
_NODE = Kind("v1", "Node")


@dataclass(frozen=True, slots=True)
class Way:
    """A way to the proxy. ``url`` is "" if it leads through the API server to ``pod``'s ``port``."""

    how: str
    url: str = ""
    pod: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class _Candidate:
    how: str
    url: str
    certain: bool  # the cluster says so itself; other addresses may mean something else in this machine's network


async def find_proxy(cluster: KubernetesCluster, namespace: str, service: str, *, direct: bool = False) -> Way:
    """Find how to reach the proxy: load balancer, node port, else a port-forward to a pod.

    With ``direct`` also, before the port-forward: cluster address, pod. The first address that answers HTTP is taken;
    one that this machine's own network may use, too (a cluster address, a pod's, a node's internal one), only if it
    answers as Kong does. NoTarget if there is none at all.
    """
    found = await cluster.get(SERVICE, service, namespace)
    if found is None:
        raise NoTarget(f"there is no Service {namespace}/{service}")
    port = http_port(found)
    slices = await cluster.list(ENDPOINT_SLICE, namespace, f"kubernetes.io/service-name={service}")
    behind = sorted(ready_behind(slices, port.get("name", "")))
    async with httpx.AsyncClient(timeout=PROBE_SECONDS, trust_env=False) as http:
        published = [*_load_balancers(found, port), *await _of_nodes(cluster, port)]
        inside = [*_cluster_address(found, port), *_of_pods(behind)] if direct else []
        for candidate in [*published, *inside]:
            if await _answers(http, candidate):
                return Way(candidate.how, candidate.url)
    for address, target_port, pod in behind:
        if pod:
            return Way(PORT_FORWARD, pod=pod, port=target_port)
        tried = "is not reached from here" if direct else "is not tried (--direct-addresses lets it be)"
        raise NoTarget(f"the proxy at {address} {tried}; or give an address: --proxy-url URL")
    raise NoTarget(f"Service {namespace}/{service} has no ready endpoint: Kong Gateway is not ready")


def http_port(service: dict[str, Any]) -> dict[str, Any]:
    """Return the port of Kong's proxy Service for plain HTTP; NoTarget if it has none."""
    ports = service.get("spec", {}).get("ports") or ()
    plain = [one for one in ports if "tls" not in one.get("name", "") and one["port"] not in (443, 8443)]
    for one in plain:
        if one["port"] == 80 or one.get("name") in ("kong-proxy", "proxy", "http"):
            return dict(one)
    raise NoTarget(
        f"Service {service['metadata']['name']} has no port for plain HTTP; give an address: --proxy-url URL"
    )


def _load_balancers(service: dict[str, Any], port: dict[str, Any]) -> Iterator[_Candidate]:
    for entry in ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
        address = entry.get("ip") or entry.get("hostname")
        if address:
            yield _Candidate("load balancer", _url(address, port["port"]), certain=True)


def _cluster_address(service: dict[str, Any], port: dict[str, Any]) -> Iterator[_Candidate]:
    address = service["spec"].get("clusterIP")
    if address and address != "None":
        yield _Candidate("cluster address", _url(address, port["port"]), certain=False)


async def _of_nodes(cluster: KubernetesCluster, port: dict[str, Any]) -> list[_Candidate]:
    if not port.get("nodePort"):
        return []
    try:
        nodes = await cluster.list(_NODE)
    except (Rejected, HarnessError):
        return []  # permission to see nodes is optional
    addresses = [one for node in nodes for one in (node.get("status") or {}).get("addresses") or ()]
    return [
        _Candidate("node port", _url(one["address"], port["nodePort"]), certain=kind == "ExternalIP")
        for kind in ("ExternalIP", "InternalIP")
        for one in addresses
        if one["type"] == kind
    ]


def _of_pods(behind: list[tuple[str, int, str]]) -> Iterator[_Candidate]:
    for address, port, _ in behind[:1]:
        yield _Candidate("pod" if len(behind) == 1 else f"one pod of {len(behind)}", _url(address, port), certain=False)


def ready_behind(slices: list[dict[str, Any]], name: str) -> Iterator[tuple[str, int, str]]:
    """Yield address, port and pod ("" if it is none) of every ready endpoint, of the port with this name."""
    for item in slices:
        ports = [one["port"] for one in item.get("ports") or () if (one.get("name") or "") == name]
        for endpoint in item.get("endpoints") or ():
            if ports and (endpoint.get("conditions") or {}).get("ready") is not False:
                yield endpoint["addresses"][0], ports[0], (endpoint.get("targetRef") or {}).get("name", "")


async def _answers(http: httpx.AsyncClient, candidate: _Candidate) -> bool:
    try:
        answer = await http.get(candidate.url + "/", headers={"Host": PROBE_HOST})
    except httpx.HTTPError:
        return False
    return candidate.certain or is_kongs(answer)


def _url(address: str, port: int) -> str:
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
