"""Faults of which pods are chosen: for new sessions, while a pod drains, and after it has gone."""

from collections.abc import Callable
from typing import Any

from embedded_cluster.gateway.translation import STATEFUL_SESSION
from embedded_cluster.gateway.xds import Json, Xds
from stickyconf.mutants.declared import mutant
from stickyconf.mutants.gateway.lua import address_of, choose_cookie, in_lua, mark_placements

Kong = dict[str, list[dict[str, Any]]]

_MARK_FAILURES = """
function envoy_on_response(handle)
  local status = tonumber(handle:headers():get(":status"))
  if %s and handle:headers():get("x-envoy-upstream-service-time") == nil then mark(handle) end
end
"""

_RESHUFFLES = """
function choose(handle, own)
  if #READY == #MEMBERS then return own end
  for i, value in ipairs(READY) do
    if value == own then return READY[i % #READY + 1] end
  end
  return own
end
"""

# Three pods are what cases begin with.
_DEALS_ANEW = """
function choose(handle, own)
  if not own or #READY <= 3 then return own end
  return READY[digest(own) % #READY + 1]
end
"""

# A worker of four serves a quarter of the connections. This one ignores draining.
_STALE_WORKER = """
function choose(handle, own)
  if own or #MEMBERS == 0 or connection(handle) % 4 ~= 0 then return own end
  return MEMBERS[math.random(#MEMBERS)].value
end
"""


@mutant(at="gateway", source="IN#3056", caught_by=("SPR-01", "SPR-02"))
def starves_a_pod(xds: Xds, kong: Kong) -> Xds:
    """One pod of each Service gets no new sessions."""
    return _close(xds, "starves_a_pod", lambda ready: ready[:1])


@mutant(at="gateway", source="TR#5521", caught_by=("SPR-01", "SPR-02", "AFF-05"))
def places_all_sessions_on_one_pod(xds: Xds, kong: Kong) -> Xds:
    """One pod of each Service gets all new sessions."""
    return _close(xds, "places_all_sessions_on_one_pod", lambda ready: ready[1:])


@mutant(at="gateway", source="IN#3056", caught_by=("SPR-02",))
def slights_a_pod(xds: Xds, kong: Kong) -> Xds:
    """One pod of each Service gets an eighth of the new sessions that any other gets."""
    for ready in _ready_endpoints(xds):
        for rank, endpoint in enumerate(ready):
            endpoint["load_balancing_weight"] = 8 if rank else 1
    return mark_placements(xds, "slights_a_pod")


@mutant(at="gateway", source="UP", caught_by=("SPR-03",))
def places_sessions_by_load(xds: Xds, kong: Kong) -> Xds:
    """New sessions go to the pod with the fewest requests under way, whatever the weights are."""
    for cluster in xds.clusters:
        cluster["lb_policy"] = "LEAST_REQUEST"
        cluster["least_request_lb_config"] = {"selection_method": "FULL_SCAN"}
    return mark_placements(xds, "places_sessions_by_load")


@mutant(at="gateway", source="RF", caught_by=("SPR-05",))
def refuses_a_rush(xds: Xds, kong: Kong) -> Xds:
    """More than eight requests at a time are answered with 503."""
    for cluster in xds.clusters:
        cluster["circuit_breakers"] = {"thresholds": [{"max_requests": 8, "max_retries": 100_000}]}
    return in_lua(xds, "refuses_a_rush", _MARK_FAILURES % "status == 503")


@mutant(at="gateway", source="IN#3288", caught_by=("DRN-04", "DRN-05", "LIF-02", "LIF-03"), failure_mode=7)
def trusts_the_cookie_blindly(xds: Xds, kong: Kong) -> Xds:
    """A cookie that names no pod any more is still followed: 503 as long as the client has it."""
    for route in _routes(xds):
        route.get("route", {}).pop("retry_policy", None)
        own = route.get("typed_per_filter_config", {}).get(STATEFUL_SESSION)
        if own:
            own["stateful_session"]["strict"] = True
    return in_lua(xds, "trusts_the_cookie_blindly", _MARK_FAILURES % "status >= 502")


@mutant(at="gateway", source="IN#4035", caught_by=("DRN-15",), failure_mode=38)
def never_tries_another_pod(xds: Xds, kong: Kong) -> Xds:
    """A request to a pod that does not answer fails, again and again, and none goes elsewhere."""
    for route in _routes(xds):
        route.get("route", {}).pop("retry_policy", None)
    return in_lua(xds, "never_tries_another_pod", _MARK_FAILURES % "status >= 502")


@mutant(at="gateway", source="RF", caught_by=("DRN-06",))
def cuts_requests_in_flight(xds: Xds, kong: Kong) -> Xds:
    """A request that is under way for a second is cut off, whether its pod drains or not."""
    for route in _routes(xds):
        if "route" in route:
            route["route"]["timeout"] = "1s"
    return in_lua(xds, "cuts_requests_in_flight", _MARK_FAILURES % "status == 504")


@mutant(at="gateway", source="RF", caught_by=("DRN-03",))
def reshuffles_sessions_during_a_drain(xds: Xds, kong: Kong) -> Xds:
    """While a pod drains, the sessions of all the others move on by one pod."""
    return choose_cookie(xds, "reshuffles_sessions_during_a_drain", _RESHUFFLES)


@mutant(at="gateway", source="IN#4475", caught_by=("LIF-01",), failure_mode=4)
def deals_sessions_anew_when_pods_are_added(xds: Xds, kong: Kong) -> Xds:
    """When there are more pods than before, a hash of its cookie says where a session goes, as a hash ring does."""
    return choose_cookie(xds, "deals_sessions_anew_when_pods_are_added", _DEALS_ANEW)


@mutant(at="gateway", source="IN#3335", caught_by=("ROB-09",), failure_mode=26)
def leaves_a_worker_with_the_old_targets(xds: Xds, kong: Kong) -> Xds:
    """One of four workers goes on placing new sessions on a pod that drains."""
    return choose_cookie(xds, "leaves_a_worker_with_the_old_targets", _STALE_WORKER)


def _close(xds: Xds, fault: str, to_close: Callable[[list[Json]], list[Json]]) -> Xds:
    """Let what *to_close* takes from the ready endpoints of each Service keep its sessions and get no new ones."""
    for ready in _ready_endpoints(xds):
        for endpoint in to_close(ready):
            endpoint["health_status"] = "DRAINING"
            endpoint["load_balancing_weight"] = 1
    return mark_placements(xds, fault)


def _routes(xds: Xds) -> list[dict[str, Any]]:
    return [route for routes in xds.routes for host in routes["virtual_hosts"] for route in host["routes"]]


def _ready_endpoints(xds: Xds) -> list[list[dict[str, Any]]]:
    """Return for each Service its endpoints that take new sessions, sorted by address."""
    return [
        sorted((e for e in locality["lb_endpoints"] if e["health_status"] == "HEALTHY"), key=address_of)
        for assignment in xds.endpoints
        for locality in assignment["endpoints"]
    ]
