"""Pure functions from a history to a ruling. A check is a proposition; what it cannot know it says as doubt."""

from stickyconf.checks.affinity import (
    cookie_pins_wherever_it_stands,
    crowd_keeps_its_pods,
    every_method_and_path_is_pinned,
    one_pod_per_session,
    parallel_requests_share_a_pod,
    pinned_however_connected,
    residents_stay_while_others_come_and_go,
)
from stickyconf.checks.cookie import (
    application_cookies_survive,
    attributes_observed,
    cookie_is_set_on_every_status,
    cookie_names_the_pod_that_served,
    first_response_sets_one_cookie,
    is_a_session_cookie,
    path_is_the_configured_one,
    reissue_observed,
    value_format_observed,
    value_survives_a_jar,
)
from stickyconf.checks.drain import (
    drain_times_observed,
    draining_pod_gets_no_new_session,
    in_flight_request_completes,
    moved_sessions_move_once,
    no_request_fails,
    other_sessions_are_untouched,
    pinned_sessions_stay_until_the_pod_stops,
    pod_leaves_the_pool_at_once,
    terminating_target_has_weight_zero,
)
from stickyconf.checks.evidence import contradictions
from stickyconf.checks.lifecycle import (
    dead_process_is_survived,
    removed_pod_moves_only_its_own_sessions,
    sessions_of_a_killed_pod_recover,
)
from stickyconf.checks.pages import drain_page_holds, sticky_page_holds
from stickyconf.checks.policy_api import (
    admin_api_shows_the_policy,
    how_to_policy_is_admitted,
    left_out_path_is_stored_as_root,
    policies_are_refused,
)
from stickyconf.checks.robustness import (
    forged_address_is_never_dialled,
    forged_value_is_replaced,
    malformed_value_breaks_nothing,
)
from stickyconf.checks.rotation import (
    no_connection_uses_the_old_targets,
    pod_of_two_services_gets_no_new_session,
    ready_terminating_pod_gets_no_new_session,
)
from stickyconf.checks.rush import pinned_load_does_not_steer_placement, simultaneous_first_requests_are_served
from stickyconf.checks.spread import (
    annotation_switches_stickiness_on,
    every_ready_pod_is_reached,
    placement_follows_the_weights,
    without_policy_traffic_is_unsticky,
)

__all__ = [
    "admin_api_shows_the_policy",
    "annotation_switches_stickiness_on",
    "application_cookies_survive",
    "attributes_observed",
    "contradictions",
    "cookie_is_set_on_every_status",
    "cookie_names_the_pod_that_served",
    "cookie_pins_wherever_it_stands",
    "crowd_keeps_its_pods",
    "dead_process_is_survived",
    "drain_page_holds",
    "drain_times_observed",
    "draining_pod_gets_no_new_session",
    "every_method_and_path_is_pinned",
    "every_ready_pod_is_reached",
    "first_response_sets_one_cookie",
    "forged_address_is_never_dialled",
    "forged_value_is_replaced",
    "how_to_policy_is_admitted",
    "in_flight_request_completes",
    "is_a_session_cookie",
    "left_out_path_is_stored_as_root",
    "malformed_value_breaks_nothing",
    "moved_sessions_move_once",
    "no_connection_uses_the_old_targets",
    "no_request_fails",
    "one_pod_per_session",
    "other_sessions_are_untouched",
    "parallel_requests_share_a_pod",
    "path_is_the_configured_one",
    "pinned_however_connected",
    "pinned_load_does_not_steer_placement",
    "pinned_sessions_stay_until_the_pod_stops",
    "placement_follows_the_weights",
    "pod_leaves_the_pool_at_once",
    "pod_of_two_services_gets_no_new_session",
    "policies_are_refused",
    "ready_terminating_pod_gets_no_new_session",
    "reissue_observed",
    "removed_pod_moves_only_its_own_sessions",
    "residents_stay_while_others_come_and_go",
    "sessions_of_a_killed_pod_recover",
    "simultaneous_first_requests_are_served",
    "sticky_page_holds",
    "terminating_target_has_weight_zero",
    "value_format_observed",
    "value_survives_a_jar",
    "without_policy_traffic_is_unsticky",
]
