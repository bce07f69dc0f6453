"""The HTTP side: authentication, routing, negotiation, errors as ``Status`` objects."""

from __future__ import annotations

import hmac
import logging
from typing import Any

from aiohttp import web

from embedded_cluster.apiserver import discovery
from embedded_cluster.apiserver.audit import AuditLog
from embedded_cluster.apiserver.podproxy import PodProxy
from embedded_cluster.apiserver.registry import Registry
from embedded_cluster.apiserver.requests import ResourcePath, verb_of
from embedded_cluster.apiserver.resources import Resources
from embedded_cluster.apiserver.status import ApiError, no_such_path, unauthorized
from embedded_cluster.apiserver.store import encode

JsonObject = dict[str, Any]

logger = logging.getLogger(__name__)

LARGEST_BODY = 3 * 1024 * 1024  # bytes; the limit of kube-apiserver
_KEEP_ALIVE = 300.0  # seconds an idle connection stays open: longer than any client keeps one
_SHUTDOWN = 1.0  # seconds that open requests get to end
# Go's names for what Python 3.13 calls otherwise; the Python client shows them to people.
_PHRASES = {413: "Request Entity Too Large", 422: "Unprocessable Entity"}
_HEALTH = ("/livez", "/readyz", "/healthz")


class ApiServer:
    """Answers the requests of one cluster."""

    def __init__(self, token: str, audit: AuditLog | None = None) -> None:
        """*token* is the bearer token that every request but health and version has to carry."""
        self.registry = Registry()
        self._resources = Resources(self.registry)
        self._pods = PodProxy(self.registry)
        self._authorization = f"Bearer {token}".encode()
        self._audit = audit

    def runner(self) -> web.AppRunner:
        """What serves it, once it has been set up and given a site to listen on."""
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._answer)
        app.on_shutdown.append(self._shut_down)
        return web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=_KEEP_ALIVE,
            handler_cancellation=True,  # ends a watch, or a log that is followed, when its client goes
            shutdown_timeout=_SHUTDOWN,
        )

    async def _shut_down(self, _app: web.Application) -> None:
        self.registry.store.close()
        await self._resources.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._dispatch(request)
        except ApiError as error:
            return _json(error.status, error.code)
        except ConnectionResetError:
            raise  # the client has gone: nothing to tell it, and not our fault
        except web.HTTPRequestEntityTooLarge:
            message = f"Request entity too large: limit is {LARGEST_BODY}"
            return _json(ApiError(413, "RequestEntityTooLarge", message).status, 413)
        except Exception as error:
            # Our fault: said in full on stderr, and to the client as kube-apiserver would.
            logger.exception("%s %s", request.method, request.path)
            return _json(ApiError(500, "InternalError", f"Internal error occurred: {error}").status, 500)

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path in _HEALTH:
            return web.Response(text="ok")
        if path in {"/version", "/version/"}:
            return _json(discovery.version())
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, self._authorization):
            raise unauthorized()
        if proxied := PodProxy.parse(path):
            self._record(request, proxied[0])
            return await self._pods.serve(request, *proxied)
        target = ResourcePath.parse(path)
        if target is None:
            return self._document(request)
        self._record(request, target)
        return await self._resources.serve(request, target)

    def _record(self, request: web.Request, target: ResourcePath) -> None:
        if self._audit is not None:
            self._audit.record(verb_of(request, target), target, request.headers.get("User-Agent", ""))

    def _document(self, request: web.Request) -> web.Response:
        if request.method not in ("GET", "HEAD"):
            raise ApiError(405, "MethodNotAllowed", "the server does not allow this method on this path")
        accept = request.headers.get("Accept", "")
        document = self._openapi(request.path, accept) or self._discovery(request.path, accept)
        if document is None:
            raise no_such_path()
        return document

    def _discovery(self, path: str, accept: str) -> web.Response | None:
        catalog = self.registry.catalog
        parts = path.strip("/").split("/")
        document: JsonObject | None = None
        match parts:
            case ["api"] | ["apis"]:
                for version in discovery.AGGREGATED:
                    media = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
                    if media in accept:
                        core = parts == ["api"]
                        return _json(discovery.aggregated(catalog, version, core=core), media=media)
                document = discovery.core_versions() if parts == ["api"] else discovery.groups(catalog)
            case ["api", version]:
                document = discovery.resources(catalog, "", version)
            case ["apis", group]:
                document = discovery.group(catalog, group)
            case ["apis", group, version]:
                document = discovery.resources(catalog, group, version)
        return None if document is None else _json(document)

    def _openapi(self, path: str, accept: str) -> web.Response | None:
        catalog = self.registry.catalog
        parts = path.strip("/").split("/")
        document: JsonObject | None = None
        match parts:
            case ["openapi", "v2"]:
                if "protobuf" in accept and "application/json" not in accept:
                    # No bytes at all are a valid, empty protobuf message: a document that describes nothing.
                    return web.Response(body=b"", content_type="application/octet-stream")
                document = discovery.openapi_v2()
            case ["openapi", "v3"]:
                document = discovery.openapi_index(catalog)
            case ["openapi", "v3", "api", version]:
                document = discovery.openapi(catalog, "", version)
            case ["openapi", "v3", "apis", group, version]:
                document = discovery.openapi(catalog, group, version)
        return None if document is None else _json(document)


def _json(document: JsonObject, code: int = 200, media: str = "application/json") -> web.Response:
    body = encode(document)
    return web.Response(status=code, reason=_PHRASES.get(code), body=body, headers={"Content-Type": media})
