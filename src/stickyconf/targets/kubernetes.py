"""The Cluster port over the Kubernetes API, by the official client's asyncio half."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.dynamic import DynamicClient
from kubernetes.aio.dynamic.exceptions import DynamicApiError, ResourceNotFoundError

from stickyconf.ports import DEPLOYMENT, HarnessError, Kind, Manifest, Rejected

FIELD_MANAGER = "stickyconf"
PROXY_SECONDS = 10.0
"""How long one request through the API server to a pod may take, in seconds."""

_SHORT = aiohttp.ClientTimeout(total=PROXY_SECONDS)
_ENDLESS = aiohttp.ClientTimeout(total=None, connect=PROXY_SECONDS)
"""Of what goes on until somebody ends it: without it, the client ends a watch and a followed log after 5 minutes."""

_REFUSED = {400, 403, 409, 422}
_UNREACHABLE = {400, 404, 502, 503}  # of a pod behind the proxy subresource: without an address yet, gone, ended


class KubernetesCluster:
    """The Kubernetes API as one context of a kubeconfig reaches it. Use as an async context manager."""

    def __init__(self, kubeconfig: Path, cache: Path, context: str | None = None) -> None:
        """Name the kubeconfig and its context (None: its current one); ``cache`` is a file for discovery."""
        self._kubeconfig, self._cache, self._context = kubeconfig, cache, context

    async def __aenter__(self) -> KubernetesCluster:
        """Connect; HarnessError where nobody answers, or the credentials are not taken."""
        settings = client.Configuration()
        try:
            await config.load_kube_config(str(self._kubeconfig), self._context, client_configuration=settings)
        except config.ConfigException as error:
            raise HarnessError(f"the kubeconfig cannot be used: {_first_line(error)}") from error
        settings.connection_pool_maxsize = 100  # every watch and every followed log holds a connection
        self._api = client.ApiClient(settings)
        try:
            self._dynamic = await DynamicClient(self._api, cache_file=str(self._cache))
        except (aiohttp.ClientError, OSError) as error:
            await self._api.close()
            raise HarnessError(f"the Kubernetes API at {settings.host} does not answer: {error}") from error
        except ApiException as error:
            await self._api.close()
            raise HarnessError(
                f"the Kubernetes API at {settings.host} answers {error.status} {error.reason};"
                " are the context's credentials valid?"
            ) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self._api.close()

    async def version(self) -> str:
        """Return the server's version, for example v1.34.0."""
        try:
            answer = await self._open("GET", "/version")
            said = await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            raise HarnessError(f"the Kubernetes API does not answer: {error!r}") from error
        if not answer.ok:
            raise HarnessError(f"the Kubernetes API does not tell its version: {answer.status} {answer.reason}")
        return str(json.loads(said)["gitVersion"])

    async def apply(self, manifest: Manifest) -> dict[str, Any]:
        """Create or change an object (server-side apply) and return it as stored; Rejected where refused."""
        resource = await self._resource(Kind(manifest["apiVersion"], manifest["kind"]))
        meta = manifest["metadata"]
        return await self._call(
            resource.server_side_apply(
                body=dict(manifest),
                name=meta["name"],
                namespace=meta.get("namespace"),
                field_manager=FIELD_MANAGER,
                force_conflicts=True,
            )
        )

    async def create(self, manifest: Manifest) -> dict[str, Any]:
        """Create an object that does not exist yet and return it as stored; Rejected (409) where it does."""
        resource = await self._resource(Kind(manifest["apiVersion"], manifest["kind"]))
        namespace = manifest["metadata"].get("namespace")
        return await self._call(resource.create(body=dict(manifest), namespace=namespace, field_manager=FIELD_MANAGER))

    async def get(self, kind: Kind, name: str, namespace: str = "") -> dict[str, Any] | None:
        """Return an object, or None where there is none."""
        resource = await self._resource(kind)
        try:
            return await self._call(resource.get(name=name, namespace=namespace or None))
        except _NotFound:
            return None

    async def list(self, kind: Kind, namespace: str = "", labels: str = "") -> list[dict[str, Any]]:
        """Return the objects of a namespace (or of all) that a label selector picks."""
        resource = await self._resource(kind)
        found = await self._call(resource.get(namespace=namespace or None, label_selector=labels or None))
        return list(found["items"])

    async def patch(self, kind: Kind, name: str, namespace: str, patch: Manifest) -> dict[str, Any]:
        """Merge-patch an object (RFC 7386) and return it."""
        resource = await self._resource(kind)
        return await self._call(
            resource.patch(
                body=dict(patch),
                name=name,
                namespace=namespace or None,
                content_type="application/merge-patch+json",
            )
        )

    async def scale(self, name: str, namespace: str, replicas: int) -> None:
        """Set a Deployment's replicas through its scale subresource."""
        resource = (await self._resource(DEPLOYMENT)).subresources["scale"]
        body = {"spec": {"replicas": replicas}}
        await self._call(
            resource.patch(body=body, name=name, namespace=namespace, content_type="application/merge-patch+json")
        )

    async def delete(self, kind: Kind, name: str, namespace: str = "", grace: int | None = None) -> None:
        """Ask for the deletion of an object; one that is gone already is no error."""
        resource = await self._resource(kind)
        options = {} if grace is None else {"gracePeriodSeconds": grace}
        try:
            await self._call(resource.delete(name=name, namespace=namespace or None, body=options))
        except _NotFound:
            return
        except Rejected as refusal:
            if refusal.code != 409:  # that is how a namespace says that it is being deleted already
                raise

    async def watch(self, kind: Kind, namespace: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yield (ADDED | MODIFIED | DELETED, object), what exists first, until closed.

        Raises HarnessError where the API server ends the watch with an error.
        """
        resource = await self._resource(kind)
        listed = await self._call(resource.get(namespace=namespace or None))
        for item in listed["items"]:
            yield "ADDED", item
        version = listed["metadata"]["resourceVersion"]
        while True:
            response = await resource.get(
                namespace=namespace or None,
                watch=True,
                resource_version=version,
                serialize=False,
                _request_timeout=_ENDLESS,
            )
            async for line in _lines(response):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise HarnessError(
                        f"the API server ended the watch of {kind.kind}: {event['object'].get('message')}"
                    )
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    yield event["type"], event["object"]

    async def follow_log(self, pod: str, namespace: str) -> AsyncIterator[str]:
        """Yield a pod's log line by line until the pod has ended or the iterator is closed."""
        response = await self._open_log(pod, namespace, follow="true")
        async for line in _lines(response):
            yield line.decode(errors="replace")

    async def log(self, pod: str, namespace: str, tail: int) -> str:
        """Return the last lines of a pod's log."""
        response = await self._open_log(pod, namespace, tailLines=str(tail))
        return (await response.read()).decode(errors="replace")

    async def post_to_pod(self, pod: str, namespace: str, port: int, path: str) -> bool:
        """Post to a pod through the API server (pods/proxy) and say whether it answered; False where it has gone.

        HarnessError where the API server does not pass the request on.
        """
        try:
            answer = await self._open("POST", f"{_pod(namespace, f'{pod}:{port}')}/proxy{path}")
            await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            raise HarnessError(f"pod {namespace}/{pod} cannot be reached through the API server: {error}") from error
        if not answer.ok and answer.status not in _UNREACHABLE:
            raise HarnessError(f"pod {namespace}/{pod} does not answer to POST {path}: {answer.status}")
        return answer.ok

    async def get_from_pod(self, scheme: str, pod: str, namespace: str, port: int, path: str) -> tuple[int, str]:
        """Get a path of a pod's server through the API server (pods/proxy); return the status and the body.

        With ``scheme`` "https" the API server speaks TLS to the pod, and verifies nothing. HarnessError where the API
        server itself does not answer.
        """
        path, _, query = path.partition("?")
        name = f"{pod}:{port}" if scheme == "http" else f"{scheme}:{pod}:{port}"
        try:
            answer = await self._open("GET", f"{_pod(namespace, name)}/proxy{path}", parse_qsl(query))
            return answer.status, (await answer.read()).decode(errors="replace")
        except (aiohttp.ClientError, OSError) as error:
            raise HarnessError(f"the Kubernetes API does not answer: {error!r}") from error

    async def forward(self, pod: str, namespace: str, port: int) -> aiohttp.ClientWebSocketResponse:
        """Open a port-forward to a port of a pod: a WebSocket that speaks v4.channel.k8s.io.

        HarnessError where the API server does not open it.
        """
        request = await self._api.param_serialize(
            "GET",
            f"{_pod(namespace, pod)}/portforward",
            query_params=[("ports", str(port))],
            auth_settings=["BearerToken"],
        )
        _, url, headers, *_ = request
        session: Any = self._api.rest_client.pool_manager  # made by the first request, which discovery was
        try:
            socket: aiohttp.ClientWebSocketResponse = await session.ws_connect(
                url,
                headers=headers,
                protocols=["v4.channel.k8s.io"],
                max_msg_size=0,
                proxy=self._api.rest_client.proxy,
            )
        except (aiohttp.ClientError, OSError) as error:
            raise HarnessError(f"no port-forward to pod {namespace}/{pod}: {error}") from error
        return socket

    async def _open_log(self, pod: str, namespace: str, **options: str) -> aiohttp.ClientResponse:
        timeout = _ENDLESS if "follow" in options else None  # None: the client's own
        try:
            response = await self._open("GET", f"{_pod(namespace, pod)}/log", [*options.items()], timeout)
        except (aiohttp.ClientError, OSError) as error:
            raise HarnessError(f"the log of pod {namespace}/{pod} cannot be read: {error}") from error
        if response.status != 200:
            said = (await response.read()).decode(errors="replace")
            raise HarnessError(f"the log of pod {namespace}/{pod} cannot be read: {response.status} {said}")
        return response

    async def _open(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        timeout: aiohttp.ClientTimeout | None = _SHORT,
    ) -> aiohttp.ClientResponse:
        """Send a request for which the dynamic client has no words, and return the answer before its body.

        CoreV1Api has the words, and takes half a second of processor time to import.
        """
        request = await self._api.param_serialize(
            method,
            path,
            query_params=list(query),
            header_params={"Accept": "*/*"},
            auth_settings=["BearerToken"],
        )
        answer: aiohttp.ClientResponse = (await self._api.call_api(*request, _request_timeout=timeout)).response
        return answer

    async def _resource(self, kind: Kind) -> Any:
        try:
            return await self._dynamic.resources.get(api_version=kind.api_version, kind=kind.kind)
        except ResourceNotFoundError as error:
            raise HarnessError(
                f"the cluster does not serve {kind.kind} ({kind.api_version}); install its CRD first"
            ) from error

    async def _call(self, request: Any) -> dict[str, Any]:
        try:
            answer = await request
        except DynamicApiError as error:
            raise _translated(error) from error
        except (aiohttp.ClientError, OSError) as error:
            raise HarnessError(f"the Kubernetes API does not answer: {error}") from error
        return dict(answer.to_dict())


class _NotFound(HarnessError):
    pass


def _pod(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods/{name}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [repr(error)])[0]


def _translated(error: DynamicApiError) -> Exception:
    try:
        status = json.loads(error.body or "")
    except (TypeError, ValueError):
        status = {"reason": error.reason, "message": str(error.body)}
    message = str(status.get("message", error.reason))
    if error.status == 404:
        return _NotFound(message)
    if error.status in _REFUSED:
        return Rejected(error.status, str(status.get("reason", "")), message)
    return HarnessError(f"the Kubernetes API answered {error.status}: {message}")


async def _lines(response: Any) -> AsyncIterator[bytes]:
    """Split a streamed response into lines of any length, and close it when the caller stops."""
    rest = b""
    try:
        async for chunk in response.content.iter_any():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                if line.strip():
                    yield line
        if rest.strip():
            yield rest
    finally:
        response.close()
