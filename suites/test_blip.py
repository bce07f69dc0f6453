"""A pod that fails its readiness probe: for a while, and while it drains. Recorded, for the sources disagree."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.scenarios import Topology
from stickyconf.scenarios.blip import blink

history = recorded("readiness", blink(), topology=Topology(replicas=2, hold=True, drain=True), long=True)


@requirement("LIF-05")
def test_readiness_blip_is_observed(history, judge):
    """Where the sessions of a pod are while it is not ready, and once it is ready again."""
    judge(checks.readiness_blip_observed, history)


@requirement("DRN-16")
def test_draining_pod_that_stops_serving_is_observed(history, judge):
    """Where the sessions of a terminating pod are once its endpoint is no longer serving."""
    judge(checks.draining_pod_that_stops_serving_observed, history)
