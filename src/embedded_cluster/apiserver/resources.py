"""Requests for resources: from path and verb to the registry, and back to a response."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from aiohttp import web

from embedded_cluster.apiserver import patch as patches
from embedded_cluster.apiserver.apply import apply
from embedded_cluster.apiserver.bodies import (
    APPLY_PATCH,
    JSON_PATCH,
    STRATEGIC_PATCH,
    check_object,
    is_dry_run,
    read_delete_options,
    read_object,
    read_patch,
)
from embedded_cluster.apiserver.decoding import decode
from embedded_cluster.apiserver.kinds import ACCESS_REVIEWS, CLUSTER, POD, Kind
from embedded_cluster.apiserver.logs import LogProxy
from embedded_cluster.apiserver.registry import Registry, now, shown
from embedded_cluster.apiserver.representation import Representation, negotiate
from embedded_cluster.apiserver.requests import ResourcePath, is_true, verb_of
from embedded_cluster.apiserver.scale import scale_of, scaled
from embedded_cluster.apiserver.selectors import Selection, select
from embedded_cluster.apiserver.status import (
    bad_request,
    method_not_allowed,
    no_such_path,
    not_found,
    unsupported_media_type,
)
from embedded_cluster.apiserver.store import Entry, clone, encode
from embedded_cluster.apiserver.watch import LONGEST, WatchOptions, stream

JsonObject = dict[str, Any]

_JSON = "application/json"


class Resources:
    """Serves everything below ``/api/v1`` and ``/apis/GROUP/VERSION``."""

    def __init__(self, registry: Registry) -> None:
        """Serve what is in *registry*."""
        self._registry = registry
        self._logs = LogProxy(registry)

    async def close(self) -> None:
        """Drop what is open towards kubelets."""
        await self._logs.close()

    async def serve(self, request: web.Request, target: ResourcePath) -> web.StreamResponse:
        """Answer one request. Raises ``ApiError``."""
        kind = self._registry.catalog.find(target.group, target.version, target.resource)
        if kind is None or (target.namespace and not kind.namespaced):
            raise no_such_path()
        if target.subresource:
            if target.subresource not in kind.subresources:
                raise no_such_path()
            return await self._subresource(request, kind, target)
        if kind in ACCESS_REVIEWS:
            return await self._review_access(request, kind)
        return await self._object(request, kind, target)

    async def _object(self, request: web.Request, kind: Kind, target: ResourcePath) -> web.StreamResponse:
        namespace, name = target.namespace, target.name
        match verb_of(request, target):
            case "watch":
                return await self._watch(request, kind, target)
            case "list":
                return self._list(request, kind, target)
            case "deletecollection":
                return await self._delete_collection(request, kind, target)
            case verb if kind.namespaced and not namespace:
                raise method_not_allowed(kind) if verb in ("create", "delete") else no_such_path()
            case "get":
                return self._reply(request, kind, self._registry.get(kind, namespace, name))
            case "create" if not name:
                return await self._create(request, kind, namespace)
            case "update" if name:
                return await self._replace(request, kind, target)
            case "patch" if name:
                return await self._patch(request, kind, target)
            case "delete":
                return await self._delete(request, kind, namespace, name)
            case _:
                raise method_not_allowed(kind)

    # --- reading ----------------------------------------------------------------------------------------------------

    def _list(self, request: web.Request, kind: Kind, target: ResourcePath) -> web.Response:
        entries = self._registry.list(kind, _selection(request, kind, target))
        body = _representation(request, kind).many(entries, self._registry.store.revision)
        return web.Response(body=body, content_type=_JSON)

    async def _watch(self, request: web.Request, kind: Kind, target: ResourcePath) -> web.StreamResponse:
        options = _watch_options(request)
        selection = _selection(request, kind, target)
        render = _representation(request, kind).one
        response = web.StreamResponse(headers={"Content-Type": _JSON})
        async with aclosing(stream(self._registry.store, kind, selection, options, render)) as events:
            await response.prepare(request)
            async for chunk in events:
                await response.write(chunk)
        return response

    # --- writing ----------------------------------------------------------------------------------------------------

    async def _create(self, request: web.Request, kind: Kind, namespace: str) -> web.Response:
        obj = await read_object(request, kind)
        warnings = self._decode(request, kind, obj)
        entry = self._registry.create(kind, namespace, obj, dry_run=is_dry_run(request))
        return self._reply(request, kind, entry, 201, warnings)

    async def _replace(self, request: web.Request, kind: Kind, target: ResourcePath, part: str = "") -> web.Response:
        obj = await read_object(request, kind)
        warnings = self._decode(request, kind, obj)
        entry = self._registry.update(kind, target.namespace, target.name, obj, part=part, dry_run=is_dry_run(request))
        return self._reply(request, kind, entry, warnings=warnings)

    async def _patch(self, request: web.Request, kind: Kind, target: ResourcePath, part: str = "") -> web.Response:
        media, content = await read_patch(request)
        if media == APPLY_PATCH:
            return self._apply(request, kind, target, content, part)
        current = shown(kind, self._registry.get(kind, target.namespace, target.name).obj)
        new = clone(_patched(kind, current, media, content))
        warnings = self._decode(request, kind, new)
        entry = self._registry.update(kind, target.namespace, target.name, new, part=part, dry_run=is_dry_run(request))
        return self._reply(request, kind, entry, warnings=warnings)

    def _apply(self, request: web.Request, kind: Kind, target: ResourcePath, content: Any, part: str) -> web.Response:
        applied = check_object(content, kind)
        stored = self._registry.store.get(kind.storage, target.namespace, target.name)
        if stored is None and part:
            raise not_found(kind, target.name)
        current = shown(kind, stored.obj) if stored is not None else None
        applied["metadata"].setdefault("name", target.name)
        new = apply(kind, current, applied, request.query.get("fieldManager", ""), now(), part)
        warnings = self._decode(request, kind, new)
        dry_run = is_dry_run(request)
        if stored is None:
            return self._reply(
                request, kind, self._registry.create(kind, target.namespace, new, dry_run=dry_run), 201, warnings
            )
        entry = self._registry.update(kind, target.namespace, target.name, new, part=part, dry_run=dry_run)
        return self._reply(request, kind, entry, warnings=warnings)

    def _decode(self, request: web.Request, kind: Kind, obj: JsonObject) -> list[str]:
        """Drop unknown fields; returns what to warn of."""
        return decode(kind, obj, request.query.get("fieldValidation", ""))

    async def _delete(self, request: web.Request, kind: Kind, namespace: str, name: str) -> web.Response:
        options = await read_delete_options(request)
        entry, gone = self._registry.delete(kind, namespace, name, options, dry_run=is_dry_run(request))
        if not gone or kind is POD:
            status = 202 if options.propagation == "Foreground" and not gone else 200
            return self._reply(request, kind, entry, status)
        details = {"name": name, "kind": kind.plural, "uid": entry.obj["metadata"]["uid"]}
        if kind.group:
            details["group"] = kind.group
        status_object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": details,
        }
        return web.Response(body=encode(status_object), content_type=_JSON)

    async def _delete_collection(self, request: web.Request, kind: Kind, target: ResourcePath) -> web.Response:
        options = await read_delete_options(request)
        entries = list(self._registry.list(kind, _selection(request, kind, target)))
        for entry in entries:
            metadata = entry.obj["metadata"]
            self._registry.delete(
                kind, metadata.get("namespace", CLUSTER), metadata["name"], options, dry_run=is_dry_run(request)
            )
        body = _representation(request, kind).many(entries, self._registry.store.revision)
        return web.Response(body=body, content_type=_JSON)

    # --- subresources -----------------------------------------------------------------------------------------------

    async def _subresource(self, request: web.Request, kind: Kind, target: ResourcePath) -> web.StreamResponse:
        verb = verb_of(request, target)
        match target.subresource, verb:
            case "log", "get":
                return await self._logs.serve(request, target.namespace, target.name)
            case "scale", "get" | "update" | "patch":
                return await self._scale(request, kind, target, verb)
            case "status", "get":
                return self._reply(request, kind, self._registry.get(kind, target.namespace, target.name))
            case ("status" | "finalize") as part, "update":
                return await self._replace(request, kind, target, part)
            case "finalize", "create":
                return await self._replace(request, kind, target, "finalize")
            case "status", "patch":
                return await self._patch(request, kind, target, "status")
            case "binding", "create":
                return await self._bind(request, target)
            case _:
                raise method_not_allowed(kind)

    async def _scale(self, request: web.Request, kind: Kind, target: ResourcePath, verb: str) -> web.Response:
        media, content = await read_patch(request) if verb == "patch" else ("", None)
        scale = await read_object(request, _SCALE) if verb == "update" else None
        # Only now: a body may take long to arrive, and what is scaled is what there is when it has arrived.
        entry = self._registry.get(kind, target.namespace, target.name)
        if media:
            scale = _patched(kind, scale_of(kind, entry.obj), media, content)
        if scale is not None:
            new = scaled(kind, entry.obj, scale)
            entry = self._registry.update(kind, target.namespace, target.name, new, dry_run=is_dry_run(request))
        return web.Response(body=encode(scale_of(kind, entry.obj)), content_type=_JSON)

    async def _bind(self, request: web.Request, target: ResourcePath) -> web.Response:
        """Assign a pod to a node, as schedulers do."""
        binding = await read_object(request, _BINDING)
        node = (binding.get("target") or {}).get("name")
        if not node:
            raise bad_request("target.name: Required value")
        self._registry.bind(target.namespace, target.name, str(node))
        success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        return web.Response(status=201, body=encode(success), content_type=_JSON)

    async def _review_access(self, request: web.Request, kind: Kind) -> web.Response:
        """A client that has the token may do everything."""
        if request.method != "POST":
            raise method_not_allowed(kind)
        review = await read_object(request, kind)
        review["status"] = {"allowed": True, "reason": "the bearer token of the cluster allows everything"}
        return web.Response(status=201, body=encode(review), content_type=_JSON)

    def _reply(
        self, request: web.Request, kind: Kind, entry: Entry, status: int = 200, warnings: list[str] | None = None
    ) -> web.Response:
        body = _representation(request, kind).one(entry)
        response = web.Response(status=status, body=body, content_type=_JSON)
        for warning in warnings or ():
            text = warning.replace("\\", "\\\\").replace('"', '\\"')
            response.headers.add("Warning", f'299 - "{text}"')
        return response


_SCALE = Kind("autoscaling", "v1", "Scale", "scales")
_BINDING = Kind("", "v1", "Binding", "bindings")


def _representation(request: web.Request, kind: Kind) -> Representation:
    return negotiate(kind, request.headers.get("Accept", ""), request.query.get("includeObject", ""))


def _watch_options(request: web.Request) -> WatchOptions:
    query = request.query
    version = query.get("resourceVersion", "")
    try:
        return WatchOptions(
            after=int(version) if version not in ("", "0") else None,
            timeout=float(query.get("timeoutSeconds") or LONGEST),
            bookmarks=is_true(query.get("allowWatchBookmarks")),
            initial_events=is_true(query["sendInitialEvents"]) if "sendInitialEvents" in query else None,
        )
    except ValueError as error:
        raise bad_request(f"invalid resourceVersion or timeoutSeconds: {error}") from None


def _selection(request: web.Request, kind: Kind, target: ResourcePath) -> Selection:
    namespace = target.namespace if kind.namespaced and target.namespace else None
    fields = request.query.get("fieldSelector", "")
    if target.name:  # watching one object by its path
        fields = ",".join(filter(None, (fields, f"metadata.name={target.name}")))
    return select(kind, namespace, request.query.get("labelSelector", ""), fields)


def _patched(kind: Kind, current: JsonObject, media: str, content: Any) -> JsonObject:
    """*current* with a patch applied; may share parts with it."""
    if media == JSON_PATCH:
        return patches.json_patch(current, content)
    if not isinstance(content, dict):
        raise bad_request("the patch is not an object")
    if media == STRATEGIC_PATCH:
        if kind.custom is not None:
            raise unsupported_media_type(media, [JSON_PATCH, "application/merge-patch+json", APPLY_PATCH])
        return patches.strategic_merge_patch(current, content)
    merged: JsonObject = patches.merge_patch(current, content)
    return merged
