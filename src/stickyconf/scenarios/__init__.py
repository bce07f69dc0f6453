"""What is done to the cluster and to the gateway. A scenario acts and records; it never judges."""

from stickyconf.scenarios.attachment import attach_the_policy_under_traffic
from stickyconf.scenarios.cookies import ask_for_every_status, let_the_application_set_cookies, use_a_library_jar
from stickyconf.scenarios.drain import drain_one_pod, drain_under_a_rush
from stickyconf.scenarios.forgery import forge_unknown_values, lure_to_a_neighbour, send_malformed_values
from stickyconf.scenarios.lifecycle import lose_the_process_of_a_draining_pod, remove_one_pod
from stickyconf.scenarios.policies import submit_policies
from stickyconf.scenarios.rush import arrive_at_once, place_beside_load
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.trial import try_workload
from stickyconf.scenarios.visits import (
    come_and_go,
    roam,
    send_among_other_cookies,
    visit,
    visit_in_parallel,
)
from stickyconf.scenarios.walkthrough import follow_page
from stickyconf.scenarios.workload import Manifests, Policy, Topology

__all__ = [
    "Manifests",
    "Policy",
    "Scenario",
    "Stage",
    "Topology",
    "arrive_at_once",
    "ask_for_every_status",
    "attach_the_policy_under_traffic",
    "come_and_go",
    "drain_one_pod",
    "drain_under_a_rush",
    "follow_page",
    "forge_unknown_values",
    "let_the_application_set_cookies",
    "lose_the_process_of_a_draining_pod",
    "lure_to_a_neighbour",
    "place_beside_load",
    "remove_one_pod",
    "roam",
    "send_among_other_cookies",
    "send_malformed_values",
    "submit_policies",
    "try_workload",
    "use_a_library_jar",
    "visit",
    "visit_in_parallel",
]
