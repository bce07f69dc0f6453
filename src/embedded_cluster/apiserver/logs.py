"""``pods/NAME/log``: passed on to the kubelet of the pod's node, and streamed back."""

from __future__ import annotations

from typing import Any

import aiohttp
from aiohttp import web

from embedded_cluster.apiserver.kinds import CLUSTER, NODE, POD
from embedded_cluster.apiserver.registry import Registry
from embedded_cluster.apiserver.status import ApiError, bad_request, not_found

JsonObject = dict[str, Any]

_PASSED_ON = ("follow", "limitBytes", "previous", "sinceSeconds", "sinceTime", "tailLines", "timestamps")
_CONNECT_TIMEOUT = 5.0  # seconds


class LogProxy:
    """Fetches container logs from kubelets (``GET /containerLogs/NAMESPACE/POD/CONTAINER``)."""

    def __init__(self, registry: Registry) -> None:
        """*registry* says where pods and their nodes are."""
        self._registry = registry
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Drop the connections to kubelets."""
        if self._session is not None:
            await self._session.close()

    async def serve(self, request: web.Request, namespace: str, name: str) -> web.StreamResponse:
        """Answer a log request. Raises ``ApiError`` when pod, container, node or kubelet cannot be found."""
        pod = self._registry.get(POD, namespace, name).obj
        container = _container(pod, request.query.get("container", ""))
        url = f"{self._kubelet(pod)}/containerLogs/{namespace}/{name}/{container}"
        query = {key: request.query[key] for key in _PASSED_ON if key in request.query}
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, connect=_CONNECT_TIMEOUT)
            self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=False)
        try:
            upstream = await self._session.get(url, params=query)
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            raise ApiError(500, "InternalError", f"Internal error occurred: Get {url!r}: {error}") from None
        async with upstream:
            if upstream.status != 200:
                text = (await upstream.text()).strip()
                raise ApiError(upstream.status, "BadRequest" if upstream.status == 400 else "", text)
            response = web.StreamResponse(headers={"Content-Type": "text/plain"})
            await response.prepare(request)
            async for chunk in upstream.content.iter_any():
                await response.write(chunk)
        return response

    def _kubelet(self, pod: JsonObject) -> str:
        node_name = (pod.get("spec") or {}).get("nodeName")
        if not node_name:
            raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
        entry = self._registry.store.get(NODE.storage, CLUSTER, node_name)
        if entry is None:
            raise not_found(NODE, node_name)
        status = entry.obj.get("status") or {}
        addresses = {a.get("type"): a.get("address") for a in status.get("addresses") or []}
        port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port")
        if "InternalIP" not in addresses or not port:
            raise ApiError(500, "InternalError", f"node {node_name} has not said where its kubelet listens")
        return f"http://{addresses['InternalIP']}:{port}"


def _container(pod: JsonObject, asked: str) -> str:
    """The container whose log is meant (the rules and messages of LogLocation in ``pkg/registry/core/pod``)."""
    spec, name = pod.get("spec") or {}, pod["metadata"]["name"]
    regular = [container["name"] for container in spec.get("containers") or []]
    every = regular + [container["name"] for container in spec.get("initContainers") or []]
    if not asked:
        if len(regular) == 1:
            return str(regular[0])
        raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{' '.join(regular)}]")
    if asked not in every:
        raise bad_request(f"container {asked} is not valid for pod {name}")
    return asked
