"""What ``kubectl get`` prints: the columns of each kind, and the cells of an object.

Columns and wording: ``k8s.io/kubernetes/pkg/printers/internalversion/printers.go``; for custom resources the
``additionalPrinterColumns`` of their definition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from embedded_cluster.apiserver import jsonpath, podtable
from embedded_cluster.apiserver.durations import age, since
from embedded_cluster.apiserver.kinds import Kind
from embedded_cluster.apiserver.store import encode

JsonObject = dict[str, Any]
Cells = Callable[[JsonObject], list[Any]]

NONE = "<none>"
UNSET = "<unset>"
UNKNOWN = "<unknown>"


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a kind and how to fill them."""

    definitions: list[JsonObject]
    cells: Cells


def layout(kind: Kind) -> Layout:
    """The layout for objects of *kind*."""
    if kind.custom is not None:
        return _custom(kind.custom.columns)
    return _LAYOUTS.get(kind.storage, _PLAIN)


def _custom(columns: tuple[JsonObject, ...]) -> Layout:
    if not columns:
        return _PLAIN
    paths = [(jsonpath.compile_path(column["jsonPath"]), column["type"]) for column in columns]

    def cells(obj: JsonObject) -> list[Any]:
        return [_name(obj), *(_custom_cell(find(obj), kind) for find, kind in paths)]

    definitions = [
        {
            "name": column["name"],
            "type": column["type"],
            "format": column.get("format", ""),
            "description": column.get("description", ""),
            "priority": column.get("priority", 0),
        }
        for column in columns
    ]
    return Layout([_NAME_COLUMN, *definitions], cells)


def _custom_cell(values: list[Any], kind: str) -> Any:
    if not values:
        return None
    if kind == "date":
        return since(str(values[0]))
    if kind == "string":
        return " ".join(value if isinstance(value, str) else encode(value).decode() for value in values)
    return values[0]


def _columns(*names: str) -> list[JsonObject]:
    """Column definitions; names in parentheses are shown with ``-o wide`` only."""
    columns = [_NAME_COLUMN]
    for name in names:
        wide = name.startswith("(")
        columns.append(
            {
                "name": name[1:-1] if wide else name,
                "type": "string",
                "format": "",
                "description": "",
                "priority": int(wide),
            }
        )
    return columns


_NAME_COLUMN: JsonObject = {
    "name": "Name",
    "type": "string",
    "format": "name",
    "description": "Name must be unique within a namespace.",
    "priority": 0,
}


def _name(obj: JsonObject) -> str:
    return str(obj["metadata"]["name"])


def _part(obj: JsonObject, field: str) -> JsonObject:
    part = obj.get(field)
    return part if isinstance(part, dict) else {}


def _pairs(labels: JsonObject | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def _template(spec: JsonObject) -> tuple[str, str]:
    """Names and images of a template's containers."""
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or []
    return (
        ",".join(container.get("name", "") for container in containers),
        ",".join(container.get("image", "") for container in containers),
    )


def _selector(spec: JsonObject) -> str:
    return _pairs((spec.get("selector") or {}).get("matchLabels"))


def _deployment(obj: JsonObject) -> list[Any]:
    spec, status = _part(obj, "spec"), _part(obj, "status")
    return [
        _name(obj),
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        age(obj),
        *_template(spec),
        _selector(spec),
    ]


def _replica_set(obj: JsonObject) -> list[Any]:
    spec, status = _part(obj, "spec"), _part(obj, "status")
    return [
        _name(obj),
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        age(obj),
        *_template(spec),
        _selector(spec),
    ]


def _service(obj: JsonObject) -> list[Any]:
    spec = _part(obj, "spec")
    kind = spec.get("type", "ClusterIP")
    outside = NONE
    if kind == "LoadBalancer":
        points = (_part(obj, "status").get("loadBalancer") or {}).get("ingress") or []
        outside = ",".join(point.get("ip") or point.get("hostname", "") for point in points) or "<pending>"
    elif kind == "ExternalName":
        outside = spec.get("externalName", NONE)
    elif spec.get("externalIPs"):
        outside = ",".join(spec["externalIPs"])
    ports = ",".join(
        f"{port['port']}{':' + str(port['nodePort']) if port.get('nodePort') else ''}/{port.get('protocol', 'TCP')}"
        for port in spec.get("ports") or []
    )
    return [
        _name(obj),
        kind,
        spec.get("clusterIP") or NONE,
        outside,
        ports or NONE,
        age(obj),
        _pairs(spec.get("selector")),
    ]


def _endpoint_slice(obj: JsonObject) -> list[Any]:
    ports = ",".join(str(port.get("port", "*")) for port in obj.get("ports") or [])
    addresses = [a for endpoint in obj.get("endpoints") or [] for a in endpoint.get("addresses") or []]
    return [
        _name(obj),
        obj.get("addressType", ""),
        ports or UNSET,
        _shortened(addresses) or UNSET,
        age(obj),
    ]


def _shortened(items: list[str], most: int = 3) -> str:
    if len(items) <= most:
        return ",".join(items)
    return f"{','.join(items[:most])} + {len(items) - most} more..."


def _endpoints(obj: JsonObject) -> list[Any]:
    pairs = [
        f"{address.get('ip')}:{port.get('port')}"
        for subset in obj.get("subsets") or []
        for port in subset.get("ports") or []
        for address in subset.get("addresses") or []
    ]
    return [_name(obj), _shortened(pairs) or NONE, age(obj)]


def _namespace(obj: JsonObject) -> list[Any]:
    return [_name(obj), _part(obj, "status").get("phase", ""), age(obj)]


def _config_map(obj: JsonObject) -> list[Any]:
    return [_name(obj), len(obj.get("data") or {}) + len(obj.get("binaryData") or {}), age(obj)]


def _secret(obj: JsonObject) -> list[Any]:
    return [_name(obj), obj.get("type", ""), len(obj.get("data") or {}), age(obj)]


def _service_account(obj: JsonObject) -> list[Any]:
    return [_name(obj), len(obj.get("secrets") or []), age(obj)]


def _event(obj: JsonObject) -> list[Any]:
    involved = _part(obj, "involvedObject")
    source = _part(obj, "source").get("component") or obj.get("reportingComponent", "")
    count = obj.get("count") or (obj.get("series") or {}).get("count") or 1
    last = obj.get("lastTimestamp") or (obj.get("series") or {}).get("lastObservedTime") or obj.get("eventTime")
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    seen = since(last) if last else UNKNOWN
    if count > 1 and first:
        seen = f"{seen} (x{count} over {since(first)})"
    return [
        seen,
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{involved.get('kind', '').lower()}/{involved.get('name', '')}",
        involved.get("fieldPath", ""),
        source,
        str(obj.get("message", "")).strip(),
        since(first) if first else UNKNOWN,
        count,
        _name(obj),
    ]


def _node(obj: JsonObject) -> list[Any]:
    status = _part(obj, "status")
    info = status.get("nodeInfo") or {}
    ready = [c for c in status.get("conditions") or [] if c.get("type") == "Ready"]
    state = {"True": "Ready"}.get(ready[0].get("status"), "NotReady") if ready else "Unknown"
    if _part(obj, "spec").get("unschedulable"):
        state += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    roles = sorted(k.removeprefix(prefix) for k in obj["metadata"].get("labels") or {} if k.startswith(prefix))
    addresses = {a.get("type"): a.get("address") for a in status.get("addresses") or []}
    return [
        _name(obj),
        state,
        ",".join(roles) or NONE,
        age(obj),
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP", NONE),
        addresses.get("ExternalIP", NONE),
        info.get("osImage", UNKNOWN),
        info.get("kernelVersion", UNKNOWN),
        info.get("containerRuntimeVersion", UNKNOWN),
    ]


def _ingress(obj: JsonObject) -> list[Any]:
    spec = _part(obj, "spec")
    hosts = [rule["host"] for rule in spec.get("rules") or [] if rule.get("host")]
    points = (_part(obj, "status").get("loadBalancer") or {}).get("ingress") or []
    return [
        _name(obj),
        spec.get("ingressClassName") or NONE,
        _shortened(hosts) or "*",
        ",".join(point.get("ip") or point.get("hostname", "") for point in points),
        "80, 443" if spec.get("tls") else "80",
        age(obj),
    ]


def _ingress_class(obj: JsonObject) -> list[Any]:
    spec = _part(obj, "spec")
    parameters = spec.get("parameters") or {}
    group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") else ""
    shown = f"{parameters['kind']}{group}/{parameters['name']}" if parameters else NONE
    return [_name(obj), spec.get("controller", ""), shown, age(obj)]


def _lease(obj: JsonObject) -> list[Any]:
    return [_name(obj), _part(obj, "spec").get("holderIdentity") or "", age(obj)]


def _created_at(obj: JsonObject) -> list[Any]:
    return [_name(obj), obj["metadata"].get("creationTimestamp", "")]


def _binding(obj: JsonObject) -> list[Any]:
    reference = _part(obj, "roleRef")
    subjects: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in obj.get("subjects") or []:
        namespace = f"{subject['namespace']}/" if subject.get("namespace") else ""
        subjects.setdefault(subject.get("kind", ""), []).append(namespace + subject.get("name", ""))
    lists = [", ".join(subjects[kind]) for kind in ("User", "Group", "ServiceAccount")]
    return [_name(obj), f"{reference.get('kind')}/{reference.get('name')}", age(obj), *lists]


_PLAIN = Layout(_columns("Age"), lambda obj: [_name(obj), age(obj)])
_CREATED_AT = Layout(_columns("Created At"), _created_at)
_BINDING = Layout(_columns("Role", "Age", "(Users)", "(Groups)", "(ServiceAccounts)"), _binding)
_RBAC = "rbac.authorization.k8s.io"

_LAYOUTS: dict[tuple[str, str], Layout] = {
    ("", "pods"): Layout(
        _columns(
            "Ready",
            "Status",
            "Restarts",
            "Age",
            "(IP)",
            "(Node)",
            "(Nominated Node)",
            "(Readiness Gates)",
        ),
        podtable.cells,
    ),
    ("", "services"): Layout(_columns("Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "(Selector)"), _service),
    ("", "namespaces"): Layout(_columns("Status", "Age"), _namespace),
    ("", "nodes"): Layout(
        _columns(
            "Status",
            "Roles",
            "Age",
            "Version",
            "(Internal-IP)",
            "(External-IP)",
            "(OS-Image)",
            "(Kernel-Version)",
            "(Container-Runtime)",
        ),
        _node,
    ),
    ("", "events"): Layout(
        [
            *_columns(
                "Last Seen",
                "Type",
                "Reason",
                "Object",
                "(Subobject)",
                "(Source)",
                "Message",
                "(First Seen)",
                "(Count)",
                "(Name)",
            )[1:]
        ],
        _event,
    ),
    ("", "configmaps"): Layout(_columns("Data", "Age"), _config_map),
    ("", "secrets"): Layout(_columns("Type", "Data", "Age"), _secret),
    ("", "serviceaccounts"): Layout(_columns("Secrets", "Age"), _service_account),
    ("", "endpoints"): Layout(_columns("Endpoints", "Age"), _endpoints),
    ("apps", "deployments"): Layout(
        _columns("Ready", "Up-to-date", "Available", "Age", "(Containers)", "(Images)", "(Selector)"),
        _deployment,
    ),
    ("apps", "replicasets"): Layout(
        _columns("Desired", "Current", "Ready", "Age", "(Containers)", "(Images)", "(Selector)"), _replica_set
    ),
    ("discovery.k8s.io", "endpointslices"): Layout(
        _columns("AddressType", "Ports", "Endpoints", "Age"), _endpoint_slice
    ),
    ("networking.k8s.io", "ingresses"): Layout(_columns("Class", "Hosts", "Address", "Ports", "Age"), _ingress),
    ("networking.k8s.io", "ingressclasses"): Layout(_columns("Controller", "Parameters", "Age"), _ingress_class),
    ("coordination.k8s.io", "leases"): Layout(_columns("Holder", "Age"), _lease),
    ("apiextensions.k8s.io", "customresourcedefinitions"): _CREATED_AT,
    (_RBAC, "roles"): _CREATED_AT,
    (_RBAC, "clusterroles"): _CREATED_AT,
    (_RBAC, "rolebindings"): _BINDING,
    (_RBAC, "clusterrolebindings"): _BINDING,
}
