"""The endpoints of one Service change all the time beside the sessions of another."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.scenarios.churn import churn_endpoints

churned = recorded("churn", churn_endpoints())


@requirement("ROB-07")
def test_endpoint_churn_is_survived(churned, judge):
    """A hundred changes a minute fail no request and move no session, and none of them is lost."""
    judge(checks.endpoint_churn_is_survived, churned)
