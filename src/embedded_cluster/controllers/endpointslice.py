"""EndpointSlices: which pods are behind each Service, and in what state they are.

Rules: Kubernetes documentation, "EndpointSlices", sections "Conditions" and "Ownership"; "Pod Lifecycle",
section "Pod Termination And Endpoints".
"""

import asyncio
from collections.abc import Iterator

from embedded_cluster.client import ApiClient, EndpointSlice, Object
from embedded_cluster.controllers.mirror import Mirror
from embedded_cluster.informer import Change, Key, WorkQueue, key_of
from embedded_cluster.objects import is_ready, is_terminal, is_terminating, owner_reference, selects

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
HEADLESS = "service.kubernetes.io/headless"
MANAGER = "endpointslice-controller.k8s.io"
MOST_ENDPOINTS = 100  # in one slice: the default of kube-controller-manager's --max-endpoints-per-slice


class EndpointSliceController:
    """Keeps the slices of every Service that has a selector in step with its pods."""

    def __init__(self, client: ApiClient, mirror: Mirror) -> None:
        """Listen to *mirror*; work is done by ``queue``, which the caller runs."""
        self._client = client
        self._mirror = mirror
        self.queue: WorkQueue[Key] = WorkQueue("endpointslice", self._reconcile)
        mirror.services.on_change(lambda change: self.queue.add(key_of(change.latest)))
        mirror.pods.on_change(self._pod_changed)
        mirror.slices.on_change(self._slice_changed)

    def _pod_changed(self, change: Change) -> None:
        for pod in filter(None, change):  # as it was and as it is: a changed label moves it between Services
            for service in self._mirror.services.objects(pod["metadata"]["namespace"]):
                if selects({"matchLabels": service["spec"].get("selector")}, pod["metadata"].get("labels")):
                    self.queue.add(key_of(service))

    def _slice_changed(self, change: Change) -> None:
        labels = change.latest["metadata"].get("labels") or {}
        if labels.get(MANAGED_BY) == MANAGER and SERVICE_NAME in labels:
            self.queue.add(Key(change.latest["metadata"]["namespace"], labels[SERVICE_NAME]))

    async def _reconcile(self, key: Key) -> None:
        service = self._mirror.services.get(key)
        if service is None or is_terminating(service) or not service["spec"].get("selector"):
            return  # garbage collection removes the slices of a Service that is gone
        present = [found for found in self._mirror.slices.objects(key.namespace) if _belongs(found, service)]
        wanted = list(self._slices(service))
        pairs = _pair(wanted, present)
        spare = [found for found in present if not any(found is old for _, old in pairs)]
        await asyncio.gather(
            *(self._write(new, old) for new, old in pairs),
            *(self._client.remove(found) for found in spare),
        )

    async def _write(self, new: Object, old: Object | None) -> None:
        if old is None:
            written = await self._client.create(EndpointSlice.from_dict(new))
        elif _same(new, old):
            return
        else:
            metadata = {**old["metadata"], **new["metadata"]}
            written = await self._client.replace(EndpointSlice.from_dict({**new, "metadata": metadata}))
        self._mirror.slices.observe(written)

    def _slices(self, service: Object) -> Iterator[Object]:
        """The slices that *service* should have: pods with the same port numbers share one."""
        groups: dict[tuple[tuple[str, int], ...], list[Object]] = {}
        for pod in self._mirror.pods.objects(service["metadata"]["namespace"]):
            if (
                selects({"matchLabels": service["spec"]["selector"]}, pod["metadata"].get("labels"))
                and pod.get("status", {}).get("podIP")
                and not is_terminal(pod)
            ):
                numbers = tuple(_port_numbers(service, pod).items())
                groups.setdefault(numbers, []).append(_endpoint(service, pod))
        for numbers, endpoints in (groups or {(): []}).items():
            endpoints.sort(key=lambda endpoint: str(endpoint["targetRef"]["name"]))
            for start in range(0, max(len(endpoints), 1), MOST_ENDPOINTS):
                yield {
                    "metadata": _metadata(service),
                    "addressType": "IPv4",
                    "endpoints": endpoints[start : start + MOST_ENDPOINTS],
                    "ports": _ports(service, dict(numbers)),
                }


def _belongs(found: Object, service: Object) -> bool:
    labels = found["metadata"].get("labels") or {}
    return (
        labels.get(MANAGED_BY) == MANAGER
        and labels.get(SERVICE_NAME) == service["metadata"]["name"]
        and not is_terminating(found)
    )


def _pair(wanted: list[Object], present: list[Object]) -> list[tuple[Object, Object | None]]:
    """Each wanted slice with the present one to turn into it: one with the same ports, else any, else None."""
    unused = list(present)
    pairs = []
    for new in wanted:
        old = next((found for found in unused if (found.get("ports") or []) == new["ports"]), None)
        old = old or next(iter(unused), None)
        if old is not None:
            unused.remove(old)
        pairs.append((new, old))
    return pairs


def _same(new: Object, old: Object) -> bool:
    return bool(
        new["endpoints"] == (old.get("endpoints") or [])
        and new["ports"] == (old.get("ports") or [])
        and new["metadata"]["labels"] == old["metadata"].get("labels")
    )


def _metadata(service: Object) -> Object:
    labels = dict(service["metadata"].get("labels") or {})
    labels.pop(HEADLESS, None)  # ours to say
    labels |= {SERVICE_NAME: service["metadata"]["name"], MANAGED_BY: MANAGER}
    if service["spec"].get("clusterIP") == "None":
        labels[HEADLESS] = ""
    return {
        "generateName": f"{service['metadata']['name']}-",
        "namespace": service["metadata"]["namespace"],
        "labels": labels,
        "ownerReferences": [owner_reference(service)],
    }


def _endpoint(service: Object, pod: Object) -> Object:
    serving, terminating = is_ready(pod), is_terminating(pod)
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not terminating)
    endpoint = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": {
            "kind": "Pod",
            "namespace": pod["metadata"]["namespace"],
            "name": pod["metadata"]["name"],
            "uid": pod["metadata"]["uid"],
        },
        "nodeName": pod["spec"].get("nodeName", ""),
    }
    if pod["spec"].get("hostname") and pod["spec"].get("subdomain") == service["metadata"]["name"]:
        endpoint["hostname"] = pod["spec"]["hostname"]
    return endpoint


def _port_numbers(service: Object, pod: Object) -> dict[str, int]:
    """The number of each port of *service* at *pod*, by the port's name.

    A named target port is looked up in the pod, so it may differ from pod to pod; a pod without a port of
    that name does not serve it.
    """
    named = {
        (port.get("name"), port.get("protocol", "TCP")): port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports") or []
    }
    numbers = {}
    for port in service["spec"].get("ports") or []:
        target = port.get("targetPort", port["port"])
        number = named.get((target, port.get("protocol", "TCP"))) if isinstance(target, str) else target
        if number is not None:
            numbers[port.get("name", "")] = number
    return numbers


def _ports(service: Object, numbers: dict[str, int]) -> list[Object]:
    ports = []
    for port in service["spec"].get("ports") or []:
        name = port.get("name", "")
        if name in numbers:
            entry = {"name": name, "port": numbers[name], "protocol": port.get("protocol", "TCP")}
            if "appProtocol" in port:
                entry["appProtocol"] = port["appProtocol"]
            ports.append(entry)
    return ports
