"""One pod ends while sessions are pinned to it, with drain support on."""

from stickyconf import checks
from stickyconf.cases import recorded, repeated, requirement
from stickyconf.scenarios import Topology
from stickyconf.scenarios.drain import drain_one_pod

DRAINED = Topology(hold=True, drain=True)


# Several drains: what they take is a distribution, not a number.
drains = repeated("drain-{number}", drain_one_pod(by="delete"), topology=DRAINED, long=True)
scaled_down = recorded("drain-scale", drain_one_pod(by="scale"), topology=DRAINED)


@requirement("DRN-01")
def test_pinned_sessions_stay_until_the_pod_stops(drains, judge):
    """A session pinned to the terminating pod is served by it until it stops serving."""
    judge(checks.pinned_sessions_stay_until_the_pod_stops, *drains)


@requirement("DRN-02")
def test_draining_pod_gets_no_new_session(drains, judge):
    """Once the change has converged, no new session is placed on the terminating pod."""
    judge(checks.draining_pod_gets_no_new_session, *drains)


@requirement("DRN-03")
def test_sessions_on_other_pods_are_untouched(drains, judge):
    """A session on another pod stays there throughout; one opened meanwhile gets a cookie, which pins."""
    judge(checks.other_sessions_are_untouched, *drains)


@requirement("DRN-04")
def test_sessions_of_the_ended_pod_move_once(drains, judge):
    """When the pod is gone, each of its sessions moves once, to a ready pod, with a new cookie that pins."""
    judge(checks.moved_sessions_move_once, *drains)


@requirement("DRN-05")
def test_no_request_fails_through_the_drain(drains, judge):
    """No request fails from the deletion until the pod is told to stop: GET and POST, fresh and kept connections."""
    judge(checks.no_request_fails, *drains)


@requirement("DRN-06")
def test_request_in_flight_completes(drains, judge):
    """A GET and a POST under way on the pod from before its deletion until after SIGTERM are completed by it."""
    judge(checks.in_flight_request_completes, *drains)


@requirement("DRN-07")
def test_terminating_target_has_weight_zero(drains, judge):
    """Every replica lists the terminating target with weight 0 and the others with their weights."""
    judge(checks.terminating_target_has_weight_zero, *drains)


@requirement("DRN-12")
def test_scaling_down_drains(scaled_down, judge):
    """kubectl scale 3 -> 2: active sessions continue on the ending pod, new ones go to the rest, none fails."""
    judge(checks.pinned_sessions_stay_until_the_pod_stops, scaled_down)
    judge(checks.draining_pod_gets_no_new_session, scaled_down)
    judge(checks.no_request_fails, scaled_down)


@requirement("DRN-14")
def test_drain_times_are_observed(drains, scaled_down, judge):
    """How long after the deletion weight 0, the last new session on the pod, and the removal were seen."""
    judge(checks.drain_times_observed, *drains, scaled_down)


@requirement("DRN-17")
def test_no_request_fails_while_the_pod_ends(drains, judge):
    """No request fails from SIGTERM until the pod's endpoint is gone from every gateway replica."""
    judge(checks.no_request_fails_at_the_end, *drains)
