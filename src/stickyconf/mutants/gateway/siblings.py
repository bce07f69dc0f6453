"""Faults that show only when there are several Services: cookies that are mixed up, backends that are."""

import json
from typing import Any

from embedded_cluster.gateway.xds import Xds
from stickyconf.mutants.declared import mutant
from stickyconf.mutants.gateway.lua import choose_cookie, cookie_value, in_lua, mark_placements, tie_cookies

Kong = dict[str, list[dict[str, Any]]]

_READS_ANY_NAME = """
function known(headers)
  for i = 0, headers:getNumValues("cookie") - 1 do
    for pair in headers:getAtIndex("cookie", i):gmatch("[^;]+") do
      local value = pair:match("^%s*[^=]*=(.*)$")
      for _, member in ipairs(MEMBERS) do if member.value == value then return value end end
    end
  end
end

function envoy_on_request(handle)
  local own, first = session_cookie(handle:headers()), known(handle:headers())
  if first and first ~= own then
    replace_session_cookie(handle:headers(), first)
    note(handle, "astray")
  end
end

function envoy_on_response(handle)
  if noted(handle) then
    edit_set_cookies(handle:headers(), function() return nil end)
    mark(handle)
  end
end
"""

# KNOWN: the values of all targets there are.
_REFUSES_A_SIBLINGS = """
function envoy_on_request(handle)
  local own = session_cookie(handle:headers())
  for _, member in ipairs(MEMBERS) do if member.value == own then return end end
  if own and KNOWN[own] then
    handle:respond({[":status"] = "503", [MARK] = MUTANT}, "the target of the session is not available")
  end
end
"""

# A rule of one Service has three pods.
_CHOOSES_ANEW = """
function choose(handle, own)
  if not own or #MEMBERS <= 3 then return own end
  return READY[math.random(#READY)]
end
"""

_PINS_ONLY_SOME = """
function choose(handle, own)
  if #MEMBERS <= 3 then return own end
  for i, member in ipairs(MEMBERS) do
    if member.value == own and i <= 3 then return nil end
  end
  return own
end
"""


@mutant(at="gateway", source="UP", caught_by=("ISO-01",))
def reads_a_cookie_of_any_name(xds: Xds, kong: Kong) -> Xds:
    """The first cookie of a request whose value names a target is followed, whatever its name is."""
    return in_lua(xds, "reads_a_cookie_of_any_name", _READS_ANY_NAME)


@mutant(at="gateway", source="IN#1271", caught_by=("ISO-02",), failure_mode=33)
def refuses_the_cookie_of_a_sibling(xds: Xds, kong: Kong) -> Xds:
    """A cookie that names a target of another Service is answered with 503."""
    values = sorted({cookie_value(target["target"]) for target in kong["targets"]})
    known = ", ".join(f"[{json.dumps(value)}] = true" for value in values)
    return in_lua(xds, "refuses_the_cookie_of_a_sibling", f"local KNOWN = {{{known}}}\n{_REFUSES_A_SIBLINGS}")


@mutant(at="gateway", source="UP", caught_by=("ISO-03",))
def ties_a_cookie_to_its_upstream(xds: Xds, kong: Kong) -> Xds:
    """A cookie counts only at the upstream that set it, even if another one has the same target."""
    return tie_cookies(xds, "ties_a_cookie_to_its_upstream", "UPSTREAM")


@mutant(at="gateway", source="IN#3717", caught_by=("ISO-06",), failure_mode=19)
def chooses_the_backend_anew(xds: Xds, kong: Kong) -> Xds:
    """Through a rule of several Services each request reaches any pod, whatever its cookie says."""
    return choose_cookie(xds, "chooses_the_backend_anew", _CHOOSES_ANEW)


@mutant(at="gateway", source="flagger#1532", caught_by=("ISO-06",), failure_mode=20)
def pins_only_some_backends(xds: Xds, kong: Kong) -> Xds:
    """Through a rule of several Services only the sessions of some pods are kept."""
    return choose_cookie(xds, "pins_only_some_backends", _PINS_ONLY_SOME)


@mutant(at="gateway", source="UP", caught_by=("SPR-06",))
def ignores_weights(xds: Xds, kong: Kong) -> Xds:
    """New sessions are dealt to all targets alike, but for those at weight 0."""
    uneven = False
    for assignment in xds.endpoints:
        for locality in assignment["endpoints"]:
            open_ones = [one for one in locality["lb_endpoints"] if one["health_status"] == "HEALTHY"]
            uneven |= len({one["load_balancing_weight"] for one in open_ones}) > 1
            for endpoint in open_ones:
                endpoint["load_balancing_weight"] = 1
    return mark_placements(xds, "ignores_weights") if uneven else xds
