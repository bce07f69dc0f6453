"""Sessions that are as old as the run."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.scenarios.lasting import visit_until_the_end

history = recorded("session-age", visit_until_the_end(per_pod=2), lasting=True)


@requirement("AFF-10")
def test_session_does_not_age(history, judge):
    """Sessions that were opened before everything else are on their pods when everything else has ended."""
    judge(checks.sessions_do_not_age, history)
