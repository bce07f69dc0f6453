"""Legitimate differences between gateways, which no check may object to.

Hooks of the gateway like its faults, marked in the same way.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from embedded_cluster.gateway.xds import Xds
from embedded_cluster.lifeline import die_with_parent_of
from stickyconf.mutants.declared import benign
from stickyconf.mutants.gateway.lua import (
    choose_cookie,
    edit_cookie,
    in_lua,
    mark_placements,
    members,
    sticky_routes,
)

Kong = dict[str, list[dict[str, Any]]]

_ISSUES_AGAIN = """
function envoy_on_request(handle)
  local own = session_cookie(handle:headers())
  if own then note(handle, own) end
end

function envoy_on_response(handle)
  local own, issued = noted(handle), false
  edit_set_cookies(handle:headers(), function(value) issued = true; return value end)
  if own and not issued then
    set_session_cookie(handle:headers(), own)
    mark(handle)
  end
end
"""

_KEEPS_THE_COOKIE = """
function envoy_on_request(handle)
  local own = session_cookie(handle:headers())
  for _, member in ipairs(MEMBERS) do if member.value == own then note(handle, own) end end
end

function envoy_on_response(handle)
  local own = noted(handle)
  local function change(line) return with_value(line, own) end
  if own and edit_set_cookies(handle:headers(), change) then mark(handle) end
end
"""

_SETS_OTHERS = """
function envoy_on_response(handle)
  handle:headers():add("set-cookie", "visited=1; Path=/; Max-Age=3600")
  handle:headers():add("set-cookie", "zone=a; Path=/; Secure; SameSite=None")
  mark(handle)
end
"""

_HINTS = """
function envoy_on_request(handle)
  handle:headers():replace("echo-early-hints", "1")
end

function envoy_on_response(handle)
  mark(handle)
end
"""

# TOKENS: what stands for each member's value in those that clients see. A value that was never issued stays as it came.
_TRANSLATES = """
local ALPHABET, by_token = "0123456789abcdef", {}
for _, member in ipairs(MEMBERS) do by_token[TOKENS[member.value]] = member.value end

function random(count)
  local characters = {}
  for i = 1, count do
    local at = math.random(#ALPHABET)
    characters[i] = ALPHABET:sub(at, at)
  end
  return table.concat(characters)
end

function envoy_on_request(handle)
  local own = session_cookie(handle:headers())
  local value = own and by_token[token_in(own)]
  if value then replace_session_cookie(handle:headers(), value) end
end

function envoy_on_response(handle)
  local function change(line)
    local token = TOKENS[value_of(line)]
    return token and with_value(line, value_with(token)) or line
  end
  if edit_set_cookies(handle:headers(), change) then mark(handle) end
end
"""

_WORKERS = """
local turns = {}

function choose(handle, own)
  if own or #DEALT == 0 or not covered(handle:headers():get(":path")) then return own end
  local worker = connection(handle) % 4
  turns[worker] = (turns[worker] or worker) + 1
  return DEALT[turns[worker] % #DEALT + 1]
end
"""


@benign(at="gateway", source="nginx/kubernetes-ingress#1600", failure_mode=30)
def issues_the_cookie_on_every_response(xds: Xds, kong: Kong) -> Xds:
    """The cookie is set on every response, with the value the request had."""
    return in_lua(xds, "issues_the_cookie_on_every_response", _ISSUES_AGAIN)


@benign(at="gateway", source="RFC 6265, section 4.1.1")
def sets_an_unquoted_value(xds: Xds, kong: Kong) -> Xds:
    """The value stands without quotes: base64 with its padding, one for each pod."""
    return _translate(xds, "sets_an_unquoted_value", _base64, whole="token", inside="value")


@benign(at="gateway", source="RFC 6265, section 4.1.1")
def sets_an_opaque_value(xds: Xds, kong: Kong) -> Xds:
    """The value is a digest in hexadecimal, one for each pod."""
    return _translate(xds, "sets_an_opaque_value", _digest, whole="token", inside="value")


@benign(at="gateway", source="RFC 6265, section 4.1.1")
def sets_a_quoted_value(xds: Xds, kong: Kong) -> Xds:
    """The value is a digest in quotes, which belong to it."""
    return _translate(xds, "sets_a_quoted_value", lambda a: f'"{_digest(a)}"', whole="token", inside="value")


@benign(at="gateway", source="RFC 6265, section 4.1.1")
def sets_a_value_with_a_comma(xds: Xds, kong: Kong) -> Xds:
    """The value holds a comma and a blank, which servers SHOULD NOT use in values; user agents keep them."""
    return _translate(xds, "sets_a_value_with_a_comma", lambda a: f"{_digest(a)}, v1", whole="token", inside="value")


@benign(at="gateway", source="RFC 6265, section 6.1")
def sets_a_long_value(xds: Xds, kong: Kong) -> Xds:
    """The value is 1 KB long, and another one for each client."""
    return _translate(xds, "sets_a_long_value", _digest, whole="random(984) .. token", inside="value:sub(-40)")


@benign(at="gateway", source="RF")
def sets_a_uuid_per_pod(xds: Xds, kong: Kong) -> Xds:
    """The value is a UUID, one for each pod."""
    return _translate(xds, "sets_a_uuid_per_pod", lambda a: _uuid(_digest(a)), whole="token", inside="value")


@benign(at="gateway", source="RF")
def sets_a_uuid_per_client(xds: Xds, kong: Kong) -> Xds:
    """The value is a UUID, another one for each client."""
    head = '("%s-%s-4%s-a%s-"):format(random(8), random(4), random(3), random(3))'
    return _translate(
        xds, "sets_a_uuid_per_client", lambda a: _digest(a)[:12], whole=f"{head} .. token", inside="value:sub(-12)"
    )


@benign(at="gateway", source="RFC 6265, section 4.1.1")
def sets_base64_per_client(xds: Xds, kong: Kong) -> Xds:
    """The value is base64 with signs that URLs do not have, another one for each client."""
    return _translate(
        xds, "sets_base64_per_client", _base64, whole='random(16) .. "+/" .. token', inside="value:sub(19)"
    )


@benign(at="gateway", source="GEP-1619")
def leaves_http_only_away(xds: Xds, kong: Kong) -> Xds:
    """The cookie can be read by scripts: it has no HttpOnly."""
    return edit_cookie(xds, "leaves_http_only_away", '(value:gsub("; *HttpOnly", ""))')


@benign(at="gateway", source="GEP-1619")
def adds_same_site(xds: Xds, kong: Kong) -> Xds:
    """The cookie says SameSite=Lax."""
    return edit_cookie(xds, "adds_same_site", 'value .. "; SameSite=Lax"')


@benign(at="gateway", source="GEP-1619")
def adds_secure(xds: Xds, kong: Kong) -> Xds:
    """The cookie says Secure and SameSite=None."""
    return edit_cookie(xds, "adds_secure", 'value .. "; Secure; SameSite=None"')


@benign(at="gateway", source="RFC 6265, section 5.2.4")
def spells_path_in_lower_case(xds: Xds, kong: Kong) -> Xds:
    """The cookie's attributes are spelt path and httponly."""
    return edit_cookie(xds, "spells_path_in_lower_case", '(value:gsub("Path=", "path="):gsub("HttpOnly", "httponly"))')


@benign(at="gateway", source="UP")
def places_sessions_at_random(xds: Xds, kong: Kong) -> Xds:
    """New sessions go to any pod by chance, by the pods' weights, and not in turn."""
    for cluster in xds.clusters:
        cluster["lb_policy"] = "MAGLEV"  # by chance, as sticky routes have no hash policy; RANDOM knows no weights
    return mark_placements(xds, "places_sessions_at_random")


@benign(at="gateway", source="UP")
def places_sessions_by_four_workers(xds: Xds, kong: Kong) -> Xds:
    """Four workers, each with its own connections, place new sessions in turn, each for itself."""
    return choose_cookie(xds, "places_sessions_by_four_workers", _WORKERS)


@benign(at="gateway", source="UP")
def keeps_the_cookie_while_a_dead_target_is_listed(xds: Xds, kong: Kong) -> Xds:
    """A request that was tried on a dead pod is served by another, and the cookie stays until the target is removed."""
    return in_lua(xds, "keeps_the_cookie_while_a_dead_target_is_listed", _KEEPS_THE_COOKIE)


@benign(at="gateway", source="RFC 6265, section 4.1")
def sets_more_cookies(xds: Xds, kong: Kong) -> Xds:
    """Each response carries cookies of others beside the gateway's and the application's."""
    return in_lua(xds, "sets_more_cookies", _SETS_OTHERS)


@benign(at="gateway", source="RFC 8297")
def relays_early_hints(xds: Xds, kong: Kong) -> Xds:
    """Each response comes after an informational one, 103 Early Hints."""
    for listener in xds.listeners:
        for chain in listener["filter_chains"]:
            for network_filter in chain["filters"]:
                network_filter["typed_config"]["proxy_100_continue"] = True
    return in_lua(xds, "relays_early_hints", _HINTS)


@benign(at="gateway", source="RF", options=("--sync-period", "3"))
def converges_slowly(xds: Xds, kong: Kong) -> Xds:
    """The controller looks at the cluster every 3 s, as Kong's does."""
    return mark_placements(xds, "converges_slowly")  # what makes it slow is an option of its cluster


@benign(at="gateway", source="RF", options=("--node-pace", "real", "--sync-period", "3"))
def ends_pods_at_the_pace_of_a_real_node(xds: Xds, kong: Kong) -> Xds:
    """Pods end as slowly as on a real node, and their objects go after their endpoints; KIC looks every 3 s."""
    return mark_placements(xds, "ends_pods_at_the_pace_of_a_real_node")  # the rest are options of its cluster


@benign(at="gateway", source="RF", options=("--gateway-replicas", "2"))
def replicas_follow_each_other(xds: Xds, kong: Kong) -> Xds:
    """Of two gateway replicas one follows half a second after the other."""
    if int(os.environ.get("POD_IP", "127.0.0.1").rpartition(".")[2]) % 2:
        time.sleep(0.5)  # the difference itself: nothing is awaited
    return mark_placements(xds, "replicas_follow_each_other")


@benign(at="gateway", source="KONG", options=("--gateway-workers", "4", "--worker-lag", "1"))
def lags_by_worker(xds: Xds, kong: Kong) -> Xds:
    """Of four workers the first acts on a configuration as the Admin API shows it, and the last a second later."""
    return mark_placements(xds, "lags_by_worker")  # the rest are options of its cluster


@benign(at="gateway", source="RF", options=("--sync-period", "5"))
def looks_every_five_seconds(xds: Xds, kong: Kong) -> Xds:
    """The controller looks at the cluster every 5 s."""
    return mark_placements(xds, "looks_every_five_seconds")  # the rest is an option of its cluster


@benign(at="gateway", source="RF", options=("--gateway-replicas", "2", "--balancer"))
def balances_connections_over_two_replicas(xds: Xds, kong: Kong) -> Xds:
    """A balancer gives each connection to one of two gateway replicas."""
    return mark_placements(xds, "balances_connections_over_two_replicas")  # the rest are options of its cluster


_load: list[subprocess.Popen[bytes]] = []


@benign(at="gateway", source="RF")
def keeps_the_machine_busy(xds: Xds, kong: Kong) -> Xds:
    """Every processor is busy with other work, too."""
    while len(_load) < (os.cpu_count() or 1):
        busy = [sys.executable, "-c", "while True: pass"]
        _load.append(subprocess.Popen(busy, preexec_fn=die_with_parent_of(os.getpid())))
    return mark_placements(xds, "keeps_the_machine_busy")


def _translate(xds: Xds, name: str, token_of: Callable[[str], str], *, whole: str, inside: str) -> Xds:
    """Let clients see other values than Envoy's.

    *token_of* gives what stands for an address. *whole* is Lua for a value that holds the ``token``, *inside* for the
    token that a ``value`` holds.
    """
    rows = {
        member.value: token_of(member.address)
        for route, _ in sticky_routes(xds)
        for member in members(xds, route["route"]["cluster"])
    }
    table = ", ".join(f"[{json.dumps(value)}] = {json.dumps(shown)}" for value, shown in rows.items())
    known = [
        f"local TOKENS = {{{table}}}",
        f"function value_with(token) return {whole} end",
        f"function token_in(value) return {inside} end",
    ]
    return in_lua(xds, name, "\n".join([*known, _TRANSLATES]))


def _digest(address: str) -> str:
    return hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()


def _base64(address: str) -> str:
    return base64.b64encode(bytes.fromhex(_digest(address))).decode()


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-5{digits[12:15]}-8{digits[15:18]}-{digits[18:30]}"
