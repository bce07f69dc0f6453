"""Requests that a client of this project makes or might make, to be asked of two API servers one after the other."""

from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]
Step = tuple[str, str, Object | list[Object] | None, str]
"""Method, path, body, media type of the body."""

JSON, MERGE, PATCH = "application/json", "application/merge-patch+json", "application/json-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
CORE, APPS = "/api/v1/namespaces/probe", "/apis/apps/v1/namespaces/probe"
GATEWAY_API = "/apis/gateway.networking.k8s.io/v1/namespaces/probe"
POLICIES = "/apis/configuration.konghq.com/v1beta1/namespaces/probe/kongupstreampolicies"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/probe/endpointslices"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/probe/ingresses"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def probes() -> Iterator[tuple[str, list[Step]]]:
    """Each probe's name and its steps, of which every answer is compared."""
    yield from _policies()
    yield from _routes()
    yield from _workloads()
    yield from _services()
    yield from _writes()
    yield from _reads()


def _create(path: str, obj: Object) -> list[Step]:
    return [("POST", path, obj, JSON)]


def _policies() -> Iterator[tuple[str, list[Step]]]:
    cookie = {"cookie": "session_id"}
    specs: dict[str, Object] = {
        "sticky": {"algorithm": "sticky-sessions", "hashOn": {"input": "none"}, "stickySessions": cookie},
        "sticky-with-path": {
            "algorithm": "sticky-sessions",
            "hashOn": {"input": "none"},
            "stickySessions": {**cookie, "cookiePath": "/x"},
        },
        "sticky-without-hash-on": {"algorithm": "sticky-sessions", "stickySessions": cookie},
        "sticky-by-ip": {"algorithm": "sticky-sessions", "hashOn": {"input": "ip"}, "stickySessions": cookie},
        "sticky-by-header": {
            "algorithm": "sticky-sessions",
            "hashOn": {"input": "none", "header": "x"},
            "stickySessions": cookie,
        },
        "sticky-without-cookie": {"algorithm": "sticky-sessions", "hashOn": {"input": "none"}, "stickySessions": {}},
        "sticky-empty-cookie": {
            "algorithm": "sticky-sessions",
            "hashOn": {"input": "none"},
            "stickySessions": {"cookie": ""},
        },
        "sticky-sessions-only-by-name": {"algorithm": "sticky-sessions"},
        "sticky-but-round-robin": {
            "algorithm": "round-robin",
            "hashOn": {"input": "none"},
            "stickySessions": cookie,
        },
        "sticky-but-no-algorithm": {"hashOn": {"input": "none"}, "stickySessions": cookie},
        "unknown-algorithm": {"algorithm": "by-moon"},
        "hash-without-algorithm": {"hashOn": {"input": "ip"}},
        "hash-round-robin": {"algorithm": "round-robin", "hashOn": {"header": "x"}},
        "fallback": {
            "algorithm": "consistent-hashing",
            "hashOn": {"header": "x"},
            "hashOnFallback": {"input": "ip"},
        },
        "fallback-after-cookie": {
            "algorithm": "consistent-hashing",
            "hashOn": {"cookie": "c", "cookiePath": "/"},
            "hashOnFallback": {"input": "ip"},
        },
        "cookie-without-path": {"algorithm": "consistent-hashing", "hashOn": {"cookie": "c"}},
        "two-inputs": {"algorithm": "consistent-hashing", "hashOn": {"header": "x", "queryArg": "q"}},
        "slots": {"slots": 5},
        "wrong-type": {"slots": "many"},
        "unknown-field": {"algorithm": "round-robin", "colour": "red"},
        "health": {"healthchecks": {"active": {"type": "http", "httpPath": "/h", "healthy": {"interval": 5}}}},
        "no-such-health": {"healthchecks": {"active": {"type": "smoke"}}},
    }
    for name, spec in specs.items():
        policy = {
            "apiVersion": "configuration.konghq.com/v1beta1",
            "kind": "KongUpstreamPolicy",
            "metadata": {"name": name},
            "spec": spec,
        }
        yield f"policy {name}", _create(POLICIES, policy)
    yield (
        "policy changed from sticky to hashing",
        [("PATCH", f"{POLICIES}/sticky", {"spec": {"algorithm": "consistent-hashing"}}, MERGE)],
    )
    nameless = {"apiVersion": "configuration.konghq.com/v1beta1", "kind": "KongUpstreamPolicy"}
    yield "policy name not allowed", _create(POLICIES, {**nameless, "metadata": {"name": "A_b"}})


def _routes() -> Iterator[tuple[str, list[Step]]]:
    def route(name: str, **spec: Any) -> list[Step]:
        kind = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name}}
        return _create(f"{GATEWAY_API}/httproutes", {**kind, "spec": {"parentRefs": [{"name": "kong"}], **spec}})

    backend = {"name": "echo", "port": 80}
    yield "route defaults", route("defaults", rules=[{"backendRefs": [backend]}])
    yield "route without rules", route("no-rules")
    yield "route weight below zero", route("negative", rules=[{"backendRefs": [{**backend, "weight": -1}]}])
    yield "route backend without port", route("no-port", rules=[{"backendRefs": [{"name": "echo"}]}])
    yield "route host with port", route("host", hostnames=["a.test:80"], rules=[{"backendRefs": [backend]}])
    yield (
        "route path without slash",
        route("path", rules=[{"matches": [{"path": {"type": "PathPrefix", "value": "x"}}], "backendRefs": [backend]}]),
    )
    yield (
        "route match type unknown",
        route("type", rules=[{"matches": [{"path": {"type": "Fuzzy", "value": "/"}}], "backendRefs": [backend]}]),
    )
    gateway = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "kong"}}
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    for name, listeners in {"one": [listener], "twice": [listener, listener], "none": []}.items():
        obj = {**gateway, "metadata": {"name": name}, "spec": {"gatewayClassName": "kong", "listeners": listeners}}
        yield f"gateway with listeners: {name}", _create(f"{GATEWAY_API}/gateways", obj)


def _workloads() -> Iterator[tuple[str, list[Step]]]:
    container = {"name": "c", "image": "i", "ports": [{"name": "web", "containerPort": 80}]}
    probed = {**container, "readinessProbe": {"httpGet": {"path": "/", "port": "web"}}}
    held = {**container, "lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [probed]}}

    def deployment(name: str, **spec: Any) -> list[Step]:
        obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
        return _create(f"{APPS}/deployments", obj)

    yield "deployment defaults", deployment("d", selector={"matchLabels": {"app": "x"}}, template=template)
    yield "deployment without selector", deployment("no-selector", template=template)
    yield "deployment selecting others", deployment("others", selector={"matchLabels": {"app": "y"}}, template=template)
    yield (
        "deployment selector changed",
        [("PATCH", f"{APPS}/deployments/d", {"spec": {"selector": {"matchLabels": {"app": "z"}}}}, MERGE)],
    )
    yield "scale read", [("GET", f"{APPS}/deployments/d/scale", None, JSON)]
    yield "scale", [("PATCH", f"{APPS}/deployments/d/scale", {"spec": {"replicas": 4}}, MERGE)]
    yield "scale below zero", [("PATCH", f"{APPS}/deployments/d/scale", {"spec": {"replicas": -1}}, MERGE)]
    for name, spec in {
        "defaults": {"containers": [container]},
        "probed": {"containers": [probed]},
        "held": {"containers": [held]},
        "none": {"containers": []},
        "twice": {"containers": [container, container]},
    }.items():
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p-{name}"}, "spec": spec}
        yield f"pod {name}", _create(f"{CORE}/pods", pod)
    yield "pod image changed", [("PATCH", f"{CORE}/pods/p-defaults", {"spec": {"restartPolicy": "Never"}}, MERGE)]


def _services() -> Iterator[tuple[str, list[Step]]]:
    def service(name: str, **spec: Any) -> list[Step]:
        return _create(
            f"{CORE}/services", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
        )

    yield "service defaults", service("s", selector={"app": "x"}, ports=[{"port": 80}])
    yield "service headless", service("headless", clusterIP="None", selector={"app": "x"}, ports=[{"port": 80}])
    yield "service without ports", service("no-ports", selector={"app": "x"})
    yield "service with nameless ports", service("nameless", ports=[{"port": 80}, {"port": 81}])
    yield "service port out of range", service("range", ports=[{"port": 70000}])
    ingress = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i"}}
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}
    yield "ingress", _create(INGRESSES, {**ingress, "spec": {"rules": [{"host": "a.test", "http": {"paths": [path]}}]}})
    yield "ingress without rules", _create(INGRESSES, {**ingress, "metadata": {"name": "none"}, "spec": {}})
    for name, address in {"pod": "198.18.17.1", "loopback": "127.0.0.1", "name": "echo.test"}.items():
        found = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address]}],
            "ports": [{"port": 80}],
        }
        yield f"endpoint slice with address: {name}", _create(SLICES, found)


def _writes() -> Iterator[tuple[str, list[Step]]]:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}
    maps = f"{CORE}/configmaps"
    yield "config map", _create(maps, config)
    yield "config map twice", _create(maps, config)
    yield "dry run", [("POST", f"{maps}?dryRun=All", {**config, "metadata": {"name": "dry"}}, JSON)]
    yield "and nothing there", [("GET", f"{maps}/dry", None, JSON)]
    yield "merge patch", [("PATCH", f"{maps}/c", {"data": {"a": None, "b": "2"}}, MERGE)]
    yield "json patch", [("PATCH", f"{maps}/c", [{"op": "add", "path": "/data/c", "value": "3"}], PATCH)]
    yield "json patch that fails", [("PATCH", f"{maps}/c", [{"op": "test", "path": "/data/c", "value": "4"}], PATCH)]
    yield "stale write", [("PUT", f"{maps}/c", {**config, "metadata": {"name": "c", "resourceVersion": "1"}}, JSON)]
    yield "other name in body", [("PUT", f"{maps}/c", {**config, "metadata": {"name": "d"}}, JSON)]
    yield (
        "strict validation",
        [("POST", f"{maps}?fieldValidation=Strict", {**config, "metadata": {"name": "s"}, "colour": "red"}, JSON)],
    )
    applied = {**config, "metadata": {"name": "applied"}}
    yield "apply", [("PATCH", f"{maps}/applied?fieldManager=one", applied, APPLY)]
    yield "apply by another", [("PATCH", f"{maps}/applied?fieldManager=two", {**applied, "data": {"a": "2"}}, APPLY)]
    yield (
        "apply by force",
        [("PATCH", f"{maps}/applied?fieldManager=two&force=true", {**applied, "data": {"a": "2"}}, APPLY)],
    )
    yield "apply without manager", [("PATCH", f"{maps}/applied", applied, APPLY)]
    yield "delete with wrong uid", [("DELETE", f"{maps}/c", {"preconditions": {"uid": "no"}}, JSON)]
    yield "delete", [("DELETE", f"{maps}/c", None, JSON)]
    yield "delete again", [("DELETE", f"{maps}/c", None, JSON)]
    yield "object without kind", _create(maps, {"metadata": {"name": "k"}})
    yield "object of another kind", _create(maps, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "k"}})
    yield "namespace that is not there", _create("/api/v1/namespaces/nowhere/configmaps", config)


def _reads() -> Iterator[tuple[str, list[Step]]]:
    for path in (
        f"{CORE}/pods?labelSelector=a%20b%20c",
        f"{CORE}/pods?fieldSelector=spec.colour%3Dred",
        f"{CORE}/configmaps/none",
        f"{APPS}/deployments/none",
        f"{POLICIES}/none",
        f"{CORE}/wishes",
        "/apis/nobody.test/v1",
        f"{CORE}/pods/none/log",
        f"{CORE}/pods/none/status",
    ):
        yield f"GET {path}", [("GET", path, None, JSON)]
    for path in (f"{POLICIES}", f"{GATEWAY_API}/httproutes", f"{GATEWAY_API}/gateways", f"{CORE}/services"):
        yield f"table {path}", [("GET", path, None, TABLE)]
