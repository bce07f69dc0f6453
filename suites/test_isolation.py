"""Several Services behind one gateway, and clients whose jar holds the cookies of all of them."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.checks.isolation import ALTERNATING, BY_INGRESS, BY_ROUTE, NEWCOMERS, SHARED, SHOP, TWIN
from stickyconf.checks.spread import BY_WEIGHT
from stickyconf.scenarios.isolation import (
    alternate,
    keep_two_sessions,
    mix_policies,
    replay_cookies_at_the_neighbour,
    revisit_by_other_rules,
    stay,
    take_a_backend_out,
    visit_a_sibling_without_policy,
)
from stickyconf.scenarios.siblings import INGRESS, WEIGHTED, deploy_siblings
from stickyconf.scenarios.visits import visit

SESSIONS_BY_WEIGHT = checks.new_sessions_follow_the_backends.samples()

siblings = recorded(
    "isolation",
    deploy_siblings(),
    keep_two_sessions(),
    visit_a_sibling_without_policy(sessions=4, requests=8),
    alternate(SHARED, TWIN, sessions=4, rounds=2),
    alternate(ALTERNATING, SHOP, sessions=4, rounds=2),
    replay_cookies_at_the_neighbour(sessions=3),
    revisit_by_other_rules(sessions=4),
    stay(BY_ROUTE, sessions=5, requests=5),
    stay(BY_INGRESS, sessions=5, requests=5, host=INGRESS),
    visit(BY_WEIGHT, sessions=SESSIONS_BY_WEIGHT, requests=1, cookies="discard", host=WEIGHTED),
    take_a_backend_out(newcomers=NEWCOMERS),
    mix_policies(sessions=3),
    long=True,
)


@requirement("ISO-01")
def test_two_cookies_pin_independently(siblings, judge):
    """A client with a session at each of two Services stays on its pod at either, with both cookies in one jar."""
    judge(checks.cookies_pin_independently, siblings)


@requirement("ISO-02")
def test_one_cookie_for_two_services_is_overwritten(siblings, judge):
    """A client between two Services with one cookie and no common pod is placed anew each time; nothing fails."""
    judge(checks.cookie_of_two_services_is_overwritten, siblings)


@requirement("ISO-03")
def test_shared_pod_keeps_its_client(siblings, judge):
    """A client between two Services with one cookie and the same pods stays on its pod."""
    judge(checks.shared_pod_keeps_its_client, siblings)


@requirement("ISO-04")
def test_sibling_without_policy_is_not_sticky(siblings, judge):
    """A Service without the policy spreads even clients that have a session at the Service beside it."""
    judge(checks.sibling_without_policy_is_not_sticky, siblings)


@requirement("ISO-05")
def test_service_is_sticky_through_every_route(siblings, judge):
    """One Service behind an HTTPRoute and an Ingress keeps the sessions that came through either."""
    judge(checks.every_route_pins, siblings)


@requirement("PRO-05")
def test_ingress_pins_as_an_httproute_does(siblings, judge):
    """A Service behind an Ingress sets the cookie and keeps its sessions as behind an HTTPRoute."""
    judge(checks.every_route_pins, siblings)


@requirement("ISO-06")
def test_weighted_backends_keep_sessions(siblings, judge):
    """Sessions of a backend whose weight becomes 0 stay, and new ones go to the other."""
    judge(checks.weighted_backends_keep_sessions, siblings)


@requirement("SPR-06")
def test_new_sessions_follow_the_backends(siblings, judge):
    """A rule's backends with the weights 3 and 1, both with the policy, get new sessions in this proportion."""
    judge(checks.new_sessions_follow_the_backends, siblings)


@requirement("ISO-07")
def test_conflicting_policies_are_announced(siblings, judge):
    """A rule whose Services have different policies is announced by an event."""
    judge(checks.conflicting_policies_are_announced, siblings)


@requirement("ISO-08")
def test_cookie_opens_no_other_service(siblings, judge):
    """Cookies of one Service, shown to another, lead to that other's own pods."""
    judge(checks.cookie_opens_no_other_service, siblings)


@requirement("ISO-09")
def test_scope_of_a_session(siblings, judge):
    """The same Service by another route and by another rule: the session goes along, or it does not."""
    judge(checks.scope_of_a_session_observed, siblings)
