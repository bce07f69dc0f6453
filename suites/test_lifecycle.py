"""Pods that are added, removed or killed, and the sessions that live on."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.scenarios.lifecycle import remove_one_pod, scale_up

PODS_AFTER = 6
scaled_up = recorded(
    "scale-up",
    scale_up(pods=PODS_AFTER, sessions=checks.scale_up_moves_nobody.samples(PODS_AFTER)),
)
removed = recorded("pod-removed", remove_one_pod())
killed = recorded("pod-killed", remove_one_pod(grace=0))


@requirement("LIF-01")
def test_scale_up_moves_nobody(scaled_up, judge):
    """When three pods become six no session moves, and each of the new pods gets new sessions."""
    judge(checks.scale_up_moves_nobody, scaled_up)


@requirement("LIF-02")
def test_removed_pod_moves_only_its_own_sessions(removed, judge):
    """The sessions of a removed pod move once, to a ready pod, with a new cookie that pins; no other session moves."""
    judge(checks.removed_pod_moves_only_its_own_sessions, removed)


@requirement("LIF-03")
def test_sessions_of_a_killed_pod_recover(killed, judge):
    """The sessions of a pod killed without grace are served by a ready pod within the settle bound, and stay there."""
    judge(checks.sessions_of_a_killed_pod_recover, killed)
