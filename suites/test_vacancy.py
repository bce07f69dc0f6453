"""A Service scaled to 0 and back, and another application that gets an address which its pods had."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.scenarios import Topology
from stickyconf.scenarios.vacancy import scale_to_zero_and_back

# 9 clients are no multiple of 2: dealt in turn to 2 pods, none of them would come back to its own.
history = recorded(
    "scaled-to-zero",
    scale_to_zero_and_back(strangers=4, sessions=9, requests=12),
    topology=Topology(replicas=2, hold=True, drain=True),
    long=True,
)


@requirement("DRN-09")
def test_last_draining_pods_keep_their_sessions(history, judge):
    """When every pod is terminating, pinned sessions are still served by theirs."""
    judge(checks.last_draining_pods_keep_their_sessions, history)


@requirement("LIF-09")
def test_scaling_to_zero_and_back_works(history, judge):
    """With no pod left the gateway answers 503; when pods are back, new sessions are opened and pinned."""
    judge(checks.scaling_to_zero_and_back_works, history)


@requirement("LIF-10")
def test_a_reused_address_inherits_no_session(history, judge):
    """When another application gets an address that a pod had, no session of that pod is served by it."""
    judge(checks.a_reused_address_inherits_no_session, history)
