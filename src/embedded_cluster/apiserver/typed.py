"""The fields of built-in kinds, as structural schemas made from lightkube's generated models.

They say which fields exist and of which JSON type each is, no more: what is required, allowed or default is in
:mod:`.validation` and :mod:`.defaults`.
"""

from __future__ import annotations

import datetime
import importlib
import types
import typing
from functools import lru_cache
from typing import Any

import msgspec

from embedded_cluster.apiserver.kinds import Kind
from embedded_cluster.apiserver.schema import Schema

_MODULES = {
    "": "core_v1",
    "apiextensions.k8s.io": "apiextensions_v1",
    "apps": "apps_v1",
    "authorization.k8s.io": "authorization_v1",
    "autoscaling": "autoscaling_v1",
    "coordination.k8s.io": "coordination_v1",
    "discovery.k8s.io": "discovery_v1",
    "events.k8s.io": "events_v1",
    "networking.k8s.io": "networking_v1",
    "rbac.authorization.k8s.io": "rbac_v1",
}
_ANYTHING: Schema = {"x-kubernetes-preserve-unknown-fields": True}
# Kubernetes' Quantity is written as text or as a number; the models only know the text.
_QUANTITY: Schema = {**_ANYTHING, "anyOf": [{"type": "string"}, {"type": "number"}]}
_QUANTITIES = frozenset({"divisor", "sizeLimit"})
# The models do not say what is in a map.
_STRING_MAPS = frozenset(
    {"annotations", "binaryData", "data", "labels", "matchLabels", "nodeSelector", "selector", "stringData"}
)
_QUANTITY_MAPS = frozenset({"allocatable", "capacity", "limits", "overhead", "requests", "allocatedResources"})


@lru_cache(maxsize=64)
def schema_of(kind: Kind) -> Schema:
    """The schema of a built-in kind."""
    return _object(_model(_MODULES[kind.group], kind.name))


@lru_cache(maxsize=1)
def metadata_schema() -> Schema:
    """The schema of ``metadata``, which all kinds share."""
    return _object(_model("meta_v1", "ObjectMeta"))


def _model(module: str, name: str) -> type[msgspec.Struct]:
    model: type[msgspec.Struct] = getattr(importlib.import_module(f"lightkube.models.{module}"), name)
    return model


_schemas: dict[type, Schema] = {}  # per model, which also lets models that contain themselves end


def _object(model: type[msgspec.Struct]) -> Schema:
    known = _schemas.get(model)
    if known is not None:
        return known
    properties: dict[str, Schema] = {}
    schema: Schema = {"type": "object", "properties": properties}
    _schemas[model] = schema
    for field in msgspec.structs.fields(model):
        properties[field.encode_name] = _field(field.encode_name, field.type)
    return schema


def _field(name: str, hint: Any) -> Schema:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not types.NoneType]
        if set(options) == {int, str}:
            return {"x-kubernetes-int-or-string": True}
        hint = options[0]
    if name in _QUANTITIES:
        return _QUANTITY
    if typing.get_origin(hint) is list:
        (item,) = typing.get_args(hint)
        return {"type": "array", "items": _field("", item)}
    if hint is dict:
        value = _QUANTITY if name in _QUANTITY_MAPS else {"type": "string"} if name in _STRING_MAPS else _ANYTHING
        return {"type": "object", "additionalProperties": value}
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _object(hint)
    scalars: dict[Any, str] = {
        bool: "boolean",
        float: "number",
        int: "integer",
        str: "string",
        datetime.datetime: "string",
    }
    return {"type": scalars[hint]} if hint in scalars else _ANYTHING
