"""Policies that the API server admits and the gateway does not take, beside a Service that goes on."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.checks.refusals import REFUSED
from stickyconf.scenarios import Policy, Topology
from stickyconf.scenarios.refusals import attach_a_policy_without_settings, refuse_policies_under_traffic

PATHS = dict(zip(REFUSED, ("app", "/a//b"), strict=True))

history = recorded(
    "refused-policy",
    attach_a_policy_without_settings(sessions=5, requests=3),
    refuse_policies_under_traffic({name: Policy(cookie_path=path).spec for name, path in PATHS.items()}),
    topology=Topology(replicas=2),
    alone=True,  # a controller that a refused policy stops configures nobody else either
)


@requirement("API-08")
def test_policy_without_settings_is_observed(history, judge):
    """What the gateway does with sticky-sessions without a stickySessions block, which the CRD lets through."""
    judge(checks.policy_without_settings_observed, history)


@requirement("API-13")
def test_refused_policies_are_announced(history, judge):
    """A policy with the cookiePath "app" or "/a//b", which the gateway refuses, is announced by an event."""
    judge(checks.refused_policies_are_announced, history)


@requirement("ROB-08")
def test_refused_policies_freeze_nothing(history, judge):
    """While such policies exist another Service is scaled, which arrives, and none of its requests fails."""
    judge(checks.refused_policies_freeze_nothing, history)
