"""Faults of delivery: a request that reaches no pod, or more than one; an answer that another client gets."""

from typing import Any

from embedded_cluster.gateway.xds import Xds
from stickyconf.mutants.declared import mutant
from stickyconf.mutants.gateway.lua import in_lua, sticky_routes
from stickyconf.mutants.gateway.twins import before_sticky_routes, matching

Kong = dict[str, list[dict[str, Any]]]

_MARKS_POSTS = """
function envoy_on_request(handle)
  if handle:headers():get(":method") == "POST" then note(handle, "post") end
end

function envoy_on_response(handle)
  if noted(handle) == "post" then mark(handle) end
end
"""

# What says whose answer it is: a client that is given all of it has the answer of another.
_SWAPS = """
local OF_THE_ANSWER, last = {"echo-pod", "echo-request-id"}, nil

function envoy_on_response(handle)
  local headers, own = handle:headers(), {}
  for _, name in ipairs(OF_THE_ANSWER) do own[name] = headers:get(name) end
  if last and own["echo-pod"] and math.random() < 0.01 then
    for _, name in ipairs(OF_THE_ANSWER) do headers:replace(name, last[name]) end
    mark(handle)
  end
  if own["echo-pod"] then last = own end
end
"""


_KNOWS_NO_ROUTE = """
local asked = 0

function envoy_on_request(handle)
  asked = asked + 1
  if asked % 100 == 0 then handle:respond({[":status"] = "404", [MARK] = MUTANT}, "no Route matched") end
end
"""


@mutant(at="gateway", source="UP", caught_by=("ROB-11",))
def delivers_every_post_twice(xds: Xds, kong: Kong) -> Xds:
    """A POST reaches a pod, and a second time the same pod or another one, whose answer nobody gets."""
    in_lua(xds, "delivers_every_post_twice", _MARKS_POSTS)
    return before_sticky_routes(xds, _mirrored)


@mutant(at="gateway", source="UP", caught_by=("ROB-11",))
def sends_a_post_again_that_was_received(xds: Xds, kong: Kong) -> Xds:
    """A POST whose pod died before it had answered is sent to another pod, as if it were a GET."""
    for route, _ in sticky_routes(xds):
        policy = route["route"].get("retry_policy")
        if policy and "reset" not in policy["retry_on"].split(","):
            policy["retry_on"] += ",reset"
    return in_lua(xds, "sends_a_post_again_that_was_received", _MARKS_POSTS)


@mutant(at="gateway", source="RFC 9110, section 3.4", caught_by=("ROB-12",))
def swaps_answers(xds: Xds, kong: Kong) -> Xds:
    """One answer in a hundred is that to another client's request."""
    return in_lua(xds, "swaps_answers", _SWAPS)


@mutant(at="gateway", source="KIC#2255", caught_by=("AFF-01",))
def knows_no_route_for_one_in_a_hundred(xds: Xds, kong: Kong) -> Xds:
    """One request in a hundred is answered 404 by the gateway itself, with or without a cookie."""
    return in_lua(xds, "knows_no_route_for_one_in_a_hundred", _KNOWS_NO_ROUTE)


def _mirrored(route: dict[str, Any]) -> dict[str, Any]:
    is_post = {"name": ":method", "string_match": {"exact": "POST"}}
    copies = [{"cluster": route["route"]["cluster"]}]
    return {**route, "match": matching(route, is_post), "route": {**route["route"], "request_mirror_policies": copies}}
