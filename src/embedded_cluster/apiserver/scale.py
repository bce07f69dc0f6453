"""The ``scale`` subresource: autoscaling/v1 Scale of Deployments, ReplicaSets and custom resources that declare it."""

from __future__ import annotations

from typing import Any

from embedded_cluster.apiserver.fielderrors import FieldError
from embedded_cluster.apiserver.kinds import Kind
from embedded_cluster.apiserver.status import bad_request, invalid
from embedded_cluster.apiserver.store import clone

JsonObject = dict[str, Any]

_BUILT_IN = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
}


def scale_of(kind: Kind, obj: JsonObject) -> JsonObject:
    """The Scale that shows *obj*."""
    paths = _paths(kind)
    metadata = {
        key: obj["metadata"][key]
        for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        if key in obj["metadata"]
    }
    status: JsonObject = {"replicas": _get(obj, paths["statusReplicasPath"]) or 0}
    if kind.custom is None:
        status["selector"] = _selector_text((obj.get("spec") or {}).get("selector") or {})
    elif "labelSelectorPath" in paths:
        status["selector"] = _get(obj, paths["labelSelectorPath"]) or ""
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": _get(obj, paths["specReplicasPath"]) or 0},
        "status": status,
    }


def scaled(kind: Kind, obj: JsonObject, scale: JsonObject) -> JsonObject:
    """A copy of *obj* with the replicas that *scale* asks for. Raises ``ApiError`` 400 or 422."""
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise bad_request(f"Scale: spec.replicas has to be a number, not {replicas!r}")
    if replicas < 0:
        error = FieldError.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid(kind, obj["metadata"]["name"], [error])
    new: JsonObject = clone(obj)
    *parents, last = _paths(kind)["specReplicasPath"].strip(".").split(".")
    here = new
    for part in parents:
        here = here.setdefault(part, {})
    here[last] = replicas
    if version := (scale.get("metadata") or {}).get("resourceVersion"):
        new["metadata"]["resourceVersion"] = version
    return new


def _paths(kind: Kind) -> JsonObject:
    return kind.custom.scale or _BUILT_IN if kind.custom is not None else _BUILT_IN


def _get(obj: JsonObject, path: str) -> Any:
    here: Any = obj
    for part in path.strip(".").split("."):
        here = here.get(part) if isinstance(here, dict) else None
    return here


def _selector_text(selector: JsonObject) -> str:
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or []:
        key, values = expression["key"], ",".join(expression.get("values") or [])
        terms.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }[expression["operator"]]
        )
    return ",".join(terms)
