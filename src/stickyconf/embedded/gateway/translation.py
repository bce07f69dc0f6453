"""From Kong's entities to Envoy's resources. Pure: the same declaration gives the same resources."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stickyconf.embedded.environment import Address
from stickyconf.embedded.gateway import plugins, router
from stickyconf.embedded.gateway.declarative import Declaration
from stickyconf.embedded.gateway.entities import Entity
from stickyconf.embedded.gateway.xds import Xds, endpoint_file, route_file, source

Json = dict[str, Any]

LISTENER = ROUTES = "proxy"
STATEFUL_SESSION = "envoy.filters.http.stateful_session"
_EXTENSION = "type.googleapis.com/envoy.extensions."
_PROXIED = {"http", "https", "ws", "wss"}
_OVER_TLS = {"https", "wss"}

# Envoy's response flags for an upstream that gave no answer, and what Kong says then.
_FAILURES = (
    (["UH"], 503, "failure to get a peer from the ring-balancer"),
    (["UF", "UC", "UR"], 502, "An invalid response was received from the upstream server"),
    (["UT", "SI"], 504, "The upstream server is timing out"),
)


def translate(declaration: Declaration, *, proxy: Address, directory: Path) -> Xds:
    """Return what Envoy is to run: one listener at *proxy*, its routes, and one cluster per upstream.

    *directory* is where Envoy looks for routes and endpoints.
    """
    clusters: dict[str, Json] = {}
    endpoints: dict[str, Json] = {}
    for service in declaration.entities["services"]:
        upstream = declaration.find("upstreams", service["host"])
        targets = _targets(declaration, service, upstream)
        cluster = _cluster(service, upstream, targets, directory)
        clusters.setdefault(cluster["name"], cluster)
        if cluster["type"] == "EDS":
            endpoints[cluster["name"]] = _assignment(cluster["name"], targets)
    return Xds(
        listeners=[_listener(proxy, directory)],
        routes=[{"name": ROUTES, "virtual_hosts": [_virtual_host(declaration)]}],
        clusters=list(clusters.values()),
        endpoints=list(endpoints.values()),
    )


def _listener(proxy: Address, directory: Path) -> Json:
    manager = {
        "@type": f"{_EXTENSION}filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": LISTENER,
        "rds": {"route_config_name": ROUTES, "config_source": source(directory, route_file(ROUTES))},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "use_remote_address": True,
        "normalize_path": True,
        "merge_slashes": True,
        "generate_request_id": False,
        # The upstream's own Server header stays; only Envoy's own answers get ours.
        "server_name": "stickyconf-embedded-gateway",
        "server_header_transformation": "APPEND_IF_ABSENT",
        "stream_idle_timeout": "0s",  # set per route
        "delayed_close_timeout": "0s",
        "local_reply_config": {"mappers": [_failure(*failure) for failure in _FAILURES]},
        "http_filters": [
            # Without a policy of its own a route is not sticky.
            {
                "name": STATEFUL_SESSION,
                "typed_config": {"@type": f"{_EXTENSION}filters.http.stateful_session.v3.StatefulSession"},
            },
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": f"{_EXTENSION}filters.http.router.v3.Router",
                    "suppress_envoy_headers": True,
                },
            },
        ],
    }
    return {
        "name": LISTENER,
        "address": {"socket_address": {"address": proxy.host, "port_value": proxy.port}},
        # With it two gateways could bind one port, and each would get some of the connections.
        "enable_reuse_port": False,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def _failure(flags: list[str], status: int, message: str) -> Json:
    return {
        "filter": {"response_flag_filter": {"flags": flags}},
        "status_code": status,
        "body_format_override": {"json_format": {"message": message}},
    }


def _virtual_host(declaration: Declaration) -> Json:
    routes = [
        route for entry in router.entries(declaration.entities["routes"]) for route in _routes(declaration, entry)
    ]
    nothing = {"match": {"prefix": "/"}, **plugins.answer(404, "no Route matched with those values")}
    # Kong ranks hosts among other criteria, so they are matched in the routes, not as virtual hosts.
    return {"name": LISTENER, "domains": ["*"], "routes": [*routes, nothing]}


def _routes(declaration: Declaration, entry: router.Entry) -> Iterator[Json]:
    route = entry.route
    service = route["service"] and declaration.find("services", route["service"]["id"])
    if service and not (service["enabled"] and service["protocol"] in _PROXIED):
        return
    if not _PROXIED & set(route["protocols"]):
        return
    acting = [plugin for plugin in declaration.entities["plugins"] if _concerns(plugin, route, service)]
    named = {"name": route["name"] or route["id"], "match": entry.match}
    if route["protocols"] and not {"http", "ws"} & set(route["protocols"]):
        yield {**named, **plugins.answer(426, "Please use HTTPS protocol")}
    elif answer := plugins.termination(acting):
        yield {**named, **answer}
    elif not service:
        yield {**named, **plugins.answer(503, "no Service found with those values")}
    else:
        upstream = declaration.find("upstreams", service["host"])
        action = _action(entry, service, upstream)
        yield {**named, "route": action, **_stickiness(upstream), **plugins.header_changes(acting)}


def _concerns(plugin: Entity, route: Entity, service: Entity | None) -> bool:
    if plugin["consumer"] or plugin["consumer_group"]:
        return False
    return all(
        reference is None or (entity is not None and reference["id"] == entity["id"])
        for reference, entity in ((plugin["route"], route), (plugin["service"], service))
    )


def _action(entry: router.Entry, service: Entity, upstream: Entity | None) -> Json:
    patience = max(service["read_timeout"], service["write_timeout"]) / 1000
    action: Json = {
        "cluster": _cluster_name(service, upstream),
        "timeout": "0s",  # Kong bounds the silence between two reads or writes, not the whole exchange
        "idle_timeout": f"{patience:g}s",
        **router.rewrite(entry.path, strip=entry.route["strip_path"], service_path=service["path"]),
    }
    if service["retries"]:
        # nginx, and so Kong, sends a request again unless it is not idempotent and may have been seen.
        again = "connect-failure,refused-stream,reset-before-request"
        action["retry_policy"] = {
            "retry_on": f"{again},reset" if entry.idempotent else again,
            "num_retries": service["retries"],
            "retry_host_predicate": [
                {
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {"@type": f"{_EXTENSION}retry.host.previous_hosts.v3.PreviousHostsPredicate"},
                }
            ],
            "host_selection_retry_max_attempts": 5,
        }
    if not entry.route["preserve_host"]:
        action["host_rewrite_literal"] = (upstream and upstream["host_header"]) or service["host"]
    if upstream and upstream["algorithm"] == "consistent-hashing":
        action["hash_policy"] = list(_hash_policies(upstream))
    return action


def _stickiness(upstream: Entity | None) -> Json:
    if not upstream or upstream["algorithm"] != "sticky-sessions":
        return {}
    cookie = {"name": upstream["sticky_sessions_cookie"], "path": upstream["sticky_sessions_cookie_path"]}
    state = {
        "name": "envoy.http.stateful_session.cookie",
        "typed_config": {
            "@type": f"{_EXTENSION}http.stateful_session.cookie.v3.CookieBasedSessionState",
            "cookie": cookie,  # no ttl: it lasts as long as the client's session
        },
    }
    per_route = {
        "@type": f"{_EXTENSION}filters.http.stateful_session.v3.StatefulSessionPerRoute",
        "stateful_session": {"session_state": state},
    }
    return {"typed_per_filter_config": {STATEFUL_SESSION: per_route}}


def _hash_policies(upstream: Entity) -> Iterator[Json]:
    """Yield the primary input, then the fallback. Consumers and URI captures, which are not served, give none."""
    for use in ("hash_on", "hash_fallback"):
        match upstream[use]:
            case "header":
                yield {"header": {"header_name": upstream[f"{use}_header"]}, "terminal": True}
            case "cookie":
                cookie = {"name": upstream["hash_on_cookie"], "path": upstream["hash_on_cookie_path"], "ttl": "0s"}
                yield {"cookie": cookie, "terminal": True}
            case "ip":
                yield {"connection_properties": {"source_ip": True}, "terminal": True}
            case "path":
                yield {"header": {"header_name": ":path"}, "terminal": True}
            case "query_arg":
                yield {"query_parameter": {"name": upstream[f"{use}_query_arg"]}, "terminal": True}


def _targets(declaration: Declaration, service: Entity, upstream: Entity | None) -> list[Entity]:
    if upstream:
        return declaration.referring("targets", "upstream", upstream)
    return [{"target": f"{service['host']}:{service['port']}", "weight": 100}]


def _cluster_name(service: Entity, upstream: Entity | None) -> str:
    name = upstream["name"] if upstream else f"{service['host']}:{service['port']}"
    return f"{name} over TLS" if service["protocol"] in _OVER_TLS else name


def _cluster(service: Entity, upstream: Entity | None, targets: list[Entity], directory: Path) -> Json:
    name = _cluster_name(service, upstream)
    cluster: Json = {
        "name": name,
        "connect_timeout": f"{service['connect_timeout'] / 1000:g}s",
        **_balancing(upstream),
        "common_lb_config": {
            "healthy_panic_threshold": {"value": 0},
            # A cookie is followed to a draining target as well: weight 0 only keeps new sessions away.
            "override_host_status": {"statuses": ["UNKNOWN", "HEALTHY", "DEGRADED", "DRAINING"]},
        },
        # Kong has no such limits; Envoy's defaults (1024, and 3 retries) would fail requests under load.
        "circuit_breakers": {
            "thresholds": [
                dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), 100_000)
            ]
        },
    }
    if all(_is_ip(_host(target)) for target in targets):
        cluster["type"] = "EDS"
        cluster["eds_cluster_config"] = {"eds_config": source(directory, endpoint_file(name))}
    else:
        cluster["type"] = "STRICT_DNS"
        cluster["dns_lookup_family"] = "V4_PREFERRED"  # Kong asks for A records first
        cluster["load_assignment"] = _assignment(name, targets)
    if service["protocol"] in _OVER_TLS:
        context = {"@type": f"{_EXTENSION}transport_sockets.tls.v3.UpstreamTlsContext", "sni": service["host"]}
        cluster["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return cluster


def _balancing(upstream: Entity | None) -> Json:
    match upstream:
        case {"algorithm": "least-connections" | "latency"}:  # the nearest that Envoy has to Kong's latency
            policy = {"least_request_lb_config": {"selection_method": "FULL_SCAN"}}
            return {"lb_policy": "LEAST_REQUEST", **policy}
        case {"algorithm": "consistent-hashing", "hash_on": hash_on} if hash_on != "none":
            return {"lb_policy": "RING_HASH"}
    # sticky-sessions too: this is how a session's first request finds its target.
    return {"lb_policy": "ROUND_ROBIN"}


def _assignment(cluster: str, targets: list[Entity]) -> Json:
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": [_endpoint(target) for target in targets]}]}


def _endpoint(target: Entity) -> Json:
    address = {"address": _host(target), "port_value": int(target["target"].rpartition(":")[2])}
    return {
        "endpoint": {"address": {"socket_address": address}},
        # Envoy refuses weight 0. DRAINING means the same: no new sessions, the old ones go on.
        "health_status": "HEALTHY" if target["weight"] else "DRAINING",
        "load_balancing_weight": target["weight"] or 1,
    }


def _host(target: Entity) -> str:
    return str(target["target"]).rpartition(":")[0].strip("[]")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
