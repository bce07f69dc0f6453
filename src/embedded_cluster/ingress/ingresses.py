"""Ingresses to Kong services and routes, as KIC writes them: one Kong service per Service and port."""

import re
from collections.abc import Iterator

from embedded_cluster.ingress.backends import Backend, find_port
from embedded_cluster.ingress.kongstate import Failure, KongService, route_overrides
from embedded_cluster.ingress.snapshot import Object, Snapshot, annotation, full_name, tags

_CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_DEFAULT_CLASS_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"


def is_ours(snapshot: Snapshot, ingress: Object, ingress_class: str) -> bool:
    """Is *ingress* of class *ingress_class*, or of none while that class is the default?"""
    annotations = ingress["metadata"].get("annotations") or {}
    named = ingress["spec"].get("ingressClassName") or annotations.get(_CLASS_ANNOTATION)
    return named == ingress_class if named else _is_default(snapshot, ingress_class)


def kong_services(snapshot: Snapshot, ingress_class: str, failures: list[Failure]) -> list[KongService]:
    """The Kong services of all Ingresses of *ingress_class*; what is wrong with any goes to *failures*."""
    services: dict[str, KongService] = {}
    ours = [ingress for ingress in snapshot.ingresses if is_ours(snapshot, ingress, ingress_class)]
    ours.sort(key=lambda ingress: (ingress["metadata"].get("creationTimestamp") or "", full_name(ingress)))
    for ingress in ours:
        for host, path in _host_paths(ingress):
            service = _service(snapshot, services, ingress, path["backend"], failures)
            if service:
                _add_path(service, ingress, host, path)
    # Only one default backend can answer what nothing else does: the oldest Ingress that has one.
    for ingress in [ingress for ingress in ours if ingress["spec"].get("defaultBackend")][:1]:
        service = _service(snapshot, services, ingress, ingress["spec"]["defaultBackend"], failures)
        if service:
            name = f"{ingress['metadata']['namespace']}.{ingress['metadata']['name']}"
            service.routes.append(_route(ingress, name, "") | {"paths": ["/"]})
    for service in services.values():
        service.routes.sort(key=lambda entity: str(entity["name"]))
    return list(services.values())


def _is_default(snapshot: Snapshot, ingress_class: str) -> bool:
    return any(
        (found["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS_ANNOTATION) == "true"
        for found in snapshot.ingress_classes
        if found["metadata"]["name"] == ingress_class
    )


def _host_paths(ingress: Object) -> Iterator[tuple[str, Object]]:
    for rule in ingress["spec"].get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            yield rule.get("host") or "", path


def _service(
    snapshot: Snapshot, services: dict[str, KongService], ingress: Object, backend: Object, failures: list[Failure]
) -> KongService | None:
    """The Kong service for an Ingress backend, made on first use; None when the backend is no Service."""
    reference = backend.get("service")
    if reference is None:
        kind = (backend.get("resource") or {}).get("kind", "nothing")
        failures.append(Failure(f"failed to get backend for ingress path: unknown resource type {kind}", (ingress,)))
        return None
    namespace, name = ingress["metadata"]["namespace"], reference["name"]
    port = reference["port"].get("number") or reference["port"].get("name")
    key = f"{namespace}.{name}.{port}"
    if key not in services:
        services[key] = KongService(name=key, host=f"{name}.{namespace}.{port}.svc", parents=[], path="/")
        services[key].backends = list(_backends(snapshot, ingress, name, port, failures))
    services[key].parents.append(ingress)
    return services[key]


def _backends(
    snapshot: Snapshot, ingress: Object, name: str, port: int | str, failures: list[Failure]
) -> Iterator[Backend]:
    namespace = ingress["metadata"]["namespace"]
    service = snapshot.service(namespace, name)
    if service is None:
        missing = f"failed to fetch Service {namespace}/{name}: Service {namespace}/{name} not found"
        failures.append(Failure(f"failed to resolve Kubernetes Service for backend: {missing}", (ingress,)))
        return
    service_port = find_port(service, port)
    if service_port is None:
        message = "can't find port for backend kubernetes service: no suitable port found"
        failures.append(Failure(message, (service, ingress)))
        return
    yield Backend(service, service_port)


def _add_path(service: KongService, ingress: Object, host: str, path: Object) -> None:
    backend = path["backend"]["service"]
    port = backend["port"].get("number") or backend["port"].get("name")
    owner = f"{ingress['metadata']['namespace']}.{ingress['metadata']['name']}"
    name = f"{owner}.{backend['name']}.{host.replace('*', '_')}.{port}"
    route = next((route for route in service.routes if route["name"] == name), None)
    if route is None:
        route = _route(ingress, name, host)
        service.routes.append(route)
    route["paths"] += _paths(path, annotation(ingress, "regex-prefix") or "/~")


def _route(ingress: Object, name: str, host: str) -> Object:
    route: Object = {
        "name": name,
        "paths": [],
        "strip_path": False,
        "preserve_host": True,
        "regex_priority": 0,
        "tags": tags(ingress),
    }
    return route | ({"hosts": [host]} if host else {}) | route_overrides(ingress)


def _paths(path: Object, regex_prefix: str) -> list[str]:
    value = re.sub("/+", "/", path.get("path") or "/")
    match path.get("pathType"):
        case "Prefix":
            base = value.strip("/")
            return [f"/{base}/", f"~/{base}$"] if base else ["/"]
        case "Exact":
            return [f"~/{value.lstrip('/')}$"]
        case _:
            return [f"~{value.removeprefix(regex_prefix)}" if value.startswith(regex_prefix) else value]
