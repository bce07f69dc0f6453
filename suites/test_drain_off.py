"""One pod ends while sessions are pinned to it, with drain support off, which is the default."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.scenarios import Topology
from stickyconf.scenarios.drain import drain_one_pod

history = recorded("drain-off", drain_one_pod(by="delete"), topology=Topology(hold=True, drain=False))


@requirement("DRN-08")
def test_terminating_pod_leaves_the_pool_at_once(history, judge):
    """The pod leaves the pool while it still serves; its sessions move once, with a new cookie; new ones avoid it."""
    judge(checks.pod_leaves_the_pool_at_once, history)
