"""Requests into nowhere: the address of a pod that has gone swallows connections, as it can on a real node."""

import functools
import json
import socket
from typing import Any

from embedded_cluster.gateway.xds import Xds
from stickyconf.mutants.declared import benign, mutant
from stickyconf.mutants.gateway.lua import in_lua, members, sticky_routes
from stickyconf.mutants.gateway.twins import to_named_addresses

Kong = dict[str, list[dict[str, Any]]]

# GONE: the values of the cookie that name pods which have gone.
_INTO_NOWHERE = """
function envoy_on_request(handle)
  handle:headers():remove("x-envoy-original-dst-host")
  local own = session_cookie(handle:headers())
  if not own then return end
  if KEEPS and not GONE[own] then note(handle, own) end
  if not GONE[own] or not swallowed(own) then return end
  handle:headers():replace("x-envoy-original-dst-host", NOWHERE)
  handle:clearRouteCache()
end

function envoy_on_response(handle)
  local own = noted(handle)
  if own then edit_set_cookies(handle:headers(), function(line) return with_value(line, own) end) end
  if next(GONE) then mark(handle) end
end
"""

_ONCE = """
local asked = {}
function swallowed(value)
  local first = not asked[value]
  asked[value] = true
  return first
end
"""

# The cookie is kept, or a session whose pod is dead but listed would have moved before its target is removed.
_ALWAYS = """
local KEEPS = true
function swallowed() return true end
"""

_known: dict[str, set[str]] = {}  # route's cluster -> values of its targets so far, of this process
_held: list[socket.socket] = []


@benign(at="gateway", source="UP")
def swallows_a_request_to_a_pod_that_has_gone(xds: Xds, kong: Kong) -> Xds:
    """One request to the address of a removed pod gets no answer; the next one of its session is served."""
    return _swallow(xds, "swallows_a_request_to_a_pod_that_has_gone", _ONCE)


@mutant(at="gateway", source="UP", caught_by=("LIF-02",))
def goes_on_asking_a_pod_that_has_gone(xds: Xds, kong: Kong) -> Xds:
    """The address of a removed pod swallows connections, and its sessions are sent there again and again."""
    return _swallow(xds, "goes_on_asking_a_pod_that_has_gone", _ALWAYS)


def _swallow(xds: Xds, fault: str, swallowed: str) -> Xds:
    """Give each sticky route a twin that leads into nowhere, for requests to a pod that has gone."""
    gone: set[str] = set()
    for route, _ in sticky_routes(xds):
        cluster = route["route"]["cluster"]
        now, before = {one.value for one in members(xds, cluster)}, _known.setdefault(cluster, set())
        before |= now
        gone |= before - now
    table = ", ".join(f"[{json.dumps(value)}] = true" for value in sorted(gone))
    head = f"local GONE, NOWHERE = {{{table}}}, {json.dumps(_nowhere())}\n"
    in_lua(xds, fault, head + swallowed + _INTO_NOWHERE)
    return to_named_addresses(xds, "nowhere", "600s", retries=False)


@functools.cache
def _nowhere() -> str:
    """Return an address that swallows connections: a socket whose queue of those that wait is full."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    _held.append(listener)
    address = listener.getsockname()
    for _ in range(4):
        waiting = socket.socket()
        waiting.setblocking(False)
        waiting.connect_ex(address)
        _held.append(waiting)
    return f"{address[0]}:{address[1]}"
