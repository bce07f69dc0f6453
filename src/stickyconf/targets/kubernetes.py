"""The Cluster port over the Kubernetes API, by the official client's asyncio half."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.dynamic import DynamicClient
from kubernetes.aio.dynamic.exceptions import ResourceNotFoundError, ResourceNotUniqueError

from stickyconf.ports import DEPLOYMENT, HarnessError, Kind, Manifest, Rejected
from stickyconf.targets.authenticated import AuthenticatedRest
from stickyconf.targets.contexts import only_context
from stickyconf.targets.credentials import credentials_of
from stickyconf.targets.installation import BadOption

FIELD_MANAGER = "stickyconf"
PROXY_SECONDS = 10.0
"""How long one request through the API server to a pod may take, in seconds."""

_SHORT = aiohttp.ClientTimeout(total=PROXY_SECONDS)
_ENDLESS = aiohttp.ClientTimeout(total=None, connect=PROXY_SECONDS)
"""For what goes on until it is ended: without it, the client ends a watch and a followed log after 5 minutes."""

MOST_SAID = 1000
"""How much of an error's text is passed on, in characters: a proxy on the way may answer with a whole page."""

_REFUSED = {400, 403, 409, 422}
_UNREACHABLE = {400, 404, 502, 503}  # of a pod behind the proxy subresource: without an address yet, gone, ended


class KubernetesCluster:
    """The Kubernetes API as one context of a kubeconfig reaches it. Use as an async context manager."""

    def __init__(self, kubeconfig: Path, cache: Path, context: str | None = None) -> None:
        """Name the kubeconfig and its context (None: its current one); ``cache`` is a file for discovery."""
        self._kubeconfig, self._cache, self._context = kubeconfig, cache, context

    async def __aenter__(self) -> KubernetesCluster:
        """Connect; HarnessError, in one line, if nothing answers, or there are no credentials, or they are refused."""
        settings = client.Configuration()
        try:
            loaded = only_context([self._kubeconfig], self._context)
            user = (loaded["users"][0].get("user") or {}) if loaded["users"] else {}
            await config.load_kube_config_from_dict(_without_credentials(loaded, user), client_configuration=settings)
            settings.connection_pool_maxsize = 100  # every watch and every followed log holds a connection
            self._api = client.ApiClient(settings)
            self._rest = AuthenticatedRest(settings, credentials_of(user, loaded["clusters"][0]["cluster"]))
        except (config.ConfigException, BadOption, OSError, ValueError) as error:  # OSError: also of certificates
            raise HarnessError(f"the kubeconfig cannot be used: {_one_line(error)}") from error
        self._api.rest_client = self._rest
        self._host = settings.host
        try:
            with self._told():
                self._dynamic = await DynamicClient(self._api, cache_file=str(self._cache))
        except Rejected as error:
            await self._api.close()
            raise HarnessError(
                f"the Kubernetes API at {settings.host} answers {error.code}; are the context's credentials valid?"
                f" ({_one_line(error)})"
            ) from error
        except BaseException:
            await self._api.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self._api.close()

    async def version(self) -> str:
        """Return the server's version, for example v1.34.0."""
        with self._told():
            answer = await self._open("GET", "/version")
            said = await answer.read()
            if not answer.ok:
                raise HarnessError(f"the Kubernetes API does not tell its version: {answer.status} {answer.reason}")
            return str(json.loads(said)["gitVersion"])

    async def apply(self, manifest: Manifest) -> dict[str, Any]:
        """Create or change an object (server-side apply) and return it as stored; Rejected if refused."""
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
        """Create an object that does not exist yet and return it as stored; Rejected (409) if it does."""
        resource = await self._resource(Kind(manifest["apiVersion"], manifest["kind"]))
        namespace = manifest["metadata"].get("namespace")
        return await self._call(resource.create(body=dict(manifest), namespace=namespace, field_manager=FIELD_MANAGER))

    async def get(self, kind: Kind, name: str, namespace: str = "") -> dict[str, Any] | None:
        """Return an object, or None if there is none."""
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

        Raises HarnessError if the API server ends the watch with an error.
        """
        resource = await self._resource(kind)
        listed = await self._call(resource.get(namespace=namespace or None))
        for item in listed["items"]:
            yield "ADDED", item
        version = listed["metadata"]["resourceVersion"]
        while True:
            with self._told():
                response = await resource.get(
                    namespace=namespace or None,
                    watch=True,
                    resource_version=version,
                    serialize=False,
                    _request_timeout=_ENDLESS,
                )
            async for line in self._lines(response):
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
        async for line in self._lines(response):
            yield line.decode(errors="replace")

    async def log(self, pod: str, namespace: str, tail: int, *, previous: bool = False) -> str:
        """Return the last lines of a pod's log; with ``previous`` that of its container before the last restart."""
        response = await self._open_log(pod, namespace, tailLines=str(tail), previous=str(previous).lower())
        with self._told():
            return (await response.read()).decode(errors="replace")

    async def post_to_pod(self, pod: str, namespace: str, port: int, path: str) -> bool:
        """Post to a pod through the API server (pods/proxy) and say whether it answered; False if it has gone.

        HarnessError if the API server does not pass the request on.
        """
        bare, _, query = path.partition("?")
        with self._told(f"pod {namespace}/{pod} cannot be reached: "):
            answer = await self._open("POST", f"{_pod(namespace, f'{pod}:{port}')}/proxy{bare}", parse_qsl(query))
            await answer.read()
        if not answer.ok and answer.status not in _UNREACHABLE:
            raise HarnessError(f"pod {namespace}/{pod} does not answer to POST {path}: {answer.status}")
        return answer.ok

    async def get_from_pod(self, scheme: str, pod: str, namespace: str, port: int, path: str) -> tuple[int, str]:
        """Get a path of a pod's server through the API server (pods/proxy); return the status and the body.

        With ``scheme`` "https" the API server speaks TLS to the pod, and verifies nothing. HarnessError if the API
        server itself does not answer.
        """
        path, _, query = path.partition("?")
        name = f"{pod}:{port}" if scheme == "http" else f"{scheme}:{pod}:{port}"
        with self._told():
            answer = await self._open("GET", f"{_pod(namespace, name)}/proxy{path}", parse_qsl(query))
            return answer.status, (await answer.read()).decode(errors="replace")

    async def forward(self, pod: str, namespace: str, port: int) -> aiohttp.ClientWebSocketResponse:
        """Open a port-forward to a port of a pod: a WebSocket that speaks v4.channel.k8s.io.

        HarnessError if the API server does not open it.
        """
        request = await self._api.param_serialize(
            "GET",
            f"{_pod(namespace, pod)}/portforward",
            query_params=[("ports", str(port))],
        )
        _, url, headers, *_ = request
        with self._told(f"no port-forward to pod {namespace}/{pod}: "):
            return await self._rest.connect(url, headers, protocols=["v4.channel.k8s.io"], max_msg_size=0)

    async def _open_log(self, pod: str, namespace: str, **options: str) -> aiohttp.ClientResponse:
        timeout = _ENDLESS if "follow" in options else None  # None: the client's own
        with self._told(f"the log of pod {namespace}/{pod} cannot be read: "):
            response = await self._open("GET", f"{_pod(namespace, pod)}/log", [*options.items()], timeout)
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
        """Send a request that the dynamic client cannot express, and return the answer before its body.

        CoreV1Api can, and takes half a second of processor time to import.
        """
        request = await self._api.param_serialize(
            method,
            path,
            query_params=list(query),
            header_params={"Accept": "*/*"},
        )
        answer: aiohttp.ClientResponse = (await self._api.call_api(*request, _request_timeout=timeout)).response
        return answer

    async def _resource(self, kind: Kind) -> Any:
        try:
            with self._told():
                return await self._dynamic.resources.get(api_version=kind.api_version, kind=kind.kind)
        except (ResourceNotFoundError, ResourceNotUniqueError) as error:
            raise HarnessError(
                f"the cluster does not serve {kind.kind} ({kind.api_version}); install its CRD first"
            ) from error

    async def _call(self, request: Any) -> dict[str, Any]:
        with self._told():
            return dict((await request).to_dict())

    async def _lines(self, response: Any) -> AsyncIterator[bytes]:
        """Split a streamed response into lines of any length, and close it when the caller stops."""
        rest = b""
        chunks = response.content.iter_any()
        try:
            while True:
                with self._told():
                    chunk = await anext(chunks, None)
                if chunk is None:
                    break
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    if line.strip():
                        yield line
            if rest.strip():
                yield rest
        finally:
            response.close()

    @contextlib.contextmanager
    def _told(self, about: str = "") -> Iterator[None]:
        """Turn everything that the client raises into what the ports promise; ``about`` begins the message.

        This is the one place for that: HarnessError if the API server does not answer, or not as an API server
        does; what ``_translated`` returns for an answer that is an error.
        """
        try:
            yield
        except (ResourceNotFoundError, ResourceNotUniqueError):
            raise  # these are no answer: ``_resource`` says what they mean
        except ApiException as error:
            raise _translated(error, about) from error
        except (aiohttp.ClientError, OSError) as error:
            raise HarnessError(
                f"{about}the Kubernetes API at {self._host} does not answer: {_one_line(error)}"
            ) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:  # of the client's reading of an answer
            raise HarnessError(
                f"{about}the Kubernetes API at {self._host} answered what no API server does: {error!r}"
            ) from error


class _NotFound(HarnessError):
    pass


def _pod(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods/{name}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or repr(error)


def _without_credentials(kubeconfig: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
    """Return a kubeconfig for the official client: of the user it has client certificates alone, and always a user."""
    context = kubeconfig["contexts"][0]
    named = {"name": context["name"], "context": {**(context.get("context") or {}), "user": "user"}}
    certificates = {name: value for name, value in user.items() if name.startswith("client-") and value}
    return kubeconfig | {"contexts": [named], "users": [{"name": "user", "user": certificates}]}


def _translated(error: ApiException, about: str) -> Exception:
    try:
        status = json.loads(error.body or "")
    except (TypeError, ValueError):
        status = {"reason": error.reason, "message": str(error.body)}
    said = status.get("message") if isinstance(status, dict) else status
    message = about + " ".join(str(said or error.reason).split())[:MOST_SAID]
    if error.status == 404:
        return _NotFound(message)
    if error.status in _REFUSED:
        return Rejected(error.status, str(status.get("reason", "")) if isinstance(status, dict) else "", message)
    return HarnessError(f"the Kubernetes API answered {error.status}: {message}")
