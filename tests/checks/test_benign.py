"""Differences between conforming implementations, which no check may object to."""

from __future__ import annotations

import base64
import random
import uuid
from collections.abc import Callable

import pytest

from stickyconf import checks
from stickyconf.model import History, Status
from tests.histories import Dialect, affinity, annotation, cookie, drain, spread

EXTRA = ("lb=n1; Path=/", "tracking=0f0f; Path=/; Max-Age=86400; SameSite=None", "session_id2=not-it; Path=/")


def at_random(seed: int) -> Callable[[int], int]:
    """Place the n-th new session by chance, always the same for one seed."""
    return lambda number: random.Random(f"{seed}:{number}").randrange(3)  # noqa: S311 - reproducible, not secret


def unique(pod: str, session: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{pod}.{session}"))


def encoded(pod: str, _: str) -> str:
    return base64.b64encode(f"{pod}:1027".encode()).decode()


DIALECTS = {
    "a UUID for each client": Dialect(value=unique),
    "quoted base64 for each pod": Dialect(value=lambda pod, session: f'"{encoded(pod, session)}"'),
    "unquoted base64, padding and all": Dialect(value=encoded),
    "1 KB": Dialect(value=lambda pod, session: (unique(pod, session) * 40)[:1024]),
    "one character": Dialect(value=lambda pod, _: pod[-1]),
    "values that begin alike": Dialect(value=lambda pod, _: "1" * (1 + ord(pod[-1]) - ord("a"))),
    "an address in hexadecimal": Dialect(value=lambda pod, _: pod.encode().hex()),
    "again with every response": Dialect(reissues=True),
    "again with every response, one for each client": Dialect(reissues=True, value=unique),
    "HttpOnly": Dialect(attributes="; Path={path}; HttpOnly"),
    "Secure, HttpOnly and SameSite": Dialect(attributes="; Path={path}; Secure; HttpOnly; SameSite=Lax"),
    "attributes in lower case": Dialect(attributes="; path={path}; httponly; samesite=strict"),
    "attributes without a space between": Dialect(attributes=";HttpOnly;Path={path}"),
    "attributes that nobody knows": Dialect(attributes="; Path={path}; Same-Site=Lax; X=1"),
    "placement at random": Dialect(place=at_random(1)),
    "another placement at random": Dialect(place=at_random(2), value=unique),
    "cookies of others on every response": Dialect(extra=EXTRA),
    "all of it": Dialect(
        value=lambda pod, session: f'"{encoded(pod, session)}"',
        attributes="; HttpOnly; path={path}",
        reissues=True,
        place=at_random(3),
        extra=EXTRA,
    ),
}

JUDGED: dict[Callable[[Dialect], History], tuple[str, ...]] = {
    affinity: (
        "one_pod_per_session",
        "pinned_however_connected",
        "parallel_requests_share_a_pod",
        "every_method_and_path_is_pinned",
        "crowd_keeps_its_pods",
        "cookie_pins_wherever_it_stands",
        "residents_stay_while_others_come_and_go",
        "contradictions",
    ),
    cookie: (
        "first_response_sets_one_cookie",
        "path_is_the_configured_one",
        "is_a_session_cookie",
        "value_survives_a_jar",
        "cookie_names_the_pod_that_served",
        "application_cookies_survive",
        "cookie_is_set_on_every_status",
        "reissue_observed",
        "attributes_observed",
        "value_format_observed",
    ),
    spread: ("every_ready_pod_is_reached", "placement_follows_the_weights"),
    annotation: (
        "without_policy_traffic_is_unsticky",
        "annotation_switches_stickiness_on",
        "admin_api_shows_the_policy",
    ),
    drain: (
        "pinned_sessions_stay_until_the_pod_stops",
        "draining_pod_gets_no_new_session",
        "other_sessions_are_untouched",
        "moved_sessions_move_once",
        "no_request_fails",
        "in_flight_request_completes",
        "terminating_target_has_weight_zero",
        "drain_times_observed",
    ),
    lambda dialect: drain(dialect, support=False): ("pod_leaves_the_pool_at_once",),
    lambda dialect: cookie(dialect, name="shop-session", path="/app"): (
        "first_response_sets_one_cookie",
        "path_is_the_configured_one",
        "value_survives_a_jar",
        "cookie_names_the_pod_that_served",
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_no_check_objects(dialect: Dialect) -> None:
    for make, names in JUDGED.items():
        history = make(dialect)
        for name in names:
            ruling = getattr(checks, name)(history)
            if name == "contradictions":
                assert ruling == []
            else:
                assert ruling.status is Status.CONFORMS, (name, ruling.findings)


def test_every_check_of_traffic_is_asked() -> None:
    without_traffic = {
        "how_to_policy_is_admitted",
        "left_out_path_is_stored_as_root",
        "policies_are_refused",
        "sticky_page_holds",
        "drain_page_holds",
    }

    assert {name for names in JUDGED.values() for name in names} == set(checks.__all__) - without_traffic
