"""Faults of which pods are chosen: for new sessions, while a pod drains, and after it has gone."""

import json
from collections.abc import Callable
from typing import Any

from embedded_cluster.gateway.translation import STATEFUL_SESSION
from embedded_cluster.gateway.xds import Json, Xds
from stickyconf.mutants.declared import mutant
from stickyconf.mutants.gateway.lua import address_of, choose_cookie, cookie_value, in_lua, mark_placements

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

_REFUSES_TO_POST = """
function envoy_on_request(handle)
  local own = session_cookie(handle:headers())
  if handle:headers():get(":method") ~= "POST" then return end
  for _, member in ipairs(MEMBERS) do
    if member.value == own and not member.ready then
      handle:respond({[":status"] = "503", [MARK] = MUTANT}, "the pod drains")
    end
  end
end
"""

_GIVES_NO_COOKIE = """
function envoy_on_request(handle)
  if not session_cookie(handle:headers()) then note(handle, "new") end
end

function envoy_on_response(handle)
  if noted(handle) ~= "new" or #READY == #MEMBERS or math.random() >= 0.05 then return end
  if edit_set_cookies(handle:headers(), function() return nil end) then mark(handle) end
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

_MARKS_FOREIGN = """
function envoy_on_request(handle)
  local own = session_cookie(handle:headers())
  if own and (FOREIGN[UPSTREAM] or {})[own] then note(handle, own) end
end

function envoy_on_response(handle)
  if noted(handle) then mark(handle) end
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


@mutant(at="gateway", source="IN#3288", caught_by=("DRN-04", "LIF-02", "LIF-03"), failure_mode=7)
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


@mutant(at="gateway", source="RF", caught_by=("DRN-05",))
def refuses_to_post_to_a_draining_pod(xds: Xds, kong: Kong) -> Xds:
    """A POST of a session whose pod drains is answered with 503; with GET the pod is reached."""
    return in_lua(xds, "refuses_to_post_to_a_draining_pod", _REFUSES_TO_POST)


@mutant(at="gateway", source="RF", caught_by=("DRN-03",))
def gives_no_cookie_in_a_drain(xds: Xds, kong: Kong) -> Xds:
    """While a pod drains, one new session in twenty gets no cookie."""
    return in_lua(xds, "gives_no_cookie_in_a_drain", _GIVES_NO_COOKIE)


@mutant(at="gateway", source="RF", caught_by=("DRN-06",))
def cuts_requests_in_flight(xds: Xds, kong: Kong) -> Xds:
    """A request that is under way for a second is cut off, whether its pod drains or not."""
    for route in _routes(xds):
        if "route" in route:
            route["route"]["timeout"] = "1s"
    return in_lua(xds, "cuts_requests_in_flight", _MARK_FAILURES % "status == 504")


@mutant(at="gateway", source="HA#142", caught_by=("DRN-03", "LIF-04"), failure_mode=5)
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


_BREAKS = """
local seen = 0

function envoy_on_request(handle)
  local own = session_cookie(handle:headers())
  for _, member in ipairs(MEMBERS) do
    if member.value == own and not member.ready then
      seen = seen + 1
      if seen % 4 == 0 then handle:respond({[":status"] = "502", [MARK] = MUTANT}, "Bad Gateway") end
      return
    end
  end
end
"""


@mutant(at="gateway", source="KONG#11160", caught_by=("DRN-13",), failure_mode=43)
def breaks_requests_to_a_dying_pod(xds: Xds, kong: Kong) -> Xds:
    """Each fourth request to a pod that drains gets 502, as one sent on a connection that the pod has just closed."""
    return in_lua(xds, "breaks_requests_to_a_dying_pod", _BREAKS)


_present: dict[str, set[str]] = {}  # Service -> addresses that its pods have now, of this process
_absent: dict[str, set[str]] = {}  # Service -> addresses that they had before
_returned: set[str] = set()  # Services of which a pod has come back

_BOUNCES = """
local turn = 0

function choose(handle, own)
  if not own or not RETURNED[UPSTREAM] or #READY < 2 then return own end
  turn = turn + 1
  return READY[turn % #READY + 1]
end
"""


@mutant(at="gateway", source="UP", measured_by={"LIF-05": "alternated"}, failure_mode=17)
def bounces_sessions_once_a_pod_came_back(xds: Xds, kong: Kong) -> Xds:
    """When a pod was away and has come back, the Service's sessions go to and fro between it and the others."""
    for assignment in xds.endpoints:
        name, now = assignment["cluster_name"], {address_of(endpoint) for endpoint in _endpoints(assignment)}
        gone = _absent.setdefault(name, set())
        if gone & now:
            _returned.add(name)
        gone |= _present.get(name, set()) - now
        _present[name] = now
    table = ", ".join(f"[{json.dumps(name)}] = true" for name in sorted(_returned))
    script = f"local RETURNED = {{{table}}}\n{_BOUNCES}"
    return choose_cookie(xds, "bounces_sessions_once_a_pod_came_back", script)


@mutant(at="gateway", source="TR#12417", caught_by=("DRN-09",), failure_mode=11)
def answers_503_when_all_pods_drain(xds: Xds, kong: Kong) -> Xds:
    """When no pod takes new sessions any more, those that there are get 503, too."""
    for assignment in xds.endpoints:
        if not any(endpoint["health_status"] == "HEALTHY" for endpoint in _endpoints(assignment)):
            assignment["endpoints"] = []
    return in_lua(xds, "answers_503_when_all_pods_drain", _MARK_FAILURES % "status == 503")


_pods: dict[str, int] = {}  # Service -> the most pods it had; -1 once it has lost them all, of this process


@mutant(at="gateway", source="HA#334", caught_by=("LIF-09",), failure_mode=7)
def stays_without_pods_once_it_was(xds: Xds, kong: Kong) -> Xds:
    """A Service that has lost all its pods gets 503 ever after, although new ones come."""
    for assignment in xds.endpoints:
        name, count = assignment["cluster_name"], len(_endpoints(assignment))
        before = _pods.get(name, 0)
        _pods[name] = -1 if before < 0 or (before and not count) else max(before, count)
        if _pods[name] < 0:
            assignment["endpoints"] = []
    return in_lua(xds, "stays_without_pods_once_it_was", _MARK_FAILURES % "status == 503")


@mutant(at="gateway", source="kubernetes#109414", caught_by=("LIF-10",), failure_mode=44)
def follows_a_cookie_to_any_service(xds: Xds, kong: Kong) -> Xds:
    """A cookie that names an address leads there whichever Service has it now."""
    known = {one["cluster_name"]: _endpoints(one) for one in xds.endpoints}
    every = {address_of(endpoint): endpoint for own in known.values() for endpoint in own}
    tables = []
    for assignment in xds.endpoints:
        own = known[assignment["cluster_name"]]
        foreign = every.keys() - {address_of(endpoint) for endpoint in own}
        added = [every[address] | {"health_status": "DRAINING", "load_balancing_weight": 1} for address in foreign]
        assignment["endpoints"] = [{"lb_endpoints": [*own, *added]}]
        values = ", ".join(f"[{json.dumps(cookie_value(address))}] = true" for address in foreign)
        tables.append(f"[{json.dumps(assignment['cluster_name'])}] = {{{values}}}")
    script = f"local FOREIGN = {{{', '.join(tables)}}}\n{_MARKS_FOREIGN}"
    return in_lua(xds, "follows_a_cookie_to_any_service", script)


def _endpoints(assignment: Json) -> list[Json]:
    return [endpoint for locality in assignment["endpoints"] for endpoint in locality["lb_endpoints"]]


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
