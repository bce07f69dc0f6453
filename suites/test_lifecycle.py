"""Pods that are removed or killed, and the sessions that live on."""

from stickyconf import checks
from stickyconf.cases import requirement
from stickyconf.scenarios import remove_one_pod


@requirement("LIF-02")
def test_removed_pod_moves_only_its_own_sessions(record, judge):
    """The sessions of a removed pod move once, to a ready pod, with a new cookie that pins; no other session moves."""
    judge(checks.removed_pod_moves_only_its_own_sessions, record("pod-removed", remove_one_pod()))


@requirement("LIF-03")
def test_sessions_of_a_killed_pod_recover(record, judge):
    """The sessions of a pod killed without grace are served by a ready pod within the settle bound, and stay there."""
    judge(checks.sessions_of_a_killed_pod_recover, record("pod-killed", remove_one_pod(grace=0)))
