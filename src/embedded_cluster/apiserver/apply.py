"""Server-side apply, simplified.

Kept of the real thing (Kubernetes documentation, "Server-Side Apply"): the applied configuration is merged into the
object, lists with keys item by item; what a manager applied before and leaves out now is removed, unless another
manager applied it too; ``managedFields`` records each applying manager and its fields in the ``FieldsV1`` format.

Not kept: conflicts are never reported, the newest value wins; only applies are tracked, not updates and other patches;
which lists have keys is said by the schema of a custom resource, and by a table here for the built-in kinds.
"""

from __future__ import annotations

import json
from typing import Any

from embedded_cluster.apiserver.fielderrors import FieldError
from embedded_cluster.apiserver.kinds import Kind
from embedded_cluster.apiserver.status import bad_request, invalid
from embedded_cluster.apiserver.store import clone

JsonObject = dict[str, Any]
Fields = dict[str, Any]  # FieldsV1: "f:NAME", 'k:{"KEY":VALUE}' or "v:VALUE" to what is owned below; {} owns it all

# Keys of the items of built-in lists (listMapKeys in the API's OpenAPI document); of those that stand for two lists,
# the first whose fields the items have.
_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "conditions": (("type",),),
    "containers": (("name",),),
    "env": (("name",),),
    "ephemeralContainers": (("name",),),
    "hostAliases": (("ip",),),
    "imagePullSecrets": (("name",),),
    "initContainers": (("name",),),
    "ownerReferences": (("uid",),),
    "podIPs": (("ip",),),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
    "resourceClaims": (("name",),),
    "secrets": (("name",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "volumeDevices": (("devicePath",),),
    "volumeMounts": (("mountPath",),),
    "volumes": (("name",),),
}
_KEY_DEFAULTS = {"protocol": "TCP"}
_SETS = frozenset({"finalizers"})
# Never owned: they say which object it is, not what it should be like.
_IDENTITY = ("f:name", "f:namespace", "f:uid", "f:resourceVersion", "f:creationTimestamp")


def apply(kind: Kind, current: JsonObject | None, applied: JsonObject, manager: str, now: str, part: str) -> JsonObject:
    """The object after *manager* applied *applied* to *current* (None: it does not exist yet).

    *now* is the time to note in ``managedFields``, *part* the subresource, or "". Raises ``ApiError`` 400 and 422.
    """
    if not manager:
        missing = FieldError.required("fieldManager", "is required for apply patch")
        raise invalid(_PATCH_OPTIONS, "", [missing])
    if (applied.get("metadata") or {}).get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    schema = kind.custom.schema if kind.custom is not None else None
    wanted = clone(applied)
    fields = _fields_of(wanted, schema, "")
    _strip_identity(fields)
    result: JsonObject = clone(current) if current is not None else {"metadata": {}}
    entries: list[JsonObject] = result["metadata"].get("managedFields") or []
    mine = next((e for e in entries if _is(e, manager, part)), None)
    others = [entry for entry in entries if entry is not mine]
    if mine is not None:
        _release(result, mine.get("fieldsV1") or {}, fields, [e.get("fieldsV1") or {} for e in others], schema, "")
    result = _merge(result, wanted, schema, "")
    entry = {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": kind.api_version,
        "time": now,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    if part:
        entry["subresource"] = part
    if mine is not None and mine.get("fieldsV1") == fields:
        entry["time"] = mine.get("time", now)  # applying the same again changes nothing
    result["metadata"]["managedFields"] = [*others, entry]
    return result


_PATCH_OPTIONS = Kind("meta.k8s.io", "v1", "PatchOptions", "patchoptions", False)


def _is(entry: JsonObject, manager: str, part: str) -> bool:
    return (entry.get("manager"), entry.get("operation"), entry.get("subresource", "")) == (manager, "Apply", part)


def _strip_identity(fields: Fields) -> None:
    for name in ("f:apiVersion", "f:kind"):
        fields.pop(name, None)
    metadata = fields.pop("f:metadata", {})
    for name in _IDENTITY:
        metadata.pop(name, None)
    if metadata:
        fields["f:metadata"] = metadata


def _below(schema: Any, name: str) -> Any:
    if not isinstance(schema, dict):
        return None
    return (schema.get("properties") or {}).get(name, schema.get("additionalProperties"))


def _item_keys(schema: Any, name: str, items: list[Any]) -> tuple[str, ...] | None:
    """The fields that identify the items of list *name*; () for a set of plain values, None if it is one value."""
    if isinstance(schema, dict):
        kind = schema.get("x-kubernetes-list-type")
        if kind == "map":
            return tuple(schema.get("x-kubernetes-list-map-keys") or ())
        return () if kind == "set" else None
    if name in _SETS:
        return ()
    for keys in _KEYS.get(name, ()):
        if items and all(isinstance(item, dict) and keys[0] in item for item in items):
            return keys
    return None


def _mark(item: Any, keys: tuple[str, ...]) -> str:
    """The name of a list item in FieldsV1."""
    if not keys:
        return "v:" + json.dumps(item, separators=(",", ":"))
    named = {key: item.get(key, _KEY_DEFAULTS.get(key)) for key in keys}
    return "k:" + json.dumps({k: v for k, v in named.items() if v is not None}, sort_keys=True, separators=(",", ":"))


def _fields_of(value: Any, schema: Any, name: str) -> Fields:
    """What a configuration owns."""
    if isinstance(value, dict):
        return {f"f:{key}": _fields_of(item, _below(schema, key), key) for key, item in value.items()}
    if isinstance(value, list):
        keys = _item_keys(schema, name, value)
        if keys is not None:
            items = schema.get("items") if isinstance(schema, dict) else None
            return {_mark(item, keys): {**(_fields_of(item, items, "") if keys else {}), ".": {}} for item in value}
    return {}


def _merge(current: Any, wanted: Any, schema: Any, name: str) -> Any:
    if isinstance(wanted, dict) and isinstance(current, dict):
        merged = dict(current)
        for key, value in wanted.items():
            merged[key] = _merge(current.get(key), value, _below(schema, key), key)
        return merged
    if isinstance(wanted, list) and isinstance(current, list):
        keys = _item_keys(schema, name, wanted)
        if keys is None:
            return wanted
        items = schema.get("items") if isinstance(schema, dict) else None
        marks = [_mark(item, keys) for item in wanted]
        merged_items = {_mark(item, keys): item for item in current}
        for mark, item in zip(marks, wanted, strict=True):
            merged_items[mark] = _merge(merged_items.get(mark), item, items, "")
        # Applied items come in the order applied; the rest keep theirs, behind them.
        return [merged_items[m] for m in marks] + [v for m, v in merged_items.items() if m not in marks]
    return wanted


def _release(value: Any, before: Fields, fields: Fields, others: list[Fields], schema: Any, name: str) -> None:
    """Remove from *value*, in place, what *before* owned and neither *fields* nor the *others* own."""
    for mark, owned in before.items():
        if mark == ".":
            continue
        still, theirs = fields.get(mark), [other[mark] for other in others if mark in other]
        if isinstance(value, dict) and mark.startswith("f:"):
            key = mark[2:]
            if key not in value:
                continue
            _settle(value, key, owned, still, theirs, _below(schema, key))
            if still is None and not theirs and value.get(key) in ({}, []):
                del value[key]
        elif isinstance(value, list):
            keys = _item_keys(schema, name, value)
            at = next((i for i, item in enumerate(value) if keys is not None and _mark(item, keys) == mark), None)
            if at is None:
                continue
            if still is None and not theirs:
                del value[at]
            else:
                items = schema.get("items") if isinstance(schema, dict) else None
                _release(value[at], owned, still or {}, theirs, items, "")


def _settle(
    parent: JsonObject, key: str, owned: Fields, still: Fields | None, theirs: list[Fields], schema: Any
) -> None:
    below = {mark for mark in owned if mark != "."}
    if not below:
        if still is None and not theirs:
            del parent[key]
    else:
        _release(parent[key], owned, still or {}, theirs, schema, key)
