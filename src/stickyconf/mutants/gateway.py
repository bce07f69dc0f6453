"""Faults of the embedded gateway: hooks that change the Envoy resources it is about to write.

Those that touch single exchanges do it in Lua, in a filter that sees a request before, and a response after, Envoy's
stickiness does. Envoy lets a script that fails at run time pass unnoticed, so a script marks what it touches.
"""

import json
from typing import Any

from stickyconf.embedded.gateway.translation import STATEFUL_SESSION
from stickyconf.embedded.gateway.xds import Xds

MARK = "x-mutant"  # the header of every response that a fault has touched; its value names the fault

_LUA = "envoy.filters.http.lua"
_TYPE = "type.googleapis.com/envoy.extensions.filters.http.lua.v3"

# Calls change() with each Set-Cookie of the session cookie; what it returns is sent instead, nil is nothing.
_EDIT_SET_COOKIES = """
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
"""

_ON_SET_COOKIE = """
function envoy_on_response(handle)
  if edit_set_cookies(handle:headers(), function(value) return %s end) then
    handle:headers():add(MARK, MUTANT)
  end
end
"""

_FORGETS = """
function envoy_on_request(handle)
  local headers, values, found = handle:headers(), {}, false
  for i = 0, headers:getNumValues("cookie") - 1 do
    local kept = {}
    for pair in headers:getAtIndex("cookie", i):gmatch("[^;]+") do
      if pair:match("^%s*([^=]*)=") == COOKIE then found = true else kept[#kept + 1] = pair end
    end
    if #kept > 0 then values[#values + 1] = table.concat(kept, ";") end
  end
  if found and math.random() < SHARE then
    headers:remove("cookie")
    for _, value in ipairs(values) do headers:add("cookie", value) end
    handle:streamInfo():dynamicMetadata():set("mutant", "forgot", "true")
  end
end

function envoy_on_response(handle)
  if handle:streamInfo():dynamicMetadata():get("mutant") then
    edit_set_cookies(handle:headers(), function() return nil end)
    handle:headers():add(MARK, MUTANT)
  end
end
"""


def never_sets_the_cookie(xds: Xds, kong: dict[str, Any]) -> Xds:
    """Sessions are placed, but the response that should begin one carries no session cookie."""
    return _edit_cookie(xds, "never_sets_the_cookie", "nil")


def ignores_the_cookie_sometimes(xds: Xds, kong: dict[str, Any]) -> Xds:
    """One request in twenty of a session reaches another pod than the session's, and the next is back."""
    # Of three pods the session's own is drawn again in a third of the cases: 7.5 % forgotten are 5 % astray.
    return _in_lua(xds, "ignores_the_cookie_sometimes", "local SHARE = 0.075" + _FORGETS)


def sets_a_wrong_path(xds: Xds, kong: dict[str, Any]) -> Xds:
    """The session cookie's Path is not the one configured."""
    return _edit_cookie(xds, "sets_a_wrong_path", '(value:gsub("Path=[^;]*", "Path=/elsewhere"))')


def adds_max_age(xds: Xds, kong: dict[str, Any]) -> Xds:
    """The session cookie has a lifetime of its own, Max-Age, beyond the client's session."""
    return _edit_cookie(xds, "adds_max_age", 'value .. "; Max-Age=3600"')


def starves_a_pod(xds: Xds, kong: dict[str, Any]) -> Xds:
    """One pod of each Service gets next to no new sessions."""
    for assignment in xds.endpoints:
        for locality in assignment["endpoints"]:
            ready = [e for e in locality["lb_endpoints"] if e["health_status"] == "HEALTHY"]
            for rank, endpoint in enumerate(sorted(ready, key=_address)):
                endpoint["load_balancing_weight"] = 1000 if rank else 1
    return _edit_cookie(xds, "starves_a_pod", "value")  # marks the placements; the cookie stays as it is


def _address(endpoint: dict[str, Any]) -> tuple[str, int]:
    address = endpoint["endpoint"]["address"]["socket_address"]
    return address["address"], address["port_value"]


def _edit_cookie(xds: Xds, mutant: str, new_value: str) -> Xds:
    """Have *new_value*, Lua for what becomes of a Set-Cookie ``value``, applied to the session cookie."""
    return _in_lua(xds, mutant, _ON_SET_COOKIE % new_value)


def _in_lua(xds: Xds, mutant: str, script: str) -> Xds:
    """Run *script* on every sticky route. It knows COOKIE, the session cookie's name, and its MUTANT and MARK."""
    for listener in xds.listeners:
        (chain,) = listener["filter_chains"]
        filters = chain["filters"][0]["typed_config"]["http_filters"]
        filters.insert(0, {"name": _LUA, "typed_config": {"@type": f"{_TYPE}.Lua"}})
    for routes in xds.routes:
        for host in routes["virtual_hosts"]:
            for route in host["routes"]:
                per_filter = route.get("typed_per_filter_config", {})
                if STATEFUL_SESSION in per_filter:
                    session = per_filter[STATEFUL_SESSION]["stateful_session"]["session_state"]["typed_config"]
                    names = {"COOKIE": session["cookie"]["name"], "MUTANT": mutant, "MARK": MARK}
                    known = "\n".join(f"local {name} = {json.dumps(value)}" for name, value in names.items())
                    source = f"{known}\n{_EDIT_SET_COOKIES}\n{script}"
                    per_filter[_LUA] = {"@type": f"{_TYPE}.LuaPerRoute", "source_code": {"inline_string": source}}
    return xds
