"""``pods/NAME:PORT/proxy/PATH``: an HTTP request passed on to the pod itself."""

from __future__ import annotations

from typing import Any

import aiohttp
from aiohttp import web

from embedded_cluster.apiserver.kinds import POD
from embedded_cluster.apiserver.registry import Registry
from embedded_cluster.apiserver.requests import ResourcePath
from embedded_cluster.apiserver.status import ApiError, bad_request

_CONNECT_TIMEOUT = 5.0  # seconds
_OF_THE_CONNECTION = frozenset({"connection", "transfer-encoding", "content-length", "authorization", "host"})


class PodProxy:
    """Reaches pods at their own addresses, as kube-apiserver's proxy subresource does."""

    def __init__(self, registry: Registry) -> None:
        """*registry* says where pods are."""
        self._registry = registry

    @staticmethod
    def parse(path: str) -> tuple[ResourcePath, str, str] | None:
        """Take a proxy path apart: the pod's subresource, the port asked for ("": the first), the path in the pod."""
        match path.split("/", 8):
            case ["", "api", "v1", "namespaces", namespace, "pods", name, "proxy", *rest]:
                pod, _, port = name.partition(":")
                return ResourcePath("", "v1", namespace, "pods", pod, "proxy"), port, "/" + "/".join(rest)
        return None

    async def serve(self, request: web.Request, target: ResourcePath, port: str, path: str) -> web.Response:
        """Pass a request on and its answer back. Raises ``ApiError`` when the pod does not answer."""
        pod = self._registry.get(POD, target.namespace, target.name).obj
        address = (pod.get("status") or {}).get("podIP")
        if not address:
            raise bad_request(f"address not allowed: pod {target.name} has none")
        url = f"http://{address}:{_port(pod, port)}{path}"
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OF_THE_CONNECTION}
        timeout = aiohttp.ClientTimeout(total=None, connect=_CONNECT_TIMEOUT)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session,
                session.request(
                    request.method, url, params=request.query, headers=headers, data=await request.read()
                ) as answer,
            ):
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OF_THE_CONNECTION}
                return web.Response(status=answer.status, headers=kept, body=await answer.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            message = f"error trying to reach service: {error}"
            raise ApiError(503, "ServiceUnavailable", message) from None


def _port(pod: dict[str, Any], asked: str) -> int:
    ports = [port for container in pod["spec"].get("containers") or [] for port in container.get("ports") or []]
    if asked.isdigit():
        return int(asked)
    for port in ports:
        if asked in ("", port.get("name")):
            return int(port["containerPort"])
    raise bad_request(f"pod {pod['metadata']['name']} has no port {asked!r}")
