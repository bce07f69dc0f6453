"""Cookies the gateway never set, malformed values, connections that might lag behind a change, a pod that recovers."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.checks.rotation import NEWCOMERS, connections_needed
from stickyconf.model import ECHO_PODS
from stickyconf.scenarios import Policy, Topology
from stickyconf.scenarios.drain import drain_under_a_rush
from stickyconf.scenarios.forgery import forge_unknown_values, lure_to_a_neighbour, send_malformed_values
from stickyconf.scenarios.recovery import let_a_pod_recover
from stickyconf.scenarios.visits import visit

forgery = recorded(
    "forgery",
    visit("pinned", sessions=7, requests=8),
    forge_unknown_values(sessions=2, requests=4),
    send_malformed_values(),
    lure_to_a_neighbour(),
)

fresh_connections = recorded(
    "fresh-connections",
    drain_under_a_rush(sessions=connections_needed, unsticky=NEWCOMERS.samples(ECHO_PODS)),
    topology=Topology(hold=True, drain=True),
)
recovered = recorded(
    "pod-recovered",
    let_a_pod_recover(sessions=checks.recovered_pod_serves_again.samples()),
    topology=Topology(policy=Policy(health_checks=True)),
)


@requirement("ROB-01")
def test_unknown_cookie_is_replaced(forgery, judge):
    """A request with a forged cookie is served by a ready pod and gets a new cookie, which pins."""
    judge(checks.forged_value_is_replaced, forgery)


@requirement("ROB-02")
def test_malformed_cookie_breaks_nothing(forgery, judge):
    """No value of a Cookie field is answered 5xx; one too long may be refused, and the gateway serves on."""
    judge(checks.malformed_value_breaks_nothing, forgery)


@requirement("ROB-03")
def test_cookie_cannot_send_the_gateway_elsewhere(forgery, judge):
    """A cookie that names another application's address, in any spelling, does not make the gateway connect there."""
    judge(checks.forged_address_is_never_dialled, forgery)


@requirement("ROB-09")
def test_no_connection_uses_the_old_targets(fresh_connections, judge):
    """Once a drain has converged, no new connection is served by the pod that left, with the policy or without it."""
    judge(checks.no_connection_uses_the_old_targets, fresh_connections)


@requirement("ROB-13")
def test_recovered_pod_serves_again(recovered, judge):
    """A pod that passive health checks took out for its 503s gets new sessions again once it answers 200."""
    judge(checks.recovered_pod_serves_again, recovered)
