"""Small questions about Kubernetes objects that more than one part asks: owners, selectors, conditions."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from lightkube.core.resource import api_info

from embedded_cluster.client import Object

TERMINAL_PHASES = ("Succeeded", "Failed")


def now() -> str:
    """This moment as the API writes it: RFC 3339, UTC, whole seconds (``metav1.Time``)."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(timestamp: str) -> datetime:
    """The moment that an API timestamp names."""
    return datetime.fromisoformat(timestamp)


def is_terminating(obj: Object) -> bool:
    """Has *obj* been deleted, though it is still there?"""
    return obj["metadata"].get("deletionTimestamp") is not None


def is_terminal(pod: Object) -> bool:
    """Have the pod's containers ended for good?"""
    return pod.get("status", {}).get("phase") in TERMINAL_PHASES


def is_active(pod: Object) -> bool:
    """Does the pod count for its ReplicaSet: neither ended nor being deleted?"""
    return not is_terminal(pod) and not is_terminating(pod)


def condition(obj: Object, kind: str) -> Object | None:
    """The condition of type *kind* in the object's status, or None."""
    for found in obj.get("status", {}).get("conditions") or []:
        if found["type"] == kind:
            return dict(found)
    return None


def is_ready(pod: Object) -> bool:
    """Is the pod's condition Ready true?"""
    ready = condition(pod, "Ready")
    return ready is not None and ready["status"] == "True"


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str] | None) -> bool:
    """Does a ``LabelSelector`` (matchLabels, matchExpressions) match *labels*? None and {} match nothing here.

    An empty selector of a ReplicaSet or Service would claim every pod; the API refuses the first and gives
    the second no endpoints.
    """
    if not selector or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        return False
    labels = labels or {}
    return all(labels.get(name) == value for name, value in (selector.get("matchLabels") or {}).items()) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions") or []
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    name, operator, values = expression["key"], expression["operator"], expression.get("values") or []
    match operator:
        case "In":
            return labels.get(name) in values
        case "NotIn":
            return labels.get(name) not in values
        case "Exists":
            return name in labels
        case "DoesNotExist":
            return name not in labels
    raise ValueError(f"{operator} is not an operator of label selectors")


def controller_of(obj: Object) -> Object | None:
    """The owner reference of the one controller that manages *obj*, or None."""
    for reference in obj["metadata"].get("ownerReferences") or []:
        if reference.get("controller"):
            return dict(reference)
    return None


def owner_reference(owner: Object) -> Object:
    """A reference that makes *owner* the controller of the object which carries it."""
    definition = api_info(type(owner)).resource  # type: ignore[arg-type]
    return {
        "apiVersion": definition.api_version,  # not read from the object: items of a list do not say
        "kind": definition.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def with_condition(conditions: Iterable[Object], new: Object) -> list[Object]:
    """*conditions* with *new* in the place of the one of its type.

    ``lastTransitionTime`` is kept while the status stays the same, else it is now.
    """
    kept = [dict(old) for old in conditions]
    for place, old in enumerate(kept):
        if old["type"] == new["type"]:
            since = old.get("lastTransitionTime") if old["status"] == new["status"] else None
            kept[place] = {**new, "lastTransitionTime": since or now()}
            return kept
    return [*kept, {**new, "lastTransitionTime": now()}]
