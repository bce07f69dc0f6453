"""Where requests without the cookie go: by themselves, beside heavy pinned load, and all at once."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.scenarios.rush import arrive_at_once, place_beside_load
from stickyconf.scenarios.visits import visit

# Enough to reach every pod, and to see with 99.9% a pod that gets a quarter of its share.
SESSIONS = max(checks.every_ready_pod_is_reached.samples(), checks.placement_follows_the_weights.samples())
BESIDE_LOAD = checks.pinned_load_does_not_steer_placement.samples()

history = recorded("spread", visit("control", sessions=SESSIONS, requests=1, cookies="discard"))


# Twice what the test needs: a session that was opened while the load paused is not judged.
# 40 first requests and twice as many that follow; neither number is a multiple of 3 (see test_affinity).
rush = recorded(
    "rush",
    place_beside_load(sessions=2 * BESIDE_LOAD),
    arrive_at_once(sessions=40, requests=3),
)


@requirement("SPR-01")
def test_requests_without_the_cookie_reach_every_pod(history, judge):
    """Each ready pod opens some of the sessions."""
    judge(checks.every_ready_pod_is_reached, history)


@requirement("SPR-02")
def test_new_sessions_are_placed_by_weight(history, judge):
    """No pod is starved or flooded, by an exact test at the declared alpha."""
    judge(checks.placement_follows_the_weights, history)


@requirement("SPR-03")
def test_pinned_load_does_not_steer_new_sessions(rush, judge):
    """New sessions are placed by weight although one pod is busy with pinned requests."""
    judge(checks.pinned_load_does_not_steer_placement, rush)


@requirement("SPR-05")
def test_simultaneous_first_requests_are_served(rush, judge):
    """Each of many first requests at the same time is served and gets a cookie, which pins from then on."""
    judge(checks.simultaneous_first_requests_are_served, rush)
