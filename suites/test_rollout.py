"""A rolling restart, in which every pod is replaced while sessions are pinned to it."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.scenarios import Topology
from stickyconf.scenarios.rollout import roll_out

history = recorded("rollout", roll_out(), topology=Topology(replicas=2, hold=True, drain=True))


@requirement("DRN-13")
def test_rolling_update_fails_no_request(history, judge):
    """A rolling update fails no request, and a session leaves its pod only when that ends."""
    judge(checks.rolling_update_fails_no_request, history)


@requirement("LIF-04")
def test_rolling_restart_moves_no_session_needlessly(history, judge):
    """A session moves only from pods that are replaced, once from each."""
    judge(checks.rolling_restart_moves_no_session_needlessly, history)
