"""Label and field selectors of list and watch requests."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from embedded_cluster.apiserver.events import CORE_NAMES
from embedded_cluster.apiserver.kinds import Kind
from embedded_cluster.apiserver.status import bad_request

JsonObject = dict[str, Any]
Predicate = Callable[[JsonObject], bool]

# Fields that may be selected on, in addition to metadata.name and metadata.namespace, which every kind has
# (the SelectableFields of the strategies in kube-apiserver).
_FIELDS: dict[str, frozenset[str]] = {
    "pods": frozenset(
        {
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        }
    ),
    "events": frozenset(
        {
            *(
                f"involvedObject.{field}"
                for field in (
                    "kind",
                    "namespace",
                    "name",
                    "uid",
                    "apiVersion",
                    "resourceVersion",
                    "fieldPath",
                )
            ),
            *(f"regarding.{field}" for field in ("kind", "namespace", "name", "uid", "apiVersion")),
            "reason",
            "reportingComponent",
            "reportingController",
            "source",
            "type",
        }
    ),
    "namespaces": frozenset({"status.phase"}),
    "nodes": frozenset({"spec.unschedulable"}),
    "secrets": frozenset({"type"}),
    "services": frozenset({"spec.clusterIP", "spec.type"}),
    "replicasets": frozenset({"status.replicas"}),
}
_ALWAYS = frozenset({"metadata.name", "metadata.namespace"})

_REQUIREMENT = re.compile(
    r"""\s*(?:
        (?P<absent>!)\s*(?P<absent_key>[\w./-]+)
      | (?P<key>[\w./-]+)\s*(?:
            (?P<op>==|=|!=|>|<)\s*(?P<value>[\w.-]*)
          | \s(?P<set_op>in|notin)\s*\((?P<values>[^()]*)\)
        )?
    )\s*(?:,|$)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects a list or watch is about."""

    namespace: str | None = None
    labels: Predicate | None = None
    fields: Predicate | None = None

    def __call__(self, obj: JsonObject) -> bool:
        """Whether *obj* is one of them."""
        if self.namespace is not None and obj["metadata"].get("namespace", "") != self.namespace:
            return False
        if self.labels is not None and not self.labels(obj["metadata"].get("labels") or {}):
            return False
        return self.fields is None or self.fields(obj)


def select(kind: Kind, namespace: str | None, labels: str, fields: str) -> Selection:
    """The selection a request asks for; *namespace* None means all. Raises ``ApiError`` 400 for bad syntax."""
    return Selection(
        namespace,
        label_selector(labels) if labels else None,
        _field_selector(kind, fields) if fields else None,
    )


def label_selector(text: str) -> Predicate:
    """Parse ``a=b,c!=d,e in (f,g),h,!i``; the result takes a label map. Raises ``ApiError`` 400."""
    tests: list[Predicate] = []
    position = 0
    while position < len(text):
        match = _REQUIREMENT.match(text, position)
        if match is None:
            raise bad_request(f"unable to parse requirement: found {text[position:]!r} in label selector {text!r}")
        tests.append(_requirement(match))
        position = match.end()
    return lambda labels: all(test(labels) for test in tests)


def _requirement(match: re.Match[str]) -> Predicate:
    key = match["absent_key"] or match["key"]
    if match["absent"]:
        return lambda labels: key not in labels
    if match["set_op"]:
        values = {value.strip() for value in match["values"].split(",")}
        if match["set_op"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    value = match["value"]
    match match["op"]:
        case "=" | "==":
            return lambda labels: labels.get(key) == value
        case "!=":
            return lambda labels: labels.get(key) != value
        case ">" | "<" as comparison:
            return _compared(key, comparison, value)
        case _:
            return lambda labels: key in labels


def _compared(key: str, comparison: str, value: str) -> Predicate:
    if not value.isdigit():
        raise bad_request(f"for {comparison!r} the value has to be an integer, not {value!r}")
    bound = int(value)

    def test(labels: JsonObject) -> bool:
        actual = labels.get(key, "")
        if not actual.isdigit():
            return False
        return int(actual) > bound if comparison == ">" else int(actual) < bound

    return test


def _field_selector(kind: Kind, text: str) -> Predicate:
    allowed = _ALWAYS | _FIELDS.get(kind.plural, frozenset())
    if kind.custom is not None:
        allowed |= kind.custom.selectable_fields
    tests: list[tuple[list[str], bool, str]] = []
    for term in filter(None, text.split(",")):
        match = re.fullmatch(r"([\w.]+)(!=|==|=)(.*)", term)
        if match is None:
            raise bad_request(f"invalid selector: {term!r}; can't understand {term!r}")
        path, op, value = match.groups()
        if path not in allowed:
            raise bad_request(f"field label not supported: {path}")
        first, *rest = path.split(".")
        tests.append(([CORE_NAMES.get(first, first), *rest], op != "!=", value))

    def predicate(obj: JsonObject) -> bool:
        return all((_field(obj, path) == value) is wanted for path, wanted, value in tests)

    return predicate


def _field(obj: JsonObject, path: list[str]) -> str:
    value: Any = obj
    if path == ["source"]:  # of an Event
        value = (obj.get("source") or {}).get("component")
    else:
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
