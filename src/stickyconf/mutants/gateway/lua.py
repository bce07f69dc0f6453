"""What a fault does to single exchanges, in Lua: a filter before, and on the way back after, Envoy's stickiness.

Envoy ignores a script that fails at run time, so a script marks what it touches, and nothing else.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from embedded_cluster.gateway.translation import STATEFUL_SESSION
from embedded_cluster.gateway.xds import Xds
from stickyconf.mutants.declared import RESPONSE_MARK

_LUA = "envoy.filters.http.lua"
_TYPE = "type.googleapis.com/envoy.extensions.filters.http.lua.v3"

# Known to every script: COOKIE and PATH of the session cookie, UPSTREAM, the name of the route's, its MEMBERS
# (value, ready, weight) by address, READY (their values), DEALT (the same, each as often as its share of the
# weights says, and no oftener than needed), MUTANT and MARK, and these functions.
_KNOWN = """
local READY, DEALT, unit = {}, {}, 0
for _, member in ipairs(MEMBERS) do
  if member.ready then
    READY[#READY + 1] = member.value
    local rest = member.weight
    while rest > 0 do unit, rest = rest, unit % rest end
  end
end
for _, member in ipairs(MEMBERS) do
  for _ = 1, member.ready and member.weight / unit or 0 do DEALT[#DEALT + 1] = member.value end
end

-- Whether a user agent sends the session cookie with a request for this path.
function covered(path) return path:sub(1, #PATH) == PATH end

-- The value of the request's session cookie, the first one of several; nil without one.
function session_cookie(headers)
  for i = 0, headers:getNumValues("cookie") - 1 do
    for pair in headers:getAtIndex("cookie", i):gmatch("[^;]+") do
      local name, value = pair:match("^%s*([^=]*)=(.*)$")
      if name == COOKIE then return value end
    end
  end
end

-- Gives the request this value of the session cookie instead of what it has; nil takes the cookie away.
function replace_session_cookie(headers, value)
  local fields = {}
  for i = 0, headers:getNumValues("cookie") - 1 do
    local kept = {}
    for pair in headers:getAtIndex("cookie", i):gmatch("[^;]+") do
      if pair:match("^%s*([^=]*)=") ~= COOKIE then kept[#kept + 1] = pair end
    end
    if #kept > 0 then fields[#fields + 1] = table.concat(kept, ";") end
  end
  if value then fields[#fields + 1] = COOKIE .. "=" .. value end
  headers:remove("cookie")
  for _, field in ipairs(fields) do headers:add("cookie", field) end
end

-- Calls change() with each Set-Cookie of the session cookie; what it returns is sent instead, nil is nothing.
function edit_set_cookies(headers, change)
  local values, touched = {}, false
  for i = 0, headers:getNumValues("set-cookie") - 1 do
    local value = headers:getAtIndex("set-cookie", i)
    if value:match("^([^=]*)=") == COOKIE then
      value, touched = change(value), true
    end
    values[#values + 1] = value
  end
  if touched then
    headers:remove("set-cookie")
    for _, value in ipairs(values) do headers:add("set-cookie", value) end
  end
  return touched
end

function set_session_cookie(headers, value)
  headers:add("set-cookie", COOKIE .. "=" .. value .. "; Path=" .. PATH .. "; HttpOnly")
end

function with_value(set_cookie, value)
  return (set_cookie:gsub("^([^=]*)=[^;]*", function(name) return name .. "=" .. value end))
end

function value_of(set_cookie) return set_cookie:match("^[^=]*=([^;]*)") end

-- Keeps a text from a request to its response.
function note(handle, text) handle:streamInfo():dynamicMetadata():set("mutant", "noted", text) end
function noted(handle) return (handle:streamInfo():dynamicMetadata():get("mutant") or {}).noted end

function mark(handle) handle:headers():replace(MARK, MUTANT) end

function digest(text)
  local sum = 7
  for i = 1, #text do sum = (sum * 31 + text:byte(i)) % 16777213 end
  return sum
end

function connection(handle) return digest(handle:streamInfo():downstreamDirectRemoteAddress()) end
"""

_ON_SET_COOKIE = """
function envoy_on_response(handle)
  if edit_set_cookies(handle:headers(), function(value) return %s end) then mark(handle) end
end
"""

# choose() gets the request's session cookie, or nil, and says which one the gateway is to use instead.
_ON_CHOICE = """
function envoy_on_request(handle)
  local own = session_cookie(handle:headers())
  local chosen = choose(handle, own)
  if chosen ~= own then
    replace_session_cookie(handle:headers(), chosen)
    note(handle, not own and chosen or "astray")
  end
end

function envoy_on_response(handle)
  local instead = noted(handle)
  if instead then
    edit_set_cookies(handle:headers(), function() return nil end)
    if instead ~= "astray" then set_session_cookie(handle:headers(), instead) end
    mark(handle)
  end
end
"""


# A value that is tied to something else counts as none.
_TIES = """
local TIE = "~" .. digest(%s) .. '"'

function envoy_on_request(handle)
  local own = session_cookie(handle:headers())
  if not own then return end
  if own:sub(-#TIE) == TIE then
    replace_session_cookie(handle:headers(), own:sub(1, -#TIE - 1) .. '"')
  elseif own:match('~%%d+"$') then
    replace_session_cookie(handle:headers(), nil)
    note(handle, "astray")
  end
end

function envoy_on_response(handle)
  edit_set_cookies(handle:headers(), function(line) return with_value(line, value_of(line):sub(1, -2) .. TIE) end)
  if noted(handle) then mark(handle) end
end
"""


@dataclass(frozen=True, slots=True)
class Member:
    """A target by Envoy's cookie: ``ip:port``, the cookie's value, whether new sessions go there, and its weight."""

    address: str
    value: str
    ready: bool
    weight: int


def members(xds: Xds, cluster: str) -> list[Member]:
    """Return the targets of a cluster, sorted by address; none if they come from DNS."""
    found = []
    for assignment in xds.endpoints:
        if assignment["cluster_name"] == cluster:
            for locality in assignment["endpoints"]:
                for endpoint in locality["lb_endpoints"]:
                    address = address_of(endpoint)
                    ready, weight = endpoint["health_status"] == "HEALTHY", endpoint["load_balancing_weight"]
                    found.append(Member(address, cookie_value(address), ready, weight))
    return sorted(found, key=lambda member: member.address)


def address_of(endpoint: Mapping[str, Any]) -> str:
    """Return ``ip:port`` of an endpoint."""
    address = endpoint["endpoint"]["address"]["socket_address"]
    return f"{address['address']}:{address['port_value']}"


def cookie_value(address: str) -> str:
    """Return what Envoy's session cookie says of a target: in quotes, base64 of a message whose field 1 is ip:port."""
    message = b"\x0a" + bytes([len(address)]) + address.encode()
    return f'"{base64.b64encode(message).decode()}"'


def sticky_routes(xds: Xds) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each sticky route with its session cookie's settings, ``name`` and ``path``."""
    for routes in xds.routes:
        for host in routes["virtual_hosts"]:
            for route in host["routes"]:
                own = route.get("typed_per_filter_config", {}).get(STATEFUL_SESSION)
                if own:
                    yield route, own["stateful_session"]["session_state"]["typed_config"]["cookie"]


def edit_cookie(xds: Xds, mutant: str, new_value: str) -> Xds:
    """Have *new_value*, Lua for what becomes of a Set-Cookie ``value``, applied to the session cookie."""
    return in_lua(xds, mutant, _ON_SET_COOKIE % new_value)


def mark_placements(xds: Xds, mutant: str) -> Xds:
    """Mark the responses that begin a session; the cookie stays as it is."""
    return edit_cookie(xds, mutant, "value")


def choose_cookie(xds: Xds, mutant: str, choose: str) -> Xds:
    """Have *choose*, Lua with a function ``choose(handle, own)``, say which session cookie is used."""
    return in_lua(xds, mutant, choose + _ON_CHOICE)


def tie_cookies(xds: Xds, mutant: str, to: str) -> Xds:
    """Have each cookie's value tied to what *to*, Lua for a text, is where it is set; elsewhere it counts as none."""
    return in_lua(xds, mutant, _TIES % to)


def in_lua(xds: Xds, mutant: str, script: str) -> Xds:
    """Run *script* on every sticky route, after what it may know (see ``_KNOWN``)."""
    for listener in xds.listeners:
        for chain in listener["filter_chains"]:
            filters = chain["filters"][0]["typed_config"]["http_filters"]
            filters.insert(0, {"name": _LUA, "typed_config": {"@type": f"{_TYPE}.Lua"}})
    for route, cookie in sticky_routes(xds):
        names = {"COOKIE": cookie["name"], "PATH": cookie["path"], "MUTANT": mutant, "MARK": RESPONSE_MARK}
        names["UPSTREAM"] = route["route"]["cluster"]
        lines = [f"local {name} = {json.dumps(value)}" for name, value in names.items()]
        lines.append(f"local MEMBERS = {_table(members(xds, route['route']['cluster']))}")
        source = "\n".join([*lines, _KNOWN, script])
        route["typed_per_filter_config"][_LUA] = {
            "@type": f"{_TYPE}.LuaPerRoute",
            "source_code": {"inline_string": source},
        }
    return xds


def _table(found: list[Member]) -> str:
    rows = [
        f"{{value = {json.dumps(one.value)}, ready = {json.dumps(one.ready)}, weight = {one.weight}}}" for one in found
    ]
    return "{" + ", ".join(rows) + "}"
