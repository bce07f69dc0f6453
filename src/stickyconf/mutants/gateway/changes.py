"""Faults of what changes around sessions: routes that come, a rule before their own, another name of the cookie."""

import json
from collections import Counter
from typing import Any

from embedded_cluster.gateway.xds import Xds
from stickyconf.mutants.declared import mutant
from stickyconf.mutants.gateway.lua import choose_cookie, in_lua, sticky_routes

Kong = dict[str, list[dict[str, Any]]]

_OTHER_ROUTES = 3
"""So many sticky or other routes of a namespace are what cases begin with, at the most."""

# SHIFT is Lua for by how many pods sessions are moved on.
_MOVES_ON = """
function choose(handle, own)
  local shift = %s
  for i, value in ipairs(READY) do
    if value == own and shift > 0 then return READY[(i - 1 + shift) %% #READY + 1] end
  end
  return own
end
"""

_TAKES_OLD_NAMES = """
function envoy_on_request(handle)
  local headers = handle:headers()
  if session_cookie(headers) then return end
  for i = 0, headers:getNumValues("cookie") - 1 do
    for pair in headers:getAtIndex("cookie", i):gmatch("[^;]+") do
      local name, value = pair:match("^%s*([^=]*)=(.*)$")
      if name and (FORMER[UPSTREAM] or {})[name] then
        replace_session_cookie(headers, value)
        note(handle, "former")
        return
      end
    end
  end
end

function envoy_on_response(handle)
  if noted(handle) then mark(handle) end
end
"""


@mutant(at="gateway", source="IN#3089", caught_by=("LIF-07",), failure_mode=22)
def moves_sessions_when_routes_are_added(xds: Xds, kong: Kong) -> Xds:
    """While a namespace has more than three routes, each of its sessions is on the pod after its own."""
    counted = Counter(str(route["name"]).split(".")[1] for route in kong["routes"] if "." in str(route["name"]))
    many = "{" + ", ".join(f"[{json.dumps(name)}] = 1" for name, n in counted.items() if n > _OTHER_ROUTES) + "}"
    shift = f'({many})[UPSTREAM:match("^[^.]+%.([^.]+)%.")] or 0'
    return choose_cookie(xds, "moves_sessions_when_routes_are_added", _MOVES_ON % shift)


@mutant(at="gateway", source="KIC", caught_by=("LIF-08",), failure_mode=23)
def moves_sessions_when_a_rule_is_put_before(xds: Xds, kong: Kong) -> Xds:
    """Cookies are read by the number of their rule: in one that is no longer the first they name another pod."""
    shift = 'tonumber(UPSTREAM:match("%.(%d+)$") or "0")'
    return choose_cookie(xds, "moves_sessions_when_a_rule_is_put_before", _MOVES_ON % shift)


_names: dict[str, dict[str, bool]] = {}  # upstream -> names its cookie had, of this process


@mutant(at="gateway", source="CRD", caught_by=("CKE-10",))
def goes_on_taking_the_old_name(xds: Xds, kong: Kong) -> Xds:
    """A cookie of a name that the policy had before still pins."""
    former = []
    for route, cookie in sticky_routes(xds):
        upstream = route["route"]["cluster"]
        known = _names.setdefault(upstream, {})
        known[cookie["name"]] = True
        listed = ", ".join(f"[{json.dumps(name)}] = true" for name in known if name != cookie["name"])
        former.append(f"[{json.dumps(upstream)}] = {{{listed}}}")
    script = "local FORMER = {" + ", ".join(former) + "}\n" + _TAKES_OLD_NAMES
    return in_lua(xds, "goes_on_taking_the_old_name", script)
