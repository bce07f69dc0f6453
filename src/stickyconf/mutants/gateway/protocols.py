"""Faults that short requests over HTTP/1.1 do not show: of sockets, streams, shared connections, large bodies."""

from typing import Any

from embedded_cluster.gateway.xds import Xds
from stickyconf.mutants.declared import mutant
from stickyconf.mutants.gateway.lua import choose_cookie, in_lua, sticky_routes

Kong = dict[str, list[dict[str, Any]]]

_NO_COOKIE_WITH_101 = """
function envoy_on_response(handle)
  if handle:headers():get(":status") == "101" then
    if edit_set_cookies(handle:headers(), function() return nil end) then mark(handle) end
  end
end
"""

_PINS_NO_UPGRADE = """
function choose(handle, own)
  if handle:headers():get("upgrade") then return READY[math.random(#READY)] end
  return own
end
"""

_PINS_NO_LARGE_BODY = """
function choose(handle, own)
  if tonumber(handle:headers():get("content-length") or "0") > 65536 then return READY[math.random(#READY)] end
  return own
end
"""

_PINS_NOT_OVER_TLS = """
function choose(handle, own)
  if handle:connection():ssl() then return READY[math.random(#READY)] end
  return own
end
"""

# Another route is chosen, and its script, which is the same, handles the response.
_FIRST_HOST = """
function envoy_on_request(handle)
  local host = handle:headers():get(":authority")
  local first = host:gsub("^neighbour%.", "")
  if handle:streamInfo():protocol() == "HTTP/2" and first ~= host then
    handle:headers():replace(":authority", first)
    handle:clearRouteCache()
    note(handle, "moved")
  end
end

function envoy_on_response(handle)
  if noted(handle) then mark(handle) end
end
"""

_OF_A_STREAM = """
function envoy_on_response(handle)
  if (handle:headers():get("content-type") or ""):match("event%-stream") then mark(handle) end
end
"""


@mutant(at="gateway", source="TR#3770", caught_by=("PRO-03",), failure_mode=40)
def sets_no_cookie_with_101(xds: Xds, kong: Kong) -> Xds:
    """A session that begins with an upgrade to a WebSocket gets no cookie."""
    return in_lua(xds, "sets_no_cookie_with_101", _NO_COOKIE_WITH_101)


@mutant(at="gateway", source="UP", caught_by=("PRO-03",))
def pins_no_upgrade(xds: Xds, kong: Kong) -> Xds:
    """An upgrade to a WebSocket goes to any pod, whatever cookie it carries."""
    return choose_cookie(xds, "pins_no_upgrade", _PINS_NO_UPGRADE)


@mutant(at="gateway", source="UP", caught_by=("PRO-01", "AFF-06"))
def pins_not_over_tls(xds: Xds, kong: Kong) -> Xds:
    """A request over TLS goes to any pod, whatever cookie it carries."""
    return choose_cookie(xds, "pins_not_over_tls", _PINS_NOT_OVER_TLS)


@mutant(at="gateway", source="UP", caught_by=("PRO-06",))
def pins_no_large_body(xds: Xds, kong: Kong) -> Xds:
    """A request with a body of more than 64 KiB goes to any pod, whatever cookie it carries."""
    return choose_cookie(xds, "pins_no_large_body", _PINS_NO_LARGE_BODY)


@mutant(at="gateway", source="contour#1493", caught_by=("PRO-02",), failure_mode=46)
def routes_a_connection_by_its_first_host(xds: Xds, kong: Kong) -> Xds:
    """On an HTTP/2 connection a request for another host reaches the application that the connection was opened for."""
    return in_lua(xds, "routes_a_connection_by_its_first_host", _FIRST_HOST)


@mutant(at="gateway", source="KONG#5898", caught_by=("PRO-04",), failure_mode=28)
def cuts_streams(xds: Xds, kong: Kong) -> Xds:
    """A response that takes longer than half a second is cut, as by a worker that a reload ends."""
    for route, _ in sticky_routes(xds):
        route["route"]["timeout"] = "0.5s"
    return in_lua(xds, "cuts_streams", _OF_A_STREAM)
