"""Reading request bodies, and the options that come with them."""

from __future__ import annotations

import json
from typing import Any

import yaml
from aiohttp import web

from embedded_cluster.apiserver import protobuf
from embedded_cluster.apiserver.kinds import Kind
from embedded_cluster.apiserver.registry import DeleteOptions
from embedded_cluster.apiserver.requests import is_true
from embedded_cluster.apiserver.status import bad_request, unsupported_media_type

JsonObject = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
_YAML = ("application/yaml", APPLY_PATCH)
_OBJECTS = ("application/json", "application/yaml", protobuf.MEDIA_TYPE)
_PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)


async def read_object(request: web.Request, kind: Kind) -> JsonObject:
    """The object in the body of a POST or PUT. Raises ``ApiError`` 400 or 415."""
    media = _media_type(request)
    if media not in ("", *_OBJECTS):
        raise unsupported_media_type(media, _OBJECTS)
    return check_object(_parse(await request.read(), media), kind)


def check_object(value: Any, kind: Kind) -> JsonObject:
    """*value* as an object of *kind*, whose ``kind`` and ``apiVersion`` may be left out. Raises ``ApiError`` 400."""
    if not isinstance(value, dict):
        raise bad_request("the body of the request is not an object")
    given = value.setdefault("kind", kind.name), value.setdefault("apiVersion", kind.api_version)
    if given != (kind.name, kind.api_version):
        group, _, version = given[1].rpartition("/") if isinstance(given[1], str) else ("", "", "")
        if given[0] == kind.name and group == kind.group:
            raise bad_request(
                f"the API version in the data ({given[1]}) does not match the expected API version ({kind.api_version})"
            )
        raise bad_request(f'{given[0]} in version "{version}" cannot be handled as a {kind.name}')
    if not isinstance(value.setdefault("metadata", {}), dict):
        raise bad_request(f"metadata is not an object: {value['metadata']!r}")
    return value


async def read_patch(request: web.Request) -> tuple[str, Any]:
    """The media type and the content of a PATCH. Raises ``ApiError`` 400 or 415."""
    media = _media_type(request)
    if media not in _PATCHES:
        raise unsupported_media_type(media, _PATCHES)
    return media, _parse(await request.read(), media)


async def read_delete_options(request: web.Request) -> DeleteOptions:
    """Options from the body, or else from the query. Raises ``ApiError`` 400."""
    content = await request.read()
    body = _parse(content, _media_type(request)) if content.strip() else {}
    if not isinstance(body, dict):
        raise bad_request("the body of the request is not DeleteOptions")
    preconditions = body.get("preconditions") or {}
    grace = body.get("gracePeriodSeconds", request.query.get("gracePeriodSeconds"))
    orphan = body.get("orphanDependents")
    if orphan is None and "orphanDependents" in request.query:
        orphan = is_true(request.query["orphanDependents"])
    propagation = body.get("propagationPolicy") or request.query.get("propagationPolicy")
    if orphan is not None:
        propagation = "Orphan" if orphan else "Background"
    if propagation not in (None, "Background", "Foreground", "Orphan"):
        raise bad_request(f"invalid propagationPolicy {propagation!r}")
    try:
        seconds = None if grace is None else int(grace)
    except ValueError:
        raise bad_request(f"invalid gracePeriodSeconds {grace!r}") from None
    return DeleteOptions(seconds, propagation, preconditions.get("uid"), preconditions.get("resourceVersion"))


def is_dry_run(request: web.Request) -> bool:
    """Whether nothing may be stored. Raises ``ApiError`` 400 for an unknown ``dryRun``."""
    value = request.query.get("dryRun")
    if value not in (None, "", "All"):
        raise bad_request(f'dryRun: Unsupported value: "{value}": supported values: "All"')
    return value == "All"


def _media_type(request: web.Request) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _parse(content: bytes, media: str) -> Any:
    if media == protobuf.MEDIA_TYPE:
        try:
            return protobuf.decode(content)
        except ValueError as error:
            raise bad_request(f"error decoding the body of the request: {error}") from None
    try:
        return json.loads(content)
    except ValueError as error:
        if media not in _YAML:
            raise bad_request(f"error decoding the body of the request: {error}") from None
    try:
        return yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding the body of the request: {error}") from None
