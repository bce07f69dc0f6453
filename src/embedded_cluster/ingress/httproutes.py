"""HTTPRoutes to Kong services and routes, as KIC writes them for Kong's traditional router."""

import json
from collections.abc import Iterator
from itertools import groupby

from embedded_cluster.ingress.attachment import hostnames, parents
from embedded_cluster.ingress.backends import Backend, find_port
from embedded_cluster.ingress.grants import is_granted
from embedded_cluster.ingress.kongstate import Failure, KongService, route_overrides
from embedded_cluster.ingress.snapshot import Object, Snapshot, tags

_HEADER_FILTERS = {
    "RequestHeaderModifier": ("requestHeaderModifier", "request-transformer"),
    "ResponseHeaderModifier": ("responseHeaderModifier", "response-transformer"),
}


class UnroutableError(Exception):
    """This HTTPRoute cannot be served; the message says why."""


def kong_services(
    snapshot: Snapshot, route: Object, proxy: Object | None, failures: list[Failure]
) -> list[KongService]:
    """The Kong services of an attached *route*, one for each set of backends; none when nothing attaches it.

    Backends that cannot be used are left out; what that means for traffic and what else is wrong goes to *failures*.
    Raises :class:`UnroutableError` for a route that asks for what Kong's traditional router or this stand-in lacks.
    """
    attached = [parent for parent in parents(snapshot, route, proxy) if parent.listeners]
    if not attached:
        return []
    rules = route["spec"].get("rules") or ()
    if not rules:
        raise UnroutableError("no rules provided")
    if any(match.get("queryParams") for rule in rules for match in rule.get("matches") or ()):
        raise UnroutableError("query param matches are not yet supported")
    about: Object = {
        "hosts": hostnames(route, attached),
        "protocols": sorted({listener["protocol"].lower() for parent in attached for listener in parent.listeners}),
    }
    groups = _grouped(list(enumerate(rules)), "backendRefs")
    return [_service(snapshot, route, group, about, failures) for group in groups]


def _grouped(rules: list[tuple[int, Object]], field: str) -> list[list[tuple[int, Object]]]:
    """The numbered rules in groups of equal *field*, in any order inside it; groups in order of their first."""

    def key(numbered: tuple[int, Object]) -> list[str]:
        return sorted(json.dumps(item, sort_keys=True) for item in numbered[1].get(field) or ())

    groups = [list(group) for _, group in groupby(sorted(rules, key=key), key)]
    return sorted(groups, key=lambda group: group[0][0])


def _service(
    snapshot: Snapshot, route: Object, rules: list[tuple[int, Object]], about: Object, failures: list[Failure]
) -> KongService:
    first_number, first = rules[0]
    name = f"{_prefix(route)}.{first_number}"
    service = KongService(name=name, host=name, parents=[route])
    references = first.get("backendRefs") or ()
    service.backends = list(_backends(snapshot, route, references, failures))
    if references and not service.backends:
        # Gateway API wants 500 if no backend exists; Kong by itself would say 503.
        config = {"status_code": 500, "message": "no existing backendRef provided"}
        service.plugins = [{"name": "request-termination", "config": config}]
    for group in _grouped(rules, "filters"):
        service.routes += _routes(route, group, about)
    service.routes.sort(key=lambda entity: str(entity["name"]))
    return service


def _prefix(route: Object) -> str:
    return f"httproute.{route['metadata']['namespace']}.{route['metadata']['name']}"


def _backends(
    snapshot: Snapshot, route: Object, references: tuple[Object, ...], failures: list[Failure]
) -> Iterator[Backend]:
    for reference in references:
        if reference_fault(snapshot, route, reference):
            continue  # the route's condition ResolvedRefs says so
        namespace = reference.get("namespace") or route["metadata"]["namespace"]
        service = snapshot.service(namespace, reference["name"])
        if service is None:
            continue
        port = find_port(service, reference.get("port"))
        if port is None:
            message = "can't find port for backend kubernetes service: no suitable port found"
            failures.append(Failure(message, (service, route)))
            continue
        yield Backend(service, port, reference.get("weight", 1))


def reference_fault(snapshot: Snapshot, route: Object, reference: Object) -> tuple[str, str] | None:
    """Why a backendRef of *route* cannot be used, as reason and message of its condition ResolvedRefs; or None."""
    own = route["metadata"]["namespace"]
    namespace = reference.get("namespace") or own
    target = f"{namespace}/{reference['name']}"
    group, kind = reference.get("group") or "", reference.get("kind", "Service")
    if (group, kind) not in (("", "Service"), ("core", "Service")):
        return "InvalidKind", f"target {target} has unsupported type {group}/{kind}"
    if snapshot.service(namespace, reference["name"]) is None:
        return "BackendNotFound", f"target {target} of type {kind} does not exist"
    if not is_granted(snapshot, ("HTTPRoute", own), "Service", namespace, reference["name"]):
        elsewhere = f"{target} is in a different namespace than the HTTPRoute (namespace {own})"
        return "RefNotPermitted", f"{elsewhere} and no ReferenceGrant allowing reference is configured"
    return None


def _routes(route: Object, rules: list[tuple[int, Object]], about: Object) -> Iterator[Object]:
    """The Kong routes of rules with equal backends and filters: one for all matches that differ in the path only."""
    plugins = _plugins(rules[0][1].get("filters") or (), tags(route))
    matches = [
        (rule_number, match_number, match)
        for rule_number, rule in rules
        for match_number, match in enumerate(rule.get("matches") or [{}])
    ]
    grouped: dict[str, list[tuple[int, int, Object]]] = {}
    for numbered in matches:
        grouped.setdefault(_beside_path(numbered[2]), []).append(numbered)
    for group in grouped.values():
        rule_number, match_number, first = group[0]
        paths = [path for _, _, match in group for path in _paths(match.get("path"))]
        entity = {
            "name": f"{_prefix(route)}.{rule_number}.{match_number}",
            "hosts": about["hosts"],
            "protocols": about["protocols"],
            "paths": list(dict.fromkeys(paths)),
            "methods": [first["method"]] if "method" in first else [],
            "headers": _headers(first.get("headers") or ()),
            "strip_path": False,
            "preserve_host": True,
            "tags": tags(route),
            "plugins": plugins,
        }
        yield {key: value for key, value in entity.items() if value not in ([], {})} | route_overrides(route)


def _beside_path(match: Object) -> str:
    headers = {header["name"].lower(): header for header in reversed(match.get("headers") or ())}
    return json.dumps([match.get("method"), headers], sort_keys=True)


def _paths(path: Object | None) -> list[str]:
    """Kong's paths for an HTTPRoute path match, which is a prefix of ``/`` when there is none."""
    value = (path or {}).get("value", "/")
    match (path or {}).get("type", "PathPrefix"):
        case "Exact":
            return [f"~{value}$"]
        case "RegularExpression":
            return [f"~{value}"]
        case _:
            # Kong's prefixes know nothing of segments: "/echo" would match "/echoes" as well.
            return [f"~{value}$", value if value.endswith("/") else f"{value}/"]


def _headers(matches: tuple[Object, ...]) -> Object:
    """Kong's headers; of several matches of one header the first counts, as Gateway API has it."""
    first: dict[str, Object] = {}
    for match in matches:
        first.setdefault(match["name"].lower(), match)
    return {
        match["name"]: [f"~*{match['value']}" if match.get("type") == "RegularExpression" else match["value"]]
        for match in first.values()
    }


def _plugins(filters: tuple[Object, ...], route_tags: list[str]) -> list[Object]:
    plugins: list[Object] = []
    for item in filters:
        if item["type"] not in _HEADER_FILTERS:
            raise UnroutableError(f"httpFilter {item['type']} unsupported")
        field, plugin = _HEADER_FILTERS[item["type"]]
        modifier = item[field]
        put = [f"{header['name']}:{header['value']}" for header in modifier.get("set") or ()]
        config = {
            "replace": {"headers": put},
            "add": {"headers": put},  # Kong's "replace" leaves a header out that is not there
            "append": {"headers": [f"{header['name']}:{header['value']}" for header in modifier.get("add") or ()]},
            "remove": {"headers": list(modifier.get("remove") or ())},
        }
        plugins.append({"name": plugin, "config": config, "tags": route_tags})
    return plugins
