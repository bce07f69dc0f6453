"""Clusters in a few words: the objects that the tests of the ingress controller's translation share."""

import itertools
from typing import Any

from embedded_cluster.ingress.snapshot import Snapshot
from embedded_cluster.ingress.statuses import changes
from embedded_cluster.ingress.translation import Settings, Translation, translate

Object = dict[str, Any]

_uids = itertools.count(1)


def made(kind: str, name: str, version: str = "v1", *, namespace: str | None = "app", **content: Any) -> Object:
    """An object as the API would give it; annotations go without their prefix."""
    annotations = {f"konghq.com/{key}": value for key, value in content.pop("annotations", {}).items()}
    metadata = {"name": name, "uid": f"uid-{next(_uids)}", "generation": 1, "annotations": annotations}
    metadata |= {"namespace": namespace} if namespace else {}
    metadata |= content.pop("metadata", {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def service(name: str = "echo", policy: str = "", **spec: Any) -> Object:
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    annotations = {"upstream-policy": policy} if policy else {}
    namespace = spec.pop("namespace", "app")
    return made("Service", name, spec={"ports": ports, **spec}, annotations=annotations, namespace=namespace)


def slices(of: str, *endpoints: Object, namespace: str = "app", port: str = "http") -> Object:
    return made(
        "EndpointSlice",
        f"{of}-abc",
        "discovery.k8s.io/v1",
        namespace=namespace,
        metadata={"labels": {"kubernetes.io/service-name": of}},
        ports=[{"name": port, "port": 8080, "protocol": "TCP"}],
        endpoints=list(endpoints),
    )


def endpoint(number: int, phase: str = "TTF") -> Object:
    """An endpoint whose conditions ready, serving, terminating are T, F, or ``-`` for not stated."""
    named = zip(("ready", "serving", "terminating"), phase, strict=True)
    return {"addresses": [f"10.0.0.{number}"], "conditions": {k: v == "T" for k, v in named if v != "-"}}


def route(*rules: Object, name: str = "echo", **content: Any) -> Object:
    parents = content.pop("parentRefs", [{"name": "kong", "namespace": "kong"}])
    spec = {"parentRefs": parents, "rules": list(rules) or [rule("echo")], **content.pop("spec", {})}
    return made("HTTPRoute", name, "gateway.networking.k8s.io/v1", spec=spec, **content)


def rule(*backends: str | Object, **content: Any) -> Object:
    references = [b if isinstance(b, dict) else {"name": b, "port": 80, "weight": 1} for b in backends]
    matches = content.pop("matches", [{"path": {"type": "PathPrefix", "value": "/"}}])
    return {"backendRefs": references, "matches": matches, **content}


def policy(name: str = "sticky", **spec: Any) -> Object:
    default = {
        "algorithm": "sticky-sessions",
        "hashOn": {"input": "none"},
        "stickySessions": {"cookie": "session_id", "cookiePath": "/"},
    }
    return made("KongUpstreamPolicy", name, "configuration.konghq.com/v1beta1", spec=spec or default)


LISTENER = {"name": "proxy", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}


def cluster(*objects: Object, listeners: list[Object] | None = None) -> Snapshot:
    """A cluster with a Gateway ``kong/kong``, its class and its proxy Service, and *objects*."""
    gateway_class = made(
        "GatewayClass",
        "kong",
        "gateway.networking.k8s.io/v1",
        namespace=None,
        annotations={"gatewayclass-unmanaged": "true"},
        spec={"controllerName": "konghq.com/kic-gateway-controller"},
    )
    spec = {"gatewayClassName": "kong", "listeners": listeners or [LISTENER]}
    gateway = made("Gateway", "kong", "gateway.networking.k8s.io/v1", namespace="kong", spec=spec)
    ports = [
        {"name": "kong-proxy", "port": 80, "targetPort": 8000, "protocol": "TCP"},
        {"name": "kong-proxy-tls", "port": 443, "targetPort": 8443, "protocol": "TCP"},
    ]
    proxy = service("proxy", namespace="kong", clusterIPs=["10.96.0.1"], ports=ports)
    fields = {
        "Service": "services",
        "EndpointSlice": "endpoint_slices",
        "HTTPRoute": "http_routes",
        "Ingress": "ingresses",
        "IngressClass": "ingress_classes",
        "KongUpstreamPolicy": "policies",
        "Gateway": "gateways",
        "GatewayClass": "gateway_classes",
        "Namespace": "namespaces",
        "ReferenceGrant": "reference_grants",
        "Secret": "secrets",
    }
    found: dict[str, tuple[Object, ...]] = {}
    for obj in (gateway_class, gateway, proxy, *objects):
        found[fields[obj["kind"]]] = (*found.get(fields[obj["kind"]], ()), obj)
    return Snapshot(**found)


SETTINGS = Settings(drain=True, proxy=("kong", "proxy"), ingress_class="kong", gateway_version=(3, 11, 0))
NO_DRAIN = Settings(drain=False, proxy=("kong", "proxy"), ingress_class="kong", gateway_version=(3, 11, 0))


def translated(*objects: Object, settings: Settings = SETTINGS, **more: Any) -> Translation:
    return translate(cluster(*objects, **more), settings)


def weights(translation: Translation, upstream: str = "httproute.app.echo.0") -> dict[str, int]:
    (found,) = [u for u in translation.config["upstreams"] if u["name"] == upstream]
    return {target["target"].split(":")[0].removeprefix("10.0.0."): target["weight"] for target in found["targets"]}


def status_of(obj: Object, snapshot: Snapshot, found: Translation, *, in_force: bool = True) -> Object:
    (new,) = [n for n in changes(snapshot, SETTINGS, found, in_force=in_force) if n.obj is obj]
    return new.status


def condition(status: Object, kind: str) -> Object:
    (found,) = [c for c in status["conditions"] if c["type"] == kind]
    return found
