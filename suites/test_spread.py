"""Where requests without the cookie go."""

import pytest

from stickyconf import checks
from stickyconf.cases import requirement
from stickyconf.scenarios import visit
from stickyconf.stats import alpha, reach_sample_size, share_sample_size

PODS = 3
# Enough to reach every pod, and to see with 99.9% a pod that gets a quarter of its share.
SESSIONS = max(
    reach_sample_size(PODS, alpha("SPR-01")),
    share_sample_size(PODS, deviation=0.25, alpha=alpha("SPR-02"), power=0.999),
)


@pytest.fixture(scope="module")
def history(record):
    return record("spread", visit("control", sessions=SESSIONS, requests=1, cookies="discard"))


@requirement("SPR-01")
def test_requests_without_the_cookie_reach_every_pod(history, judge):
    """Each ready pod opens some of the sessions."""
    judge(checks.every_ready_pod_is_reached, history)


@requirement("SPR-02")
def test_new_sessions_are_placed_by_weight(history, judge):
    """No pod is starved or flooded, by an exact test at the declared alpha."""
    judge(checks.placement_follows_the_weights, history)
