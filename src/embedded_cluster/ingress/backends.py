"""From the Services behind a rule to the targets of its Kong upstream, and their weights.

Readiness and termination as Kubernetes documents them (EndpointSlices, "Conditions"): no *ready* means ready, no
*terminating* means not. A pod that terminates keeps its place, at weight 0, when drain support is on.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from embedded_cluster.ingress.snapshot import Object, Snapshot

DEFAULT_WEIGHT = 100  # Kong's own, for a target that says nothing


@dataclass(frozen=True, slots=True)
class Backend:
    """A Service at one of its ports. *weight* is the rule's for the whole Service; an Ingress has none."""

    service: Object
    port: Object
    weight: int | None = None


@dataclass(frozen=True, slots=True)
class _Endpoint:
    address: str
    terminating: bool


def find_port(service: Object, wanted: int | str | None) -> Object | None:
    """The port of *service* with that number, name or target port name; None when it has none such."""
    ports = service["spec"].get("ports") or ()
    if service["spec"].get("type") == "ExternalName" and isinstance(wanted, int):
        return {"port": wanted, "targetPort": wanted}
    if isinstance(wanted, int):
        return next((port for port in ports if port["port"] == wanted), None)
    return next((port for port in ports if wanted and wanted in (port.get("name"), port.get("targetPort"))), None)


def targets(snapshot: Snapshot, backends: Iterable[Backend], *, drain: bool) -> list[Object]:
    """The Kong targets of *backends*, sorted by address.

    A backend's weight is shared out over its endpoints that stay, at least 1 each. An endpoint of several backends
    gets the sum. One that terminates gets 0 however many share it: KIC 3.5 adds up there too, so that 0 and 100 make
    100 and a draining pod goes on getting new sessions.
    """
    weights: dict[str, int] = {}
    draining: set[str] = set()
    for backend in backends:
        endpoints = list(dict.fromkeys(_endpoints(snapshot, backend, drain=drain)))
        share = _share(backend.weight, sum(not endpoint.terminating for endpoint in endpoints))
        for endpoint in endpoints:
            weights[endpoint.address] = weights.get(endpoint.address, 0) + share
            if endpoint.terminating:
                draining.add(endpoint.address)
    return [
        {"target": address, "weight": 0 if address in draining else weight}
        for address, weight in sorted(weights.items())
    ]


def _share(weight: int | None, staying: int) -> int:
    if weight is None:
        return DEFAULT_WEIGHT
    return max(1, weight // staying) if weight and staying else weight


def _endpoints(snapshot: Snapshot, backend: Backend, *, drain: bool) -> Iterator[_Endpoint]:
    spec = backend.service["spec"]
    if spec.get("type") == "ExternalName":
        yield _Endpoint(f"{spec['externalName']}:{backend.port['targetPort']}", terminating=False)
        return
    for endpoints in snapshot.slices_of(backend.service):
        for port in endpoints.get("ports") or ():
            if not port.get("port") or not _same_port(port, backend.port):
                continue
            for endpoint in endpoints.get("endpoints") or ():
                conditions = endpoint.get("conditions") or {}
                terminating = conditions.get("terminating") is True
                if conditions.get("ready") is False and not (terminating and drain):
                    continue
                # Of several addresses, which are interchangeable, the first one counts.
                yield _Endpoint(_host_port(endpoint["addresses"][0], port["port"]), terminating and drain)


def _same_port(of_slice: Object, of_service: Object) -> bool:
    return (of_slice.get("name") or "", of_slice.get("protocol") or "TCP") == (
        of_service.get("name") or "",
        of_service.get("protocol") or "TCP",
    )


def _host_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ipaddress.ip_address(address).version == 6 else f"{address}:{port}"
