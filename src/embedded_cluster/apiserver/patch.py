"""The three patch formats that only need the object: JSON Patch, JSON Merge Patch, strategic merge patch.

Each function takes the current object and the patch, changes neither, and returns the new object; the result may share
parts with both. A patch that cannot be applied raises ``ApiError``.
"""

from __future__ import annotations

from typing import Any

from embedded_cluster.apiserver.status import ApiError, bad_request
from embedded_cluster.apiserver.store import clone

JsonObject = dict[str, Any]


def json_patch(current: JsonObject, operations: Any) -> JsonObject:
    """RFC 6902. A failed ``test`` is 422, as kube-apiserver answers it."""
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: a JSON Patch is a list of operations")
    document: Any = clone(current)
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise bad_request(f"error decoding patch: not an operation with a path: {operation!r}")
        document = _operate(document, operation)
    if not isinstance(document, dict):
        raise bad_request("error applying patch: the result is not an object")
    return document


def _operate(document: Any, operation: JsonObject) -> Any:
    op, path = operation.get("op"), _pointer(operation["path"])
    match op:
        case "add" | "replace" | "test" if "value" not in operation:
            raise bad_request(f"error decoding patch: {op} without a value")
        case "add":
            return _add(document, path, clone(operation["value"]))
        case "replace":
            _lookup(document, path)
            return _add(_remove(document, path), path, clone(operation["value"])) if path else operation["value"]
        case "remove":
            return _remove(document, path)
        case "test":
            if _lookup(document, path, missing=None) != operation["value"]:
                raise _unprocessable(f"testing value {operation['path']} failed: test failed")
            return document
        case "move" | "copy" if isinstance(operation.get("from"), str):
            source = _pointer(operation["from"])
            value = clone(_lookup(document, source))
            return _add(_remove(document, source) if op == "move" else document, path, value)
        case _:
            raise bad_request(f"error decoding patch: unknown operation {operation!r}")


def _unprocessable(why: str) -> ApiError:
    return ApiError(422, "Invalid", f"the server rejected our request due to an error in our request: {why}")


def _pointer(text: str) -> list[str]:
    """RFC 6901."""
    if text and not text.startswith("/"):
        raise bad_request(f"error decoding patch: {text!r} is not a JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


_REQUIRED = object()


def _lookup(document: Any, path: list[str], missing: Any = _REQUIRED) -> Any:
    here = document
    for part in path:
        try:
            here = here[_index(here, part)] if isinstance(here, list) else here[part]
        except (KeyError, IndexError, TypeError):
            if missing is _REQUIRED:
                raise _unprocessable(f"the path /{'/'.join(path)} does not exist") from None
            return missing
    return here


def _index(items: list[Any], part: str) -> int:
    if not part.isdigit():
        raise _unprocessable(f"{part!r} is not an index into a list")
    return int(part)


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _lookup(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        at = len(parent) if last == "-" else _index(parent, last)
        if at > len(parent):
            raise _unprocessable(f"index {last} is out of bounds")
        parent.insert(at, value)
    elif isinstance(parent, dict):
        parent[last] = value
    else:
        raise _unprocessable(f"/{'/'.join(path[:-1])} is neither an object nor a list")
    return document


def _remove(document: Any, path: list[str]) -> Any:
    _lookup(document, path)
    parent, last = _lookup(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        del parent[_index(parent, last)]
    else:
        del parent[last]
    return document


def merge_patch(current: Any, patch: Any) -> Any:
    """RFC 7396: objects are merged, null deletes, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(current) if isinstance(current, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


# --- Strategic merge patch -------------------------------------------------------------------------------------------
# Format: kubernetes/community, contributors/devel/sig-api-machinery/strategic-merge-patch.md. In Kubernetes the merge
# keys are struct tags (patchMergeKey); here they go by field name. If a name stands for different lists, the key
# is found by looking at which one the items have.

_MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "hostIPs": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "podIPs": ("ip",),
    "ports": ("containerPort", "port"),  # of a container, of a Service
    "resourceClaims": ("name",),
    "secrets": ("name",),
    "topologySpreadConstraints": ("topologyKey",),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
_MERGED_SETS = frozenset({"finalizers", "podCIDRs"})  # lists of plain values that are merged
# "addresses" of a Node is merged by type; that of an EndpointSlice endpoint is a plain list and atomic.
_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def merge_key(field: str, *lists: list[Any]) -> str | None:
    """The field that identifies the items of the list *field*; None if the list is replaced as a whole."""
    items = [item for items in lists for item in items if isinstance(item, dict)]
    keys = _MERGE_KEYS.get(field, ("type",) if field == "addresses" else ())
    for key in keys:
        if any(key in item for item in items):
            return key
    return None


def strategic_merge_patch(current: JsonObject, patch: JsonObject) -> JsonObject:
    """Kubernetes' own patch for built-in kinds: a merge patch that merges lists with a merge key item by item."""
    directive = patch.get("$patch")
    if directive == "replace":
        return {k: clone(v) for k, v in patch.items() if k != "$patch"}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise bad_request(f"unknown $patch directive {directive!r}")
    result = dict(current)
    kept = patch.get("$retainKeys")
    for key, value in patch.items():
        if key in ("$patch", "$retainKeys") or key.startswith(_ORDER):
            continue
        if key.startswith(_DELETE_FROM):
            field = key.removeprefix(_DELETE_FROM)
            result[field] = [item for item in result.get(field) or [] if item not in value]
        elif value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            before = result.get(key)
            result[key] = strategic_merge_patch(before if isinstance(before, dict) else {}, value)
        elif isinstance(value, list):
            before = result.get(key)
            result[key] = _merge_lists(key, before if isinstance(before, list) else [], value)
        else:
            result[key] = value
    for key, order in patch.items():
        if key.startswith(_ORDER):
            field = key.removeprefix(_ORDER)
            if isinstance(result.get(field), list):
                result[field] = _ordered(field, result[field], order)
    if isinstance(kept, list):
        result = {key: value for key, value in result.items() if key in kept}
    return result


def _merge_lists(field: str, current: list[Any], patch: list[Any]) -> list[Any]:
    if field in _MERGED_SETS:
        return current + [item for item in patch if item not in current]
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [clone(i) for i in patch if not (isinstance(i, dict) and i.get("$patch") == "replace")]
    key = merge_key(field, patch, current)
    if key is None:
        return patch
    result = list(current)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise bad_request(f"map: {item!r} does not contain declared merge key: {key}")
        at = next((i for i, have in enumerate(result) if have.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            if at is not None:
                del result[at]
        elif at is None:
            result.append(strategic_merge_patch({}, item))
        else:
            result[at] = strategic_merge_patch(result[at], item)
    return result


def _ordered(field: str, items: list[Any], order: list[Any]) -> list[Any]:
    """The items named in *order* in that order; the others stay behind them, as they were."""
    key = merge_key(field, items)

    def identity(item: Any) -> Any:
        return item.get(key) if isinstance(item, dict) and key else item

    wanted = [identity(item) for item in order]
    rank = {repr(value): position for position, value in enumerate(wanted)}
    return sorted(items, key=lambda item: rank.get(repr(identity(item)), len(wanted)))
