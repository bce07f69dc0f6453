"""A gateway that is older than sticky sessions."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.scenarios import Topology
from stickyconf.scenarios.attachment import attach_to_an_older_gateway

# 13, as in test_annotation.
history = recorded(
    "older-gateway",
    attach_to_an_older_gateway(sessions=13, requests=6),
    topology=Topology(attached=False),
)


@requirement("API-11")
def test_older_gateway_is_told_apart(history, judge):
    """Before Gateway 3.11 a Warning on the Service names the policy and 3.11.0, and traffic flows on, unsticky."""
    judge(checks.older_gateway_is_told_apart, history)
