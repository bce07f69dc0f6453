"""The annotation on the Service is what switches stickiness on."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.scenarios import Topology
from stickyconf.scenarios.attachment import attach_the_policy_under_traffic

history = recorded(
    "annotation",
    # 13, not a multiple of 3: dealt in turn to 3 pods, clients in lockstep would look pinned.
    attach_the_policy_under_traffic(sessions=13, requests=6),
    topology=Topology(attached=False),
)


@requirement("API-09")
def test_annotation_switches_stickiness_on(history, judge):
    """Before the annotation no cookie and a spread; after it a cookie that pins; nothing else was changed."""
    judge(checks.annotation_switches_stickiness_on, history)


@requirement("SPR-04")
def test_without_the_policy_nothing_is_sticky(history, judge):
    """Without the policy no cookie of its name is set, and the requests of one client spread."""
    judge(checks.without_policy_traffic_is_unsticky, history)


@requirement("API-12")
def test_admin_api_shows_the_policy(history, judge):
    """Every gateway replica shows the upstream with the algorithm, the cookie's name and its path."""
    judge(checks.admin_api_shows_the_policy, history)


@requirement("API-10")
def test_policy_status_lists_its_service(history, judge):
    """Once the Service is annotated, the policy's status has it as an ancestor, Accepted and Programmed."""
    judge(checks.policy_status_lists_the_service, history)
