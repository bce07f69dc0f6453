"""Thousands of sessions for minutes. A profile of its own: pytest --profile soak --minutes 5."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.scenarios.soak import soak

history = recorded("soak", soak(sessions=2000), alone=True)


@requirement("ROB-10")
def test_a_soak_loosens_no_session(history, judge):
    """While 2,000 sessions are visited for minutes, no request leaves its session's pod."""
    judge(checks.a_soak_loosens_no_session, history)
