"""From Kong's entities to Envoy's resources. Pure: the same declaration gives the same resources."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from embedded_cluster.environment import Address
from embedded_cluster.gateway import health, plan, plugins, router
from embedded_cluster.gateway.certificates import ANY, Served, served
from embedded_cluster.gateway.declarative import Declaration
from embedded_cluster.gateway.entities import Entity
from embedded_cluster.gateway.plan import OVER_TLS, Answer, Forward
from embedded_cluster.gateway.xds import Xds, endpoint_file, route_file, source

Json = dict[str, Any]

LISTENER = ROUTES = "proxy"
OVER_TLS_LISTENER = "proxy-tls"
_NEVER = 1_000_000  # failures in a row
_LOCAL = ("local_origin_success_rate", "consecutive_local_origin_failure")
STATEFUL_SESSION = "envoy.filters.http.stateful_session"
_EXTENSION = "type.googleapis.com/envoy.extensions."

# Digits: when the request began, in nanoseconds, and its connection. One of Envoy's own it would send to the pod.
_REQUEST_ID = "%START_TIME(%s%9f)%%CONNECTION_ID%"
_REFUSES_A_LARGE_COOKIE = f"""
function envoy_on_request(handle)
  local cookie = handle:headers():get("cookie")
  if cookie and #cookie > {plan.MOST_OF_A_COOKIE} then
    handle:respond({{[":status"] = "400"}}, "{plan.TOO_LARGE}")
  end
end
"""

# Envoy's response flags for an upstream that gave no answer, and what Kong says then.
_FAILURES = (
    (["UH"], 503, plan.NO_PEER),
    (["UF", "UC", "UR"], 502, plan.BAD_ANSWER),
    (["UT", "SI"], 504, plan.TOO_SLOW),
)


def translate(
    declaration: Declaration, *, proxy: Address, directory: Path, reuse_port: bool = False, tls: Address | None = None
) -> Xds:
    """Return what Envoy is to run: a listener at *proxy*, its routes, and one cluster per upstream.

    *directory* is where Envoy looks for routes and endpoints. With *reuse_port* others may listen at *proxy*, too. At
    *tls* the same routes are served over TLS, as soon as there is a certificate.
    """
    listeners = [_listener(LISTENER, proxy, [_chain(directory)], reuse_port)]
    chains = [_chain(directory, certificate) for certificate in served(declaration)]
    if tls and chains:
        inspector = {"@type": f"{_EXTENSION}filters.listener.tls_inspector.v3.TlsInspector"}
        over_tls = _listener(OVER_TLS_LISTENER, tls, chains, reuse_port)
        over_tls["listener_filters"] = [
            {"name": "envoy.filters.listener.tls_inspector", "typed_config": inspector},
        ]
        listeners.append(over_tls)
    clusters: dict[str, Json] = {}
    endpoints: dict[str, Json] = {}
    for service in declaration.entities["services"]:
        forward = Forward(service, declaration.find("upstreams", service["host"]), [])
        targets = plan.targets(declaration, forward)
        cluster = _cluster(forward, targets, directory)
        clusters.setdefault(cluster["name"], cluster)
        if cluster["type"] == "EDS":
            endpoints[cluster["name"]] = _assignment(cluster["name"], targets)
    return Xds(
        listeners=listeners,
        routes=[{"name": ROUTES, "virtual_hosts": [_virtual_host(declaration)]}],
        clusters=list(clusters.values()),
        endpoints=list(endpoints.values()),
    )


def _listener(name: str, where: Address, chains: list[Json], reuse_port: bool) -> Json:
    return {
        "name": name,
        "address": {"socket_address": {"address": where.host, "port_value": where.port}},
        # With it two gateways can bind one port, and each gets some of the connections: only workers of one may.
        "enable_reuse_port": reuse_port,
        "filter_chains": chains,
    }


def _chain(directory: Path, certificate: Served | None = None) -> Json:
    """Return what becomes of a connection; with a *certificate*, of one over TLS that asks for a name of it."""
    chain: Json = {
        "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": _manager(directory)}]
    }
    if certificate is None:
        return chain
    pair = {
        "certificate_chain": {"inline_string": certificate.chain},
        "private_key": {"inline_string": certificate.key},
    }
    context = {
        "@type": f"{_EXTENSION}transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"tls_certificates": [pair], "alpn_protocols": ["h2", "http/1.1"]},
    }
    chain["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    if ANY not in certificate.names:
        chain["filter_chain_match"] = {"server_names": list(certificate.names)}
    return chain


def _manager(directory: Path) -> Json:
    return {
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
        "local_reply_config": {"mappers": [*(_failure(*failure) for failure in _FAILURES), *_own_answers()]},
        "http_filters": [
            {
                "name": "stickyconf.header_buffer",  # of another name than a hook's, whose routes configure theirs
                "typed_config": {
                    "@type": f"{_EXTENSION}filters.http.lua.v3.Lua",
                    "default_source_code": {"inline_string": _REFUSES_A_LARGE_COOKIE},
                },
            },
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


def _failure(flags: list[str], status: int, message: str) -> Json:
    shaped = _in_kongs_shape(message, plain=status in plan.IN_PLAIN_TEXT)
    return {"filter": {"response_flag_filter": {"flags": flags}}, "status_code": status, **shaped}


def _own_answers() -> Iterator[Json]:
    """Yield the shapes of all other answers of Envoy's and of routes: the first that fits is taken."""
    told = "%LOCAL_REPLY_BODY%"
    yield {**_of_status("EQ", 431), "status_code": 400, **_in_kongs_shape(plan.TOO_LARGE, plain=True)}
    yield {**_of_status("EQ", 400), **_in_kongs_shape(told, plain=True)}
    yield {**_of_status("GE", 0), **_in_kongs_shape(told, plain=False)}


def _of_status(comparison: str, status: int) -> Json:
    value = {"default_value": status, "runtime_key": "unset"}
    return {"filter": {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}}


def _in_kongs_shape(message: str, *, plain: bool) -> Json:
    """Headers and body of an answer of the gateway's own, in Envoy's terms."""
    named = {"Via": plan.VIA, "X-Kong-Response-Latency": "0", "X-Kong-Request-Id": _REQUEST_ID}
    if plain:
        text = {"text_format_source": {"inline_string": f"{message}\nrequest_id: {_REQUEST_ID}\n"}}
        body: Json = {**text, "content_type": "text/plain; charset=utf-8"}
    else:
        said = {"message": message, "request_id": _REQUEST_ID}
        body = {"json_format": said, "content_type": "application/json; charset=utf-8"}
    headers = [{"header": {"key": name, "value": value}} for name, value in named.items()]
    return {"body_format_override": body, "headers_to_add": headers}


def _virtual_host(declaration: Declaration) -> Json:
    routes = [_route(entry, outcome) for entry, outcome in plan.outcomes(declaration)]
    nothing = {"match": {"prefix": "/"}, **plugins.answer(404, plan.NO_ROUTE)}
    # Kong ranks hosts among other criteria, so they are matched in the routes, not as virtual hosts.
    return {"name": LISTENER, "domains": ["*"], "routes": [*routes, nothing]}


def _route(entry: router.Entry, outcome: Answer | Forward) -> Json:
    named = {"name": entry.route["name"] or entry.route["id"], "match": entry.match}
    if isinstance(outcome, Answer):
        return {**named, **plugins.answer(outcome.status, outcome.message)}
    changes = plugins.header_changes(outcome.acting)
    return {**named, "route": _action(entry, outcome), **_stickiness(outcome), **changes}


def _action(entry: router.Entry, forward: Forward) -> Json:
    service, upstream = forward.service, forward.upstream
    action: Json = {
        "cluster": forward.pool,
        "timeout": "0s",  # Kong bounds the silence between two reads or writes, not the whole exchange
        "idle_timeout": f"{forward.patience:g}s",
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
        action["host_rewrite_literal"] = forward.host
    if upstream and upstream["algorithm"] == "consistent-hashing":
        action["hash_policy"] = list(_hash_policies(upstream))
    return action


def _stickiness(forward: Forward) -> Json:
    if not forward.cookie:
        return {}
    cookie = dict(zip(("name", "path"), forward.cookie, strict=True))
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


def _cluster(forward: Forward, targets: list[Entity], directory: Path) -> Json:
    name, service = forward.pool, forward.service
    cluster: Json = {
        "name": name,
        "connect_timeout": f"{service['connect_timeout'] / 1000:g}s",
        **_balancing(forward.upstream),
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
        **_health(health.checks(forward.upstream)),
    }
    if all(_is_ip(plan.place(target)[0]) for target in targets):
        cluster["type"] = "EDS"
        cluster["eds_cluster_config"] = {"eds_config": source(directory, endpoint_file(name))}
    else:
        cluster["type"] = "STRICT_DNS"
        cluster["dns_lookup_family"] = "V4_PREFERRED"  # Kong asks for A records first
        cluster["load_assignment"] = _assignment(name, targets)
    if service["protocol"] in OVER_TLS:
        context = {"@type": f"{_EXTENSION}transport_sockets.tls.v3.UpstreamTlsContext", "sni": service["host"]}
        cluster["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return cluster


def _health(checks: health.Health | None) -> Json:
    """Return what takes a host out of a cluster, and lets it serve again."""
    found: Json = {}
    if checks and checks.failures:
        found["outlier_detection"] = {
            "consecutive_5xx": checks.failures,
            "max_ejection_percent": 100,
            **dict.fromkeys(("base_ejection_time", "max_ejection_time"), "86400s"),  # as Kong: not by time
            "split_external_local_origin_errors": True,  # a refused connection is no answer
            **dict.fromkeys(
                (f"enforcing_{what}" for what in ("success_rate", "consecutive_gateway_failure", *_LOCAL)), 0
            ),
        }
    if checks and (probe := checks.probe):
        seconds = f"{probe.interval:g}s"
        asked = {
            "path": probe.path,
            "expected_statuses": [{"start": one, "end": one + 1} for one in probe.statuses],
            "retriable_statuses": [{"start": 100, "end": 600}],  # count the others, too: one is not enough
        }
        found["health_checks"] = [
            {
                **dict.fromkeys(("interval", "no_traffic_interval"), seconds),
                "timeout": f"{probe.timeout:g}s",
                "healthy_threshold": max(1, probe.successes),
                "unhealthy_threshold": probe.failures or _NEVER,
                "http_health_check": asked,
            }
        ]
        found["ignore_health_on_host_removal"] = True
    return found


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
    address = dict(zip(("address", "port_value"), plan.place(target), strict=True))
    return {
        "endpoint": {"address": {"socket_address": address}},
        # Envoy refuses weight 0. DRAINING means the same: no new sessions, the old ones go on.
        "health_status": "HEALTHY" if target["weight"] else "DRAINING",
        "load_balancing_weight": target["weight"] or 1,
    }


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
