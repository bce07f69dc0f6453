"""Faults that show only when the gateway has several replicas, or new ones."""

import os
from typing import Any

from embedded_cluster.gateway.xds import Xds
from stickyconf.mutants.declared import RESPONSE_MARK, mutant
from stickyconf.mutants.gateway.lua import in_lua

Kong = dict[str, list[dict[str, Any]]]

# SALT is another one in each replica. A value with another replica's salt counts as none.
_SALTS = """
local TIE = "~" .. digest(SALT) .. '"'

function envoy_on_request(handle)
  local own = session_cookie(handle:headers())
  if not own then return end
  if own:sub(-#TIE) == TIE then
    replace_session_cookie(handle:headers(), own:sub(1, -#TIE - 1) .. '"')
  elseif own:match('~%d+"$') then
    replace_session_cookie(handle:headers(), nil)
    note(handle, "astray")
  end
end

function envoy_on_response(handle)
  edit_set_cookies(handle:headers(), function(line) return with_value(line, value_of(line):sub(1, -2) .. TIE) end)
  if noted(handle) then mark(handle) end
end
"""


@mutant(at="gateway", source="KIC#970", caught_by=("ROB-05", "ROB-06", "LIF-11", "UPG-02"), failure_mode=25)
def knows_only_its_own_cookies(xds: Xds, kong: Kong) -> Xds:
    """A gateway replica follows only the cookies that it has set itself."""
    salt = os.environ.get("POD_IP", "")
    return in_lua(xds, "knows_only_its_own_cookies", f'local SALT = "{salt}"\n{_SALTS}')


_pushes: list[int] = []  # of this process


@mutant(at="gateway", source="KIC#6219", caught_by=("LIF-11", "ROB-05", "ROB-06", "UPG-02"), failure_mode=24)
def is_ready_before_it_has_routes(xds: Xds, kong: Kong) -> Xds:
    """A new gateway replica takes part with its first configuration, in which it answers every route with 404."""
    if not kong["routes"] or _pushes:
        return xds
    _pushes.append(1)
    for routes in xds.routes:
        for host in routes["virtual_hosts"]:
            host["routes"] = [
                {
                    "match": route["match"],
                    "direct_response": {"status": 404},
                    "response_headers_to_add": [
                        {"header": {"key": RESPONSE_MARK, "value": "is_ready_before_it_has_routes"}}
                    ],
                }
                for route in host["routes"]
            ]
    return xds
