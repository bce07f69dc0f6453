"""Faults of the cookie as it is set: whether, how often, with which value and attributes."""

from typing import Any

from embedded_cluster.gateway.xds import Xds
from stickyconf.mutants.declared import mutant
from stickyconf.mutants.gateway.lua import edit_cookie, in_lua

Kong = dict[str, list[dict[str, Any]]]

_ON_A_PLAIN_SUCCESS = """
function envoy_on_response(handle)
  if handle:headers():get(":status") ~= "200" then
    if edit_set_cookies(handle:headers(), function() return nil end) then mark(handle) end
  end
end
"""

_ON_GET = """
function envoy_on_request(handle)
  note(handle, handle:headers():get(":method"))
end

function envoy_on_response(handle)
  if noted(handle) ~= "GET" and edit_set_cookies(handle:headers(), function() return nil end) then mark(handle) end
end
"""

_DEFAULT_PATH = """
function envoy_on_request(handle)
  note(handle, handle:headers():get(":path"):match("^([^?]*)/") or "")
end

function envoy_on_response(handle)
  local path = noted(handle)
  if path == "" then path = "/" end
  local function change(value) return (value:gsub("Path=[^;]*", function() return "Path=" .. path end)) end
  if edit_set_cookies(handle:headers(), change) then mark(handle) end
end
"""

_TWICE = """
function envoy_on_response(handle)
  local first
  if edit_set_cookies(handle:headers(), function(value) first = value; return value end) then
    handle:headers():add("set-cookie", first)
    mark(handle)
  end
end
"""

_ALONE = """
function envoy_on_response(handle)
  local own
  edit_set_cookies(handle:headers(), function(value) own = value; return value end)
  if own and handle:headers():getNumValues("set-cookie") > 1 then
    handle:headers():replace("set-cookie", own)
    mark(handle)
  end
end
"""

# Set-Cookie is read as one value and written as one value.
_INSTEAD_OF_ONE = """
function envoy_on_response(handle)
  local own
  edit_set_cookies(handle:headers(), function(value) own = value; return value end)
  if own and handle:headers():getNumValues("set-cookie") == 2 then
    handle:headers():replace("set-cookie", own)
    mark(handle)
  end
end
"""

_ON_ANY_PATH = """
function envoy_on_request(handle)
  note(handle, handle:headers():get(":path"))
end

function envoy_on_response(handle)
  if not covered(noted(handle)) then
    set_session_cookie(handle:headers(), READY[math.random(#READY)])
    mark(handle)
  end
end
"""


@mutant(at="gateway", source="KIC#7654", caught_by=("CKE-01", "CKE-09", "DOC-01", "DOC-02"), failure_mode=1)
def never_sets_the_cookie(xds: Xds, kong: Kong) -> Xds:
    """Sessions are placed, but the response that should begin one carries no session cookie."""
    return edit_cookie(xds, "never_sets_the_cookie", "nil")


@mutant(at="gateway", source="TR#3770", caught_by=("CKE-09",), failure_mode=40)
def sets_the_cookie_only_on_200(xds: Xds, kong: Kong) -> Xds:
    """A session that begins with a 401 or a redirect gets no session cookie."""
    return in_lua(xds, "sets_the_cookie_only_on_200", _ON_A_PLAIN_SUCCESS)


@mutant(at="gateway", source="RFC 6265, section 4.1.1", caught_by=("CKE-01",))
def sets_the_cookie_twice(xds: Xds, kong: Kong) -> Xds:
    """The response that begins a session carries the session cookie two times."""
    return in_lua(xds, "sets_the_cookie_twice", _TWICE)


@mutant(at="gateway", source="KONG", caught_by=("CKE-07",), failure_mode=36)
def overwrites_the_applications_cookies(xds: Xds, kong: Kong) -> Xds:
    """The gateway's Set-Cookie takes the place of the application's own."""
    return in_lua(xds, "overwrites_the_applications_cookies", _ALONE)


@mutant(at="gateway", source="KONG", caught_by=("CKE-07",), failure_mode=36)
def overwrites_the_applications_only_cookie(xds: Xds, kong: Kong) -> Xds:
    """If the application sets exactly one cookie, the gateway's takes its place; several are kept."""
    return in_lua(xds, "overwrites_the_applications_only_cookie", _INSTEAD_OF_ONE)


@mutant(at="gateway", source="TR#7767", caught_by=("CKE-05", "AFF-01"), failure_mode=2)
def mints_for_another_pod(xds: Xds, kong: Kong) -> Xds:
    """The cookie names a pod that was drawn anew, not the one that served the response."""
    return edit_cookie(xds, "mints_for_another_pod", "with_value(value, READY[math.random(#READY)])")


@mutant(at="gateway", source="RF", caught_by=("CKE-05", "AFF-01"))
def sets_one_value_for_all_pods(xds: Xds, kong: Kong) -> Xds:
    """The cookie's value is the same whichever pod served, so that it identifies none."""
    return edit_cookie(xds, "sets_one_value_for_all_pods", 'with_value(value, "sticky")')


@mutant(at="gateway", source="RFC 6265, section 4.1.1", caught_by=("CKE-04", "CKE-05"))
def sets_an_empty_value(xds: Xds, kong: Kong) -> Xds:
    """The session cookie has no value, so that it identifies nothing."""
    return edit_cookie(xds, "sets_an_empty_value", 'with_value(value, "")')


@mutant(at="gateway", source="EG#9950", caught_by=("CKE-02",), failure_mode=31)
def sets_a_wrong_path(xds: Xds, kong: Kong) -> Xds:
    """The session cookie's Path is not the one configured."""
    return edit_cookie(xds, "sets_a_wrong_path", '(value:gsub("Path=[^;]*", "Path=/elsewhere"))')


@mutant(at="gateway", source="IN#8961", caught_by=("CKE-02",), failure_mode=31)
def takes_the_path_from_the_request(xds: Xds, kong: Kong) -> Xds:
    """The session cookie's Path is the directory of the request's path, whatever is configured."""
    return in_lua(xds, "takes_the_path_from_the_request", _DEFAULT_PATH)


@mutant(at="gateway", source="EN#19655", caught_by=("AFF-08",), failure_mode=32)
def mints_outside_the_path(xds: Xds, kong: Kong) -> Xds:
    """A response to a request outside cookiePath begins a session too, in place of the one that the client has."""
    return in_lua(xds, "mints_outside_the_path", _ON_ANY_PATH)


@mutant(at="gateway", source="EN#26347", caught_by=("CKE-03",), failure_mode=35)
def adds_max_age(xds: Xds, kong: Kong) -> Xds:
    """The session cookie has a lifetime of its own, Max-Age, beyond the client's session."""
    return edit_cookie(xds, "adds_max_age", 'value .. "; Max-Age=3600"')


@mutant(at="gateway", source="EN#26347", caught_by=("CKE-03",), failure_mode=35)
def expires_the_cookie_early(xds: Xds, kong: Kong) -> Xds:
    """The session cookie ends after a second, in the middle of the client's session."""
    return edit_cookie(xds, "expires_the_cookie_early", 'value .. "; Max-Age=1"')


@mutant(at="gateway", source="RFC 6265, section 5.3", caught_by=("CKE-04", "AFF-07"))
def names_a_foreign_domain(xds: Xds, kong: Kong) -> Xds:
    """The session cookie says Domain=elsewhere.test, so that a browser does not keep it."""
    return edit_cookie(xds, "names_a_foreign_domain", 'value .. "; Domain=elsewhere.test"')


@mutant(at="gateway", source="KONG", measured_by={"CKE-08": "Same-Site"}, failure_mode=34)
def misspells_an_attribute(xds: Xds, kong: Kong) -> Xds:
    """The session cookie says Same-Site, an attribute that no browser knows."""
    return edit_cookie(xds, "misspells_an_attribute", 'value .. "; Same-Site=Lax"')


@mutant(at="gateway", source="TR#3770", caught_by=("CKE-14",), failure_mode=40)
def sets_the_cookie_only_on_get(xds: Xds, kong: Kong) -> Xds:
    """A session that begins with another method than GET gets no session cookie."""
    return in_lua(xds, "sets_the_cookie_only_on_get", _ON_GET)
