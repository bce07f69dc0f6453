"""Kong's Admin API and status API, as far as an ingress controller and this project's suite use them.

Shapes from Kong's Admin API description (``api-specs/gateway/admin-ee/3.11/openapi.yaml``) and, for
``POST /config``, from what its errors look like to go-kong, the client that KIC uses.
"""

import asyncio
import json
import logging
import os
import socket
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from embedded_cluster.environment import Address, Listener
from embedded_cluster.gateway import plugins, shapes
from embedded_cluster.gateway.dataplane import DataPlane, RejectedError
from embedded_cluster.gateway.declarative import (
    EMPTY,
    NO_CONFIGURATION,
    REFUSED,
    SERVED,
    Declaration,
    InvalidDeclarationError,
    NotADeclarationError,
    parse,
)
from embedded_cluster.gateway.entities import Entity
from embedded_cluster.gateway.pages import PAGE, page, tagged

log = logging.getLogger(__name__)

# The Kong release whose contract this gateway serves, if it is told no other. Clients read the numbers.
VERSION = "3.11.0.0"
STICKY_SINCE = (3, 11)
# A Kong in a pod listens on all of its addresses, and KIC wants all replicas to say the same.
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - said, not done
# Where the Admin API lists what a configuration may hold and this gateway only keeps. A KIC that starts asks for all of
# it, to have something to fall back on.
_KEPT_AT = {
    "acls": "acls",
    "basic-auths": "basicauth_credentials",
    "ca_certificates": "ca_certificates",
    "consumer_groups": "consumer_groups",
    "consumers": "consumers",
    "filter-chains": "filter_chains",
    "hmac-auths": "hmacauth_secrets",
    "jwts": "jwt_secrets",
    "key-auths": "keyauth_credentials",
    "key-sets": "key_sets",
    "keys": "keys",
    "licenses": "licenses",
    "mtls-auths": "mtls_auth_credentials",
    "oauth2": "oauth2_credentials",
    "partials": "partials",
    "vaults": "vaults",
}
_OF_ENTERPRISE = {"licenses"}
_LISTED = "services|routes|upstreams|plugins|certificates|snis"
_MOST_BYTES = 64 * 1024**2


@dataclass
class Node:
    """One gateway: its data plane, where it listens, its release, and the configuration in force.

    Releases of Kong's open-source core have three numbers, those of Enterprise four.
    """

    plane: DataPlane
    proxy: tuple[Listener, ...]
    admin: tuple[Listener, ...]
    version: str = VERSION
    drained: str = SERVED
    """What sessions get of an upstream all of whose targets have weight 0: one of :data:`.declarative.DRAINED`."""
    declaration: Declaration = EMPTY
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def sticky_sessions(self) -> bool:
        """Whether the release has the algorithm."""
        return tuple(int(number) for number in self.version.split(".")[:2]) >= STICKY_SINCE

    @property
    def open_source(self) -> bool:
        """Whether the release is one of the open-source core."""
        return self.version.count(".") == 2


def admin_app(node: Node) -> web.Application:
    """Return the Admin API of *node*."""
    app = web.Application(client_max_size=_MOST_BYTES, middlewares=[_in_json])
    api = _AdminApi(node)
    app.add_routes(
        [
            web.get("/", api.root),
            web.get("/status", api.status),
            web.get("/config", api.read_config),
            web.post("/config", api.write_config),
            web.get("/upstreams/{key}/targets", api.targets),
            web.get("/upstreams/{key}/targets/all", api.all_targets),
            web.get("/upstreams/{key}/targets/{target}", api.target),
            web.get("/upstreams/{key}/health", api.health),
            web.get("/services/{key}/routes", api.service_routes),
            web.get(f"/{{kind:{_LISTED}}}", api.every),
            web.get(f"/{{kind:{_LISTED}}}/{{key}}", api.one),
            web.get("/schemas/plugins/{key}", api.plugin_schema),
            web.get("/schemas/{kind}", api.schema),
            web.get("/tags", api.tags),
            web.get("/tags/{tag}", api.tags),
            web.get("/endpoints", api.endpoints),
            *(web.get(f"/{path}", api.kept) for path in _KEPT_AT if not (node.open_source and path in _OF_ENTERPRISE)),
        ]
    )
    return app


def status_app(node: Node) -> web.Application:
    """Return the status API of *node*, for probes."""
    app = web.Application(middlewares=[_in_json])
    api = _AdminApi(node)
    app.add_routes([web.get("/status", api.status), web.get("/status/ready", api.ready)])
    return app


@web.middleware
async def _in_json(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
    try:
        return await handler(request)
    except web.HTTPNotFound:
        log.info("nothing at %s", request.path)
        return web.json_response({"message": "Not found"}, status=404)
    except web.HTTPException as error:
        return web.json_response({"message": error.reason}, status=error.status)


class _AdminApi:
    def __init__(self, node: Node) -> None:
        self._node = node

    async def root(self, _: web.Request) -> web.Response:
        node = self._node
        return web.json_response(
            {
                "version": f"{node.version}-embedded",
                "tagline": "The embedded stand-in for Kong Gateway",
                "edition": "embedded",
                "data_plane": {"name": node.plane.name, "version": node.plane.version},
                "hostname": socket.gethostname(),
                "node_id": node.id,
                "pids": {"master": os.getpid(), "workers": list(node.plane.workers)},
                "plugins": {"available_on_server": {}, "enabled_in_cluster": []},
                "configuration": {
                    "database": "off",
                    "router_flavor": "traditional",
                    "proxy_listeners": [
                        shapes.listener(Listener(Address(_EVERYWHERE, one.address.port), one.tls)) for one in node.proxy
                    ],
                    "admin_listeners": [shapes.listener(listener) for listener in node.admin],
                    "stream_listeners": {},
                },
            }
        )

    async def status(self, _: web.Request) -> web.Response:
        traffic = await self._node.plane.traffic()
        return web.json_response(
            {
                "configuration_hash": self._node.declaration.hash,
                "server": {
                    "connections_active": traffic.connections_active,
                    "connections_accepted": traffic.connections,
                    "connections_handled": traffic.connections,
                    "connections_reading": 0,
                    "connections_writing": traffic.requests_active,
                    "connections_waiting": 0,
                    "total_requests": traffic.requests,
                },
                "memory": {"workers_lua_vms": [], "lua_shared_dicts": {}},
            }
        )

    async def ready(self, _: web.Request) -> web.Response:
        """Ready as a Kong without a database is: with a configuration that is not empty, on every worker."""
        workers, behind = len(self._node.plane.workers), self._node.plane.behind
        if self._node.declaration.hash == NO_CONFIGURATION:
            return _message(503, "no configuration available (empty configuration present)")
        if behind:
            done = f"router ready on {workers - behind} of {workers} workers"
            return _message(503, f"router builds not yet complete, {done}")
        return _message(200, "ready")

    async def read_config(self, _: web.Request) -> web.Response:
        import yaml  # only people read it

        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        return web.json_response({"config": yaml.dump(self._node.declaration.document, Dumper=dumper, sort_keys=False)})

    async def write_config(self, request: web.Request) -> web.Response:
        try:
            document = _document(await request.text())
        except ValueError as error:
            return _message(400, f"failed parsing declarative configuration: {error}")
        node = self._node
        async with node.changing:
            try:
                declaration = parse(document, sticky_sessions=node.sticky_sessions)
                await node.plane.apply(declaration.without_drained() if node.drained == REFUSED else declaration)
            except NotADeclarationError:
                return _message(500, "An unexpected error occurred")
            except InvalidDeclarationError as error:
                log.warning("refused: %s", error)
                flattened = request.query.get("flatten_errors") == "1"
                return web.json_response(error.answer(flattened=flattened), status=400)
            except RejectedError as error:
                log.warning("%s refused: %s", node.plane.name, error)
                return _message(500, f"failed to apply the configuration: {error}")
            node.declaration = declaration
        taken = {kind: {one["id"]: one for one in members} for kind, members in declaration.entities.items() if members}
        return web.json_response(taken, status=201)

    async def every(self, request: web.Request) -> web.Response:
        return page(request, tagged(request, self._node.declaration.entities[request.match_info["kind"]]))

    async def kept(self, request: web.Request) -> web.Response:
        section = _KEPT_AT[request.path.strip("/")]
        return page(request, tagged(request, self._node.declaration.document.get(section) or []))

    async def one(self, request: web.Request) -> web.Response:
        return web.json_response(self._named(request, request.match_info["kind"]))

    async def plugin_schema(self, request: web.Request) -> web.Response:
        found = plugins.schema(request.match_info["key"])
        if found is None:
            raise web.HTTPNotFound
        return web.json_response(found)

    async def schema(self, request: web.Request) -> web.Response:
        found = shapes.schema(request.match_info["kind"], sticky_sessions=self._node.sticky_sessions)
        if found is None:
            return _message(404, f"No entity named '{request.match_info['kind']}'")
        return web.json_response(found)

    async def tags(self, request: web.Request) -> web.Response:
        asked = request.match_info.get("tag")
        every = shapes.tags(self._node.declaration.entities)
        return page(request, [one for one in every if asked in (None, one["tag"])])

    async def endpoints(self, request: web.Request) -> web.Response:
        paths = {resource.canonical for resource in request.app.router.resources()}
        return web.json_response({"data": sorted(paths, key=lambda path: path.split("/"))})

    async def service_routes(self, request: web.Request) -> web.Response:
        service = self._named(request, "services")
        return page(request, self._node.declaration.referring("routes", "service", service))

    async def targets(self, request: web.Request) -> web.Response:
        upstream = self._named(request, "upstreams")
        # A real Kong (3.10) ends here with any size, and says that there is no more.
        found = self._node.declaration.referring("targets", "upstream", upstream)[:PAGE]
        return web.json_response({"data": found, "next": None})

    async def all_targets(self, request: web.Request) -> web.Response:
        upstream = self._named(request, "upstreams")
        return page(request, self._node.declaration.referring("targets", "upstream", upstream))

    async def health(self, request: web.Request) -> web.Response:
        upstream = self._named(request, "upstreams")
        targets = self._node.declaration.referring("targets", "upstream", upstream)
        found = [{**target, **shapes.health(target, upstream)} for target in targets]
        return page(request, found, node_id=self._node.id)

    async def target(self, request: web.Request) -> web.Response:
        upstream = self._named(request, "upstreams")
        for target in self._node.declaration.referring("targets", "upstream", upstream):
            if request.match_info["target"] in (target["id"], target["target"]):
                return web.json_response(target)
        raise web.HTTPNotFound

    def _named(self, request: web.Request, kind: str) -> Entity:
        entity = self._node.declaration.find(kind, request.match_info["key"])
        if entity is None:
            raise web.HTTPNotFound
        return entity


def _document(text: str) -> Any:
    """Return the posted configuration: the body itself or its field ``config``, each as JSON or as YAML."""
    try:
        body = json.loads(text)
    except ValueError:
        return _yaml(text)
    return _yaml(body["config"]) if isinstance(body, dict) and isinstance(body.get("config"), str) else body


def _yaml(text: str) -> Any:
    import yaml  # only people post YAML

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _message(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)
