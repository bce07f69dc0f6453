"""The cookie itself, under the default path and under one of its own."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.scenarios import Policy, Topology
from stickyconf.scenarios.cookies import (
    ask_for_every_status,
    give_prefixed_names,
    let_the_application_set_cookies,
    open_by_every_method,
    use_a_library_jar,
)
from stickyconf.scenarios.visits import alternate, visit

history = recorded(
    "cookie",
    visit("visitor", sessions=40, requests=3),
    use_a_library_jar(sessions=10),
    let_the_application_set_cookies(sessions=5),
    ask_for_every_status(sessions=4),
    open_by_every_method(sessions=3),
    give_prefixed_names(),
)

# 13: no multiple of 3, so that clients dealt in turn would not come back to their pods.
under_a_path = recorded(
    "cookie-path",
    visit("visitor", sessions=20, requests=3, path="/app/page"),
    use_a_library_jar(sessions=5),
    alternate(sessions=13, rounds=4, paths=("/app/page", "/favicon.ico")),
    topology=Topology(policy=Policy(cookie="shop-session", cookie_path="/app")),
)


@requirement("CKE-01")
def test_first_response_sets_one_cookie(history, under_a_path, judge):
    """The response to a request without the cookie carries exactly one Set-Cookie of the configured name."""
    judge(checks.first_response_sets_one_cookie, history, under_a_path)


@requirement("CKE-02")
def test_path_is_the_configured_one(history, under_a_path, judge):
    """The cookie's Path attribute is the policy's cookiePath, "/" and another."""
    judge(checks.path_is_the_configured_one, history, under_a_path)


@requirement("CKE-03")
def test_cookie_ends_with_the_browser_session(history, under_a_path, judge):
    """The cookie has neither Expires nor Max-Age."""
    judge(checks.is_a_session_cookie, history, under_a_path)


@requirement("CKE-04")
def test_value_survives_a_jar(history, under_a_path, judge):
    """The value is non-empty and legal, and another cookie jar sends it back unchanged."""
    judge(checks.value_survives_a_jar, history, under_a_path)


@requirement("CKE-05")
def test_cookie_names_the_pod_that_served(history, under_a_path, judge):
    """The request after the one that got the cookie reaches the same pod."""
    judge(checks.cookie_names_the_pod_that_served, history, under_a_path)


@requirement("CKE-06")
def test_reissue_is_observed(history, judge):
    """How often the cookie is set again although the request carried a valid one."""
    judge(checks.reissue_observed, history)


@requirement("CKE-07")
def test_application_cookies_survive(history, judge):
    """The application's own Set-Cookie fields all arrive, unchanged and in order, beside the gateway's."""
    judge(checks.application_cookies_survive, history)


@requirement("CKE-08")
def test_attributes_are_observed(history, judge):
    """Secure, HttpOnly and SameSite as they are spelt, and attributes no browser knows."""
    judge(checks.attributes_observed, history)


@requirement("CKE-09")
def test_cookie_is_set_on_every_status(history, judge):
    """A first response carries the cookie whether the workload says 200, 204, 302, 401, 404 or 500."""
    judge(checks.cookie_is_set_on_every_status, history)


@requirement("CKE-11")
def test_value_format_is_observed(history, judge):
    """What the value looks like, what it identifies, and whether it discloses a pod's address."""
    judge(checks.value_format_observed, history)


@requirement("AFF-08")
def test_there_is_no_affinity_outside_the_path(under_a_path, judge):
    """Clients that ask in turn inside and outside cookiePath keep their pods inside, and are spread outside."""
    judge(checks.path_bounds_affinity, under_a_path)


@requirement("CKE-12")
def test_caching_is_observed(history, judge):
    """What Cache-Control says on responses that set the cookie, and how many a shared cache might store."""
    judge(checks.caching_observed, history)


@requirement("CKE-13")
def test_prefixed_names_are_observed(history, judge):
    """Whether a browser would keep a cookie named __Host- or __Secure- something as it is set."""
    judge(checks.prefixed_names_observed, history)


@requirement("CKE-14")
def test_cookie_is_set_whatever_method_opens(history, judge):
    """A first response carries the cookie whatever the method of the request was."""
    judge(checks.cookie_is_set_whatever_method_opens, history)
