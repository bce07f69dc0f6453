"""What kube-apiserver checks of every object's metadata, and of the built-in kinds as far as clients see it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from embedded_cluster.apiserver.fielderrors import FieldError
from embedded_cluster.apiserver.kinds import Kind

JsonObject = dict[str, Any]

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?")

_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_LABEL_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_QUALIFIED_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


def metadata_errors(kind: Kind, metadata: JsonObject) -> list[FieldError]:
    """What is wrong with an object's name, labels and annotations."""
    errors = list(_name_errors(kind, str(metadata["name"])))
    errors += _label_errors(metadata.get("labels"), "metadata.labels")
    for key in metadata.get("annotations") or {}:
        errors += _key_errors(key.lower(), "metadata.annotations")
    return errors


def _name_errors(kind: Kind, name: str) -> Iterator[FieldError]:
    if kind.group == "rbac.authorization.k8s.io":  # any path segment: system:node and the like
        if name in (".", "..") or "/" in name or "%" in name:
            yield FieldError.invalid("metadata.name", name, "may not contain '/' or '%'")
        return
    pattern, text, limit = _SUBDOMAIN, _SUBDOMAIN_TEXT, 253
    if kind.storage == ("", "namespaces"):
        pattern, text, limit = _LABEL, _LABEL_TEXT, 63
    elif kind.storage == ("", "services"):
        pattern, text, limit = _LABEL_1035, _LABEL_1035_TEXT, 63
    if len(name) > limit:
        yield FieldError.invalid("metadata.name", name, f"must be no more than {limit} bytes")
    if not pattern.fullmatch(name):
        yield FieldError.invalid("metadata.name", name, text)


def _label_errors(labels: JsonObject | None, path: str) -> Iterator[FieldError]:
    for key, value in (labels or {}).items():
        yield from _key_errors(key, path)
        if not isinstance(value, str):
            yield FieldError.type_invalid(path, value, "must be a string")
        elif len(value) > 63:
            yield FieldError.invalid(path, value, "must be no more than 63 bytes")
        elif value and not _QUALIFIED.fullmatch(value):
            yield FieldError.invalid(path, value, _LABEL_VALUE_TEXT)


def _key_errors(key: str, path: str) -> Iterator[FieldError]:
    prefix, slash, name = key.rpartition("/")
    if slash and not _SUBDOMAIN.fullmatch(prefix):
        yield FieldError.invalid(path, key, f"prefix part {_SUBDOMAIN_TEXT}")
    if len(name) > 63:
        yield FieldError.invalid(path, key, "name part must be no more than 63 bytes")
    elif not _QUALIFIED.fullmatch(name):
        yield FieldError.invalid(path, key, _QUALIFIED_TEXT)


def object_errors(kind: Kind, obj: JsonObject, old: JsonObject | None) -> list[FieldError]:
    """What is wrong with a built-in object; *old* is its stored state, None at creation."""
    check = _CHECKS.get(kind.storage)
    return list(check(obj, old)) if check is not None else []


def _pod(pod: JsonObject, old: JsonObject | None) -> Iterator[FieldError]:
    spec = pod.get("spec") or {}
    if old is None:
        yield from _pod_spec(spec, "spec")
        return
    if _frozen_part(spec) != _frozen_part(old.get("spec") or {}):
        yield FieldError.forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
            "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously "
            "negative)",
        )


def _frozen_part(spec: JsonObject) -> JsonObject:
    """The fields of a pod's spec that never change."""
    frozen = {k: v for k, v in spec.items() if k not in ("activeDeadlineSeconds", "tolerations", "ephemeralContainers")}
    for field in ("containers", "initContainers"):
        if field in frozen:
            frozen[field] = [{k: v for k, v in c.items() if k != "image"} for c in frozen[field]]
    return frozen


def _pod_spec(spec: JsonObject, path: str) -> Iterator[FieldError]:
    containers = spec.get("containers") or []
    if not containers:
        yield FieldError.required(f"{path}.containers")
    volumes = {volume.get("name") for volume in spec.get("volumes") or []}
    for field in ("containers", "initContainers"):
        seen: set[str] = set()
        for index, container in enumerate(spec.get(field) or []):
            at = f"{path}.{field}[{index}]"
            name = container.get("name") or ""
            if not name:
                yield FieldError.required(f"{at}.name")
            elif not _LABEL.fullmatch(name):
                yield FieldError.invalid(f"{at}.name", name, _LABEL_TEXT)
            elif name in seen:
                yield FieldError.duplicate(f"{at}.name", name)
            seen.add(name)
            yield from _container(container, at, volumes)
    if spec.get("restartPolicy") not in ("Always", "OnFailure", "Never"):
        supported = ("Always", "OnFailure", "Never")
        yield FieldError.unsupported(f"{path}.restartPolicy", spec.get("restartPolicy"), supported)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        grace = spec["terminationGracePeriodSeconds"]
        yield FieldError.invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than or equal to 0")


def _container(container: JsonObject, at: str, volumes: set[Any]) -> Iterator[FieldError]:
    if not container.get("image"):
        yield FieldError.required(f"{at}.image")
    for index, port in enumerate(container.get("ports") or []):
        yield from _port_number(port.get("containerPort"), f"{at}.ports[{index}].containerPort")
        name = port.get("name")
        if name and (len(name) > 15 or not _PORT_NAME.fullmatch(name)):
            why = "must contain only alphanumeric characters (a-z, 0-9), and hyphens, at most 15 of them"
            yield FieldError.invalid(f"{at}.ports[{index}].name", name, why)
    for index, mount in enumerate(container.get("volumeMounts") or []):
        where = f"{at}.volumeMounts[{index}].name"
        if mount.get("name") not in volumes:
            yield FieldError(where, "FieldValueNotFound", f'Not found: "{mount.get("name", "")}"')
    for index, variable in enumerate(container.get("env") or []):
        if not variable.get("name"):
            yield FieldError.required(f"{at}.env[{index}].name")


def _port_number(value: Any, path: str) -> Iterator[FieldError]:
    if value is None:
        yield FieldError.required(path)
    elif not 1 <= value <= 65535:
        yield FieldError.invalid(path, value, "must be between 1 and 65535, inclusive")


def _template_owner(obj: JsonObject, old: JsonObject | None) -> Iterator[FieldError]:
    """Deployment and ReplicaSet: a selector that matches the template and never changes."""
    spec = obj.get("spec") or {}
    replicas = spec.get("replicas", 1)
    if replicas < 0:
        yield FieldError.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
    selector = spec.get("selector")
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    if selector is None:
        yield FieldError.required("spec.selector")
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield FieldError.invalid("spec.selector", selector, "empty selector is invalid for deployment")
    elif not _selects(selector, labels):
        yield FieldError.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    if old is not None and selector != (old.get("spec") or {}).get("selector"):
        yield FieldError.invalid("spec.selector", selector, "field is immutable")
    yield from _label_errors(labels, "spec.template.metadata.labels")
    yield from _pod_spec(template.get("spec") or {}, "spec.template.spec")
    policy = (template.get("spec") or {}).get("restartPolicy", "Always")
    if policy in ("OnFailure", "Never"):
        yield FieldError.unsupported("spec.template.spec.restartPolicy", policy, ("Always",))


def _selects(selector: JsonObject, labels: JsonObject) -> bool:
    """A LabelSelector of the API (not the query string) against labels."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    tests: dict[str, Callable[[str, list[str]], bool]] = {
        "In": lambda key, values: labels.get(key) in values,
        "NotIn": lambda key, values: labels.get(key) not in values,
        "Exists": lambda key, _: key in labels,
        "DoesNotExist": lambda key, _: key not in labels,
    }
    return all(
        test is not None and test(expression.get("key", ""), expression.get("values") or [])
        for expression in selector.get("matchExpressions") or []
        for test in [tests.get(expression.get("operator", ""))]
    )


def _service(service: JsonObject, old: JsonObject | None) -> Iterator[FieldError]:
    spec = service.get("spec") or {}
    kinds = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
    if spec.get("type") not in kinds:
        yield FieldError.unsupported("spec.type", spec.get("type"), kinds)
    ports = spec.get("ports") or []
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        yield FieldError.required("spec.ports")
    names: set[str] = set()
    for index, port in enumerate(ports):
        at = f"spec.ports[{index}]"
        yield from _port_number(port.get("port"), f"{at}.port")
        name = port.get("name", "")
        if not name and len(ports) > 1:
            yield FieldError.required(f"{at}.name")
        elif name in names:
            yield FieldError.duplicate(f"{at}.name", name)
        elif name and not _LABEL.fullmatch(name):
            yield FieldError.invalid(f"{at}.name", name, _LABEL_TEXT)
        names.add(name)
    yield from _label_errors(spec.get("selector"), "spec.selector")
    before = ((old or {}).get("spec") or {}).get("clusterIP")
    if before and spec.get("clusterIP") != before and spec.get("type") != "ExternalName":
        yield FieldError.invalid("spec.clusterIPs[0]", [spec.get("clusterIP")], "may not change once set")


def _config(config: JsonObject, old: JsonObject | None) -> Iterator[FieldError]:
    """ConfigMap and Secret: ``immutable`` ones do not change, and a Secret keeps its type."""
    if old is None:
        return
    if old.get("immutable"):
        for field in ("data", "binaryData"):
            if config.get(field) != old.get(field):
                yield FieldError.forbidden(field, "field is immutable when `immutable` is set")
    if config.get("type") != old.get("type"):
        yield FieldError.invalid("type", config.get("type"), "field is immutable")


def _endpoint_slice(endpoint_slice: JsonObject, old: JsonObject | None) -> Iterator[FieldError]:
    family = endpoint_slice.get("addressType")
    supported = ("FQDN", "IPv4", "IPv6")
    if not family:
        yield FieldError.required("addressType")
    elif family not in supported:
        yield FieldError.unsupported("addressType", family, supported)
    if old is not None and family != old.get("addressType"):
        yield FieldError.invalid("addressType", family, "field is immutable")
    for index, endpoint in enumerate(endpoint_slice.get("endpoints") or []):
        if not endpoint.get("addresses"):
            yield FieldError.required(f"endpoints[{index}].addresses", "must contain at least 1 address")


def _event(event: JsonObject, _old: JsonObject | None) -> Iterator[FieldError]:
    involved = (event.get("involvedObject") or {}).get("namespace", "")
    namespace = event["metadata"].get("namespace", "")
    if involved and involved != namespace:
        yield FieldError.invalid("involvedObject.namespace", involved, "does not match event.namespace")


_CHECKS: dict[tuple[str, str], Callable[[JsonObject, JsonObject | None], Iterator[FieldError]]] = {
    ("", "pods"): _pod,
    ("", "services"): _service,
    ("", "configmaps"): _config,
    ("", "secrets"): _config,
    ("", "events"): _event,
    ("apps", "deployments"): _template_owner,
    ("apps", "replicasets"): _template_owner,
    ("discovery.k8s.io", "endpointslices"): _endpoint_slice,
}
