"""Structural OpenAPI v3 schemas: pruning, defaulting and validation, in kube-apiserver's order and with its messages.

Schemas come from CustomResourceDefinitions (``openAPIV3Schema``) and, for built-in kinds, from :mod:`.typed`. Rules:
Kubernetes documentation, "Extend the Kubernetes API with CustomResourceDefinitions"; texts: k8s.io/kube-openapi,
``pkg/validation``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

from embedded_cluster.apiserver.fielderrors import FieldError
from embedded_cluster.apiserver.store import clone

JsonObject = dict[str, Any]
Schema = dict[str, Any]

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_ENVELOPE = frozenset({"apiVersion", "kind", "metadata"})
_INTEGERS = {"int32": 2**31, "int64": 2**63}


def prune(schema: Schema, value: Any, path: str = "", *, root: bool = True) -> list[str]:
    """Drop from *value*, in place, every field the schema does not know; returns their paths (``spec.a[0].b``).

    At the *root* of an object, ``apiVersion``, ``kind`` and ``metadata`` are always known, and left alone.
    """
    dropped: list[str] = []
    if isinstance(value, list):
        items = schema.get("items")
        if isinstance(items, dict):
            for index, item in enumerate(value):
                dropped += prune(items, item, f"{path}[{index}]", root=False)
        return dropped
    if not isinstance(value, dict):
        return dropped
    properties: dict[str, Schema] = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    envelope = _ENVELOPE if root or schema.get(_EMBEDDED) else frozenset()
    for key in list(value):
        below = f"{path}.{key}" if path else key
        if key in envelope:
            continue
        if key in properties:
            dropped += prune(properties[key], value[key], below, root=False)
        elif isinstance(extra, dict):
            dropped += prune(extra, value[key], below, root=False)
        elif not schema.get(_PRESERVE) and extra is not True:
            dropped.append(below)
            del value[key]
    return dropped


def default(schema: Schema, value: Any) -> None:
    """Fill in defaults, in place. Nulls if the schema has no ``nullable`` count as missing."""
    if isinstance(value, list):
        items = schema.get("items")
        if isinstance(items, dict):
            for item in value:
                default(items, item)
    elif isinstance(value, dict):
        properties: dict[str, Schema] = schema.get("properties") or {}
        for key, below in properties.items():
            if key in value and value[key] is None and not below.get("nullable"):
                del value[key]
            if key not in value and "default" in below:
                value[key] = clone(below["default"])
        extra = schema.get("additionalProperties")
        for key, item in value.items():
            if key in properties:
                default(properties[key], item)
            elif isinstance(extra, dict):
                default(extra, item)


def validate(schema: Schema, value: Any, path: str = "") -> list[FieldError]:
    """Everything about *value* that the schema forbids."""
    return list(_errors(schema, value, path))


def walk(schema: Schema, value: Any, old: Any, path: str = "") -> Iterator[tuple[Schema, Any, Any, str]]:
    """Each schema node with the value it describes, that value's previous state (or None) and its path.

    Values inside lists have a previous state only if items can be told apart (``x-kubernetes-list-type: map``).
    """
    yield schema, value, old, path
    if isinstance(value, dict):
        properties: dict[str, Schema] = schema.get("properties") or {}
        extra = schema.get("additionalProperties")
        for key, item in value.items():
            below = properties.get(key, extra)
            if isinstance(below, dict):
                before = old.get(key) if isinstance(old, dict) else None
                yield from walk(below, item, before, _below(path, key, named=key in properties))
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            yield from walk(schema["items"], item, _counterpart(schema, item, old), f"{path}[{index}]")


def _counterpart(schema: Schema, item: Any, old: Any) -> Any:
    if schema.get("x-kubernetes-list-type") != "map" or not isinstance(old, list) or not isinstance(item, dict):
        return None
    keys = schema.get("x-kubernetes-list-map-keys") or []
    wanted = [item.get(key) for key in keys]
    return next((o for o in old if isinstance(o, dict) and [o.get(key) for key in keys] == wanted), None)


def _below(path: str, key: str, *, named: bool) -> str:
    if not named:
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def _errors(schema: Schema, value: Any, path: str) -> Iterator[FieldError]:
    if value is None:
        if not schema.get("nullable") and (schema.get("type") or schema.get(_INT_OR_STRING)):
            yield _wrong_type(schema, value, path)
        return
    if not _has_type(schema, value):
        yield _wrong_type(schema, value, path)
        return
    enum = schema.get("enum")
    if enum is not None and value not in enum:
        yield FieldError.unsupported(path, value, enum)
    if isinstance(value, str):
        yield from _string_errors(schema, value, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number_errors(schema, value, path)
    elif isinstance(value, list):
        yield from _list_errors(schema, value, path)
    elif isinstance(value, dict):
        yield from _object_errors(schema, value, path)
    yield from _combined_errors(schema, value, path)


def _has_type(schema: Schema, value: Any) -> bool:
    if schema.get(_INT_OR_STRING):
        return isinstance(value, str) or _is_integer(value)
    match schema.get("type"):
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return _is_integer(value)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return True


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def type_name(value: Any) -> str:
    """The JSON type of a value as messages call it."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _wrong_type(schema: Schema, value: Any, path: str) -> FieldError:
    wanted = "integer,string" if schema.get(_INT_OR_STRING) else schema.get("type")
    actual = type_name(value)
    return FieldError.type_invalid(path, actual, f'{path} in body must be of type {wanted}: "{actual}"')


def _string_errors(schema: Schema, value: str, path: str) -> Iterator[FieldError]:
    if len(value) < schema.get("minLength", 0):
        yield FieldError.invalid(path, value, f"{path} in body should be at least {schema['minLength']} chars long")
    if (limit := schema.get("maxLength")) is not None and len(value) > limit:
        yield FieldError.too_long(path, limit)
    if (pattern := schema.get("pattern")) is not None and not _pattern(pattern).search(value):
        yield FieldError.invalid(path, value, f"{path} in body should match '{pattern}'")
    if schema.get("format") == "date-time" and not _is_time(value):
        yield FieldError.invalid(path, value, f'{path} in body must be of type date-time: "{value}"')


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    """A pattern in RE2 syntax; what CRDs use of it is common to both languages, except that RE2's $ is Python's \\Z."""
    return re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", text))


def _number_errors(schema: Schema, value: float, path: str) -> Iterator[FieldError]:
    bounds: list[tuple[str, str, str, Callable[[float, float], bool]]] = [
        ("minimum", "exclusiveMinimum", "greater than", lambda v, bound: v > bound),
        ("maximum", "exclusiveMaximum", "less than", lambda v, bound: v < bound),
    ]
    for name, exclusive, text, inside in bounds:
        bound = schema.get(name)
        if bound is None or inside(value, bound) or (value == bound and not schema.get(exclusive)):
            continue
        or_equal = "" if schema.get(exclusive) else " or equal to"
        yield FieldError.invalid(path, value, f"{path} in body should be {text}{or_equal} {bound}")
    limit = _INTEGERS.get(schema.get("format", ""))
    if limit is not None and schema.get("type") == "integer" and not -limit <= value < limit:
        yield FieldError.invalid(
            path, value, f'{path} in body must be of type {schema["format"]}: "{type_name(value)}"'
        )
    step = schema.get("multipleOf")
    if step and value % step:
        yield FieldError.invalid(path, value, f"{path} in body should be a multiple of {step}")


def _list_errors(schema: Schema, value: list[Any], path: str) -> Iterator[FieldError]:
    if (least := schema.get("minItems")) is not None and len(value) < least:
        yield FieldError.invalid(path, len(value), f"{path} in body should have at least {least} items")
    if (limit := schema.get("maxItems")) is not None and len(value) > limit:
        yield FieldError.too_many(path, len(value), limit)
    items = schema.get("items")
    if isinstance(items, dict):
        for index, item in enumerate(value):
            yield from _errors(items, item, f"{path}[{index}]")
    kind = schema.get("x-kubernetes-list-type")
    keys = schema.get("x-kubernetes-list-map-keys") or []
    if kind in ("set", "map"):
        seen: list[Any] = []
        for index, item in enumerate(value):
            mark = item
            if kind == "map" and isinstance(item, dict):
                mark = {key: item[key] for key in keys if key in item}
            if mark in seen:
                yield FieldError.duplicate(f"{path}[{index}]", mark)
            seen.append(mark)


def _object_errors(schema: Schema, value: JsonObject, path: str) -> Iterator[FieldError]:
    for key in schema.get("required") or []:
        if key not in value:
            yield FieldError.required(_below(path, key, named=True))
    if (least := schema.get("minProperties")) is not None and len(value) < least:
        yield FieldError.invalid(path, len(value), f"{path} in body should have at least {least} properties")
    if (limit := schema.get("maxProperties")) is not None and len(value) > limit:
        yield FieldError.too_many(path, len(value), limit)
    properties: dict[str, Schema] = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    for key, item in value.items():
        if key in properties:
            yield from _errors(properties[key], item, _below(path, key, named=True))
        elif isinstance(extra, dict):
            yield from _errors(extra, item, _below(path, key, named=False))


def _combined_errors(schema: Schema, value: Any, path: str) -> Iterator[FieldError]:
    for part in schema.get("allOf") or []:
        yield from _errors(part, value, path)
    if schema.get(_INT_OR_STRING):
        return  # its customary anyOf only repeats the two types
    if (choices := schema.get("anyOf")) and all(validate(choice, value, path) for choice in choices):
        yield FieldError.invalid(path, "", f'"{path}" must validate at least one schema (anyOf)')
    if (choices := schema.get("oneOf")) and sum(not validate(c, value, path) for c in choices) != 1:
        yield FieldError.invalid(path, "", f'"{path}" must validate one and only one schema (oneOf)')
    if (refused := schema.get("not")) and not validate(refused, value, path):
        yield FieldError.invalid(path, "", f'"{path}" must not validate the schema (not)')
