"""Which HTTPRoutes belong to which listeners of our Gateways, and why others do not (Gateway API, GEP-709, GEP-957)."""

from collections.abc import Iterator
from dataclasses import dataclass

from embedded_cluster.ingress.snapshot import CONTROLLER_NAME, GATEWAY_GROUP, Object, Snapshot, annotation, find
from embedded_cluster.objects import selects


@dataclass(frozen=True, slots=True)
class Parent:
    """One parentRef of a route that names a Gateway of ours.

    *listeners* are those it is attached to; without any, *refusal* is the reason of condition Accepted.
    """

    reference: Object
    gateway: Object
    listeners: tuple[Object, ...]
    refusal: str = ""


def is_ours(snapshot: Snapshot, gateway: Object) -> bool:
    """Is *gateway* of a class that this controller serves, in the unmanaged way, the only one there is?"""
    gateway_class = find(snapshot.gateway_classes, "", gateway["spec"]["gatewayClassName"])
    return gateway_class is not None and serves_class(gateway_class)


def serves_class(gateway_class: Object) -> bool:
    """Does *gateway_class* name this controller and say that the gateway is there already?"""
    named: str = gateway_class["spec"]["controllerName"]
    return named == CONTROLLER_NAME and bool(annotation(gateway_class, "gatewayclass-unmanaged"))


def listener_fault(listener: Object, proxy: Object | None) -> tuple[str, str] | None:
    """Why *listener* cannot be served, as reason and message of its condition Accepted; None when it can.

    *proxy* is the Service in front of the gateways, whose ports are the ones traffic can come in by: over TLS by those
    that Kong's charts and manifests call so (kong-proxy-tls), whereas KIC asks the gateway. As KIC looks no name up, a
    port with a named target port leads to no listen that it knows.
    """
    ports = {
        port["port"]: port.get("targetPort", port["port"])
        for port in (proxy or {"spec": {}})["spec"].get("ports") or ()
        if listener["protocol"] == ("HTTPS" if port.get("name", "").endswith("-tls") else "HTTP")
    }
    if not any(isinstance(target, int) for target in ports.values()):
        return "UnsupportedProtocol", "no Kong listen with the requested protocol is configured"
    if not isinstance(ports.get(listener["port"]), int):
        return "PortUnavailable", "no Kong listen with the requested protocol is configured for the requested port"
    return None


def parents(snapshot: Snapshot, route: Object, proxy: Object | None) -> list[Parent]:
    """Every parentRef of *route* that names a Gateway of ours, with what came of it."""
    return [
        _attach(snapshot, route, reference, gateway, proxy)
        for reference in route["spec"].get("parentRefs") or ()
        if (gateway := _gateway(snapshot, route, reference)) is not None
    ]


def hostnames(route: Object, attached: list[Parent]) -> list[str]:
    """The host names *route* answers to through its listeners; empty means every one."""
    own = route["spec"].get("hostnames") or []
    allowed = [listener.get("hostname") for parent in attached for listener in parent.listeners]
    if None in allowed or "" in allowed:
        return list(own)
    if not own:
        return sorted({str(name) for name in allowed})
    met = (_narrower(name, str(other)) for name in own for other in allowed)
    return list(dict.fromkeys(name for name in met if name))


def _gateway(snapshot: Snapshot, route: Object, reference: Object) -> Object | None:
    if reference.get("group", GATEWAY_GROUP) != GATEWAY_GROUP or reference.get("kind", "Gateway") != "Gateway":
        return None
    namespace = reference.get("namespace") or route["metadata"]["namespace"]
    gateway = find(snapshot.gateways, namespace, reference["name"])
    return gateway if gateway and is_ours(snapshot, gateway) else None


def _attach(snapshot: Snapshot, route: Object, reference: Object, gateway: Object, proxy: Object | None) -> Parent:
    named = [listener for listener in gateway["spec"].get("listeners") or () if _is_named(listener, reference)]
    if not named:
        return Parent(reference, gateway, (), "NoMatchingParent")
    open_to_us = [
        listener
        for listener in named
        if listener_fault(listener, proxy) is None and _is_allowed(snapshot, route, listener, gateway)
    ]
    if not open_to_us:
        return Parent(reference, gateway, (), "NotAllowedByListeners")
    matching = tuple(listener for listener in open_to_us if _shares_hostname(route, listener))
    return Parent(reference, gateway, matching, "" if matching else "NoMatchingListenerHostname")


def _is_named(listener: Object, reference: Object) -> bool:
    section, port = reference.get("sectionName"), reference.get("port")
    return section in (None, "", listener["name"]) and port in (None, listener["port"])


def _is_allowed(snapshot: Snapshot, route: Object, listener: Object, gateway: Object) -> bool:
    allowed = listener.get("allowedRoutes") or {}
    kinds = allowed.get("kinds") or [{"kind": "HTTPRoute"}]
    if ("HTTPRoute", GATEWAY_GROUP) not in [(kind["kind"], kind.get("group", GATEWAY_GROUP)) for kind in kinds]:
        return False
    namespaces = allowed.get("namespaces") or {}
    namespace = route["metadata"]["namespace"]
    match namespaces.get("from", "Same"):
        case "All":
            return True
        case "Selector":
            selected = find(snapshot.namespaces, "", namespace)
            return selected is not None and selects(namespaces.get("selector"), selected["metadata"].get("labels"))
        case _:
            return bool(namespace == gateway["metadata"]["namespace"])


def _shares_hostname(route: Object, listener: Object) -> bool:
    own, other = route["spec"].get("hostnames"), listener.get("hostname")
    return not own or not other or any(_narrower(name, other) for name in own)


def _narrower(one: str, other: str) -> str | None:
    """The host name that both *one* and *other* cover; a leading ``*.`` stands for one or more labels."""
    return one if _covers(other, one) else other if _covers(one, other) else None


def _covers(pattern: str, hostname: str) -> bool:
    return pattern == hostname or (pattern.startswith("*.") and hostname.endswith(pattern[1:]))


def attached_routes(snapshot: Snapshot, gateway: Object, proxy: Object | None) -> Iterator[str]:
    """The name of the listener, once for each route attached to it."""
    for route in snapshot.http_routes:
        names = {
            listener["name"]
            for parent in parents(snapshot, route, proxy)
            if parent.gateway is gateway
            for listener in parent.listeners
        }
        yield from names
