"""Pods that are removed or killed, and the sessions that live on."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.scenarios import remove_one_pod

removed = recorded("pod-removed", remove_one_pod())
killed = recorded("pod-killed", remove_one_pod(grace=0))


@requirement("LIF-02")
def test_removed_pod_moves_only_its_own_sessions(removed, judge):
    """The sessions of a removed pod move once, to a ready pod, with a new cookie that pins; no other session moves."""
    judge(checks.removed_pod_moves_only_its_own_sessions, removed)


@requirement("LIF-03")
def test_sessions_of_a_killed_pod_recover(killed, judge):
    """The sessions of a pod killed without grace are served by a ready pod within the settle bound, and stay there."""
    judge(checks.sessions_of_a_killed_pod_recover, killed)
