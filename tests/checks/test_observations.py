"""What checks measure: the observing ones, and the others beside their judgement."""

from __future__ import annotations

import base64
import uuid
from dataclasses import replace

import pytest

from stickyconf import checks
from stickyconf.checks.signs import signed
from stickyconf.model import Exchange, Happening, History, Ruling, Status
from stickyconf.stats import FLOODED, POWER, STARVED, share_power
from tests.histories import Dialect, affinity, annotation, cookie, drain, drain_page, policies, spread, sticky_page
from tests.histories.blip import AGAIN, DELETED, ON, ONE, OTHER, UNREADY, blip
from tests.histories.conforming import VICTIM
from tests.histories.edits import (
    arranged,
    between,
    edited,
    every,
    lacking,
    nth,
    plus,
    reaches,
    rewriting,
    told,
    unknown,
    visits_of,
    without,
)
from tests.histories.methods import prefixed
from tests.histories.tape import ADDRESSES, PODS
from tests.histories.vacancy import vacancy


def measures(ruling: Ruling) -> dict[str, float | int | str]:
    return {measure.name: measure.value for measure in ruling.measures}


def test_a_cookie_set_once_is_not_set_again() -> None:
    assert measures(checks.reissue_observed(cookie())) == {
        "responses to a valid cookie": 32,
        "of these, set it again": 0,
        "of these, with the same value": 0,
    }


def test_a_cookie_set_with_every_response_is_counted() -> None:
    assert measures(checks.reissue_observed(cookie(Dialect(reissues=True)))) == {
        "responses to a valid cookie": 32,
        "of these, set it again": 32,
        "of these, with the same value": 32,
    }


def test_a_value_that_the_old_one_begins_with_is_another() -> None:
    shorter = [rewriting(f"=at-{pod};", f"=at-{pod[:-2]};") for pod in PODS]
    history = edited(cookie(Dialect(reissues=True)), every("visitor"), *shorter)

    assert measures(checks.reissue_observed(history))["of these, with the same value"] == 0


def test_attributes_are_counted_as_they_are_spelt() -> None:
    history = cookie(Dialect(attributes="; path={path}; HttpOnly; Same-Site=Lax"))

    assert measures(checks.attributes_observed(history)) == {
        "attributes": "HttpOnly on 26 of 26, Same-Site=Lax on 26 of 26, path=/ on 26 of 26",
        "misspelt or unknown attributes": "Same-Site",
    }


def test_a_cookie_without_attributes_is_said_to_have_none() -> None:
    assert measures(checks.attributes_observed(cookie(Dialect(attributes="")))) == {
        "attributes": "none",
        "misspelt or unknown attributes": "none",
    }


def value_format(history: History) -> dict[str, float | int | str]:
    return measures(checks.value_format_observed(history))


def test_the_format_of_a_uuid_for_each_client() -> None:
    dialect = Dialect(value=lambda pod, session: str(uuid.uuid5(uuid.NAMESPACE_DNS, pod + session)))

    assert value_format(cookie(dialect)) == {
        "values seen": 26,
        "distinct values": 26,
        "a value is": "one per client",
        "length": "36",
        "quoted": "no",
        "UUID": "yes",
        "discloses a pod's address": "not found",
    }


@pytest.mark.parametrize(
    "value",
    [
        lambda address: f'"{base64.b64encode(address.encode()).decode()}"',
        lambda address: base64.urlsafe_b64encode(address.encode()).decode().rstrip("="),
        lambda address: address.replace(":", "%3A"),
        lambda address: f"v1.{address}",
    ],
    ids=["quoted base64", "base64 for URLs, unpadded", "percent-encoded", "plain"],
)
def test_a_value_that_gives_the_address_away_is_found_out(value) -> None:  # type: ignore[no-untyped-def]
    found = value_format(cookie(Dialect(value=lambda pod, _: value(ADDRESSES[pod]))))

    assert found["discloses a pod's address"] == "yes"
    assert found["a value is"] == "one per pod"
    assert found["quoted"] == ("yes" if value("x").startswith('"') else "no")


def test_an_ipv6_address_is_found_out_too() -> None:
    history = cookie(Dialect(value=lambda pod, _: f"fd00::{pod[-1]}"))
    for pod in ADDRESSES:
        if history.happened(Happening.TARGET, pod):
            history = told(history, Happening.TARGET, pod, address=f"[fd00::{pod[-1]}]:1027")

    assert value_format(history)["discloses a pod's address"] == "yes"


def test_values_of_neither_kind_are_mixed() -> None:
    dialect = Dialect(value=lambda pod, session: pod + str(int(session[-3:]) % 2), attributes="; Path={path}; Secure")

    found = value_format(cookie(dialect))

    assert (found["a value is"], found["distinct values"], found["length"]) == ("mixed", 6, "7")


def test_the_times_of_a_drain_are_counted_from_the_deletion() -> None:
    assert measures(checks.drain_times_observed(drain())) == {
        "deletion seen, after the deletion": 0.05,
        "weight 0 on every replica, after the deletion": 0.3,
        "every worker, after the deletion": 0.5,
        "last new session on the pod, after the deletion": 0.3,
        "SIGTERM, after the deletion": 3.1,
        "pod gone, after the deletion": 3.7,
        "removed from every replica, after the deletion": 3.9,
    }


def test_the_last_replica_to_show_a_change_sets_its_time() -> None:
    both = arranged(drain(), gateways=("kong-gateway-1", "kong-gateway-2"))
    both = plus(both, Happening.TARGET, VICTIM, 2.7, gateway="kong-gateway-2", weight="0", address="10.0.0.2:1027")

    found = measures(checks.drain_times_observed(both))

    assert found["weight 0 on every replica, after the deletion"] == 0.7
    assert found["removed from every replica, after the deletion"] == "not seen"


def test_a_late_new_session_on_the_pod_is_told() -> None:
    history = edited(drain(), nth("newcomer", 0, where=between(4.0, 5.0)), reaches(VICTIM))

    found = measures(checks.drain_times_observed(history))["last new session on the pod, after the deletion"]

    assert 2.0 <= float(found) < 2.1


def test_what_was_not_seen_is_said_not_to_have_been() -> None:
    found = measures(checks.drain_times_observed(without(drain(support=False), Happening.SIGTERM)))

    assert found["weight 0 on every replica, after the deletion"] == "not seen"
    assert found["SIGTERM, after the deletion"] == "not seen"


def test_checks_tell_how_much_they_looked_at() -> None:
    history = edited(cookie(), nth("visitor", -1), unknown)

    assert measures(checks.first_response_sets_one_cookie(history))["first responses"] == 16
    assert measures(checks.path_is_the_configured_one(history))["cookies looked at"] == 26


def test_of_many_violations_the_first_are_kept_and_all_are_counted() -> None:
    history = edited(spread(), every(), rewriting("Path=/", "Path=/x"))

    ruling = signed(checks.path_is_the_configured_one(history), history)

    assert [finding.exchanges for finding in ruling.findings] == [(number,) for number in range(1, 21)]
    assert measures(ruling)["violations in all"] == 186


AFFINITY, SPREAD, SWITCHED, DRAINED = affinity(), spread(), annotation(), drain()


@pytest.mark.parametrize(
    ("name", "history", "expected"),
    [
        ("one_pod_per_session", AFFINITY, {"sessions": 7, "requests": 35, "requests off their pod": 0}),
        ("crowd_keeps_its_pods", AFFINITY, {"sessions on echo-a": 41, "sessions on echo-b": 40}),
        ("cookie_pins_wherever_it_stands", AFFINITY, {"sessions": 12, "requests": 60}),
        ("residents_stay_while_others_come_and_go", AFFINITY, {"sessions that came and went": 8}),
        ("every_ready_pod_is_reached", SPREAD, {"requests control": 186, "pods reached": 3}),
        (
            "placement_follows_the_weights",
            SPREAD,
            {"sessions placed": 186, "p-value": 1.0, "alpha": 1e-7, "sessions on echo-c": 62},
        ),
        ("without_policy_traffic_is_unsticky", SWITCHED, {"clients that stayed on one pod before": 0}),
        ("annotation_switches_stickiness_on", SWITCHED, {"requests before": 35, "requests after": 35}),
        ("admin_api_shows_the_policy", SWITCHED, {"gateway replicas asked": 1}),
        ("value_survives_a_jar", cookie(), {"values a library's jar kept": 2}),
        ("cookie_names_the_pod_that_served", cookie(), {"cookies followed": 16}),
        (
            "application_cookies_survive",
            cookie(),
            {"responses with cookies of both": 2, "of these, with one of the application's": 1},
        ),
        ("cookie_is_set_on_every_status", cookie(), {"first responses 204": 1, "first responses 500": 1}),
        (
            "pinned_sessions_stay_until_the_pod_stops",
            DRAINED,
            {"pinned requests on the settled victim": 60, "connections that they came over": 32},
        ),
        ("draining_pod_gets_no_new_session", DRAINED, {"new sessions while it ended": 59}),
        ("other_sessions_are_untouched", DRAINED, {"sessions on other pods": 4}),
        ("moved_sessions_move_once", DRAINED, {"sessions of the ended pod": 2}),
        (
            "no_request_fails",
            DRAINED,
            {"requests that ended meanwhile": 288, "largest lateness of the suite": 0.0},
        ),
        (
            "in_flight_request_completes",
            DRAINED,
            {"GET under way in in-flight-008": 5.0, "POST under way in in-flight-008": 5.0},
        ),
        ("sticky_page_holds", sticky_page(), {"commands run": 7, "pods without the cookie": 3}),
        ("drain_page_holds", drain_page(), {"sessions continued": 9, "new sessions": 36}),
    ],
)
def test_every_judgement_says_how_much_it_stands_on(
    name: str, history: History, expected: dict[str, float | str]
) -> None:
    assert expected.items() <= measures(getattr(checks, name)(history)).items()


def test_no_policies_were_refused_where_none_is_named() -> None:
    ruling = checks.policies_are_refused(policies(), cases=(), naming=())

    assert ruling.status is Status.INCONCLUSIVE
    assert measures(ruling) == {"policies submitted": 0}


def test_an_address_that_was_not_reused_is_no_case_of_it() -> None:
    elsewhere = told(vacancy(), Happening.PODS_READY, "Deployment/neighbour", address="10.0.0.99")

    ruling = checks.a_reused_address_inherits_no_session(elsewhere)

    assert ruling.status is Status.NOT_APPLICABLE
    assert "10.0.0.99, which none of the pods had" in ruling.findings[0].actual


def test_what_new_clients_get_of_draining_pods_is_told() -> None:
    found = measures(checks.last_draining_pods_keep_their_sessions(vacancy()))

    assert found["what new clients got"] == "503 by the gateway 3 times"


def test_cookie_fields_that_cannot_be_split_are_a_part_that_does_not_apply() -> None:
    history = plus(lacking(AFFINITY, "cookie-split"), Happening.UNSUPPORTED, "http2", 0.0, reason="it said no")
    ruling = checks.split_cookie_pins(history)

    assert ruling.status is Status.NOT_APPLICABLE
    assert "HTTP/2 splits cannot be sent: it said no" in ruling.findings[0].actual


def test_latency_is_told_for_each_arm_without_what_was_to_take_long() -> None:
    told_of = measures(checks.latency_observed(AFFINITY))

    assert told_of["answers in pinned"] == "median 4.0, 99th percentile 4.0, slowest 4.0 of 35"
    assert told_of["answers in parallel"] == "median 4.0, 99th percentile 4.0, slowest 4.0 of 4"


def test_what_a_shared_cache_may_store_is_counted() -> None:
    assert measures(checks.caching_observed(cookie()))["of these, a shared cache may store with the cookie"] == 23
    kept = edited(cookie(), every(), lambda e: _with_header(e, ("Cache-Control", "private, max-age=0")))
    shown = measures(checks.caching_observed(kept))
    assert shown["Cache-Control on them"] == "private, max-age=0"
    assert shown["of these, a shared cache may store with the cookie"] == 0


def _with_header(exchange: Exchange, header: tuple[str, str]) -> Exchange:
    outcome = exchange.outcome
    return replace(exchange, outcome=replace(outcome, headers=(*outcome.headers, header)))  # type: ignore[union-attr, call-arg]


def blip_seen(history: History) -> dict[str, float | int | str]:
    return measures(checks.readiness_blip_observed(history))


def test_sessions_that_move_in_a_readiness_blip_are_told() -> None:
    assert blip_seen(blip()) == {
        "while the pod was not ready": "2 moved",
        "once it was ready again": "2 stayed where they had moved",
        "moves of a session at the most": 1,
        "sessions that went back and forth": "none",
    }


@pytest.mark.parametrize(
    ("meanwhile", "after", "told"),
    [
        (ONE, ONE, ("2 stayed", "2 stayed")),
        (OTHER, ONE, ("2 moved", "2 returned")),
        (ONE, OTHER, ("2 stayed", "2 moved")),
    ],
)
def test_where_sessions_are_in_and_after_a_readiness_blip(meanwhile: str, after: str, told: tuple[str, str]) -> None:
    history = edited(blip(), visits_of("resident", ONE, between(UNREADY, ON)), reaches(meanwhile))
    history = edited(history, visits_of("resident", ONE, between(AGAIN, DELETED)), reaches(after))

    found = blip_seen(history)

    assert (found["while the pod was not ready"], found["once it was ready again"]) == told


def test_sessions_that_go_back_and_forth_are_told() -> None:
    back = [e.seq for e in blip().sessions()["resident-001"] if between(AGAIN, DELETED)(e)][1::2]
    history = edited(blip(), every(where=lambda e: e.seq in back), reaches(ONE))

    found = blip_seen(history)

    assert found["once it was ready again"] == "1 alternated, 1 stayed where they had moved"
    assert "1 " in str(found["sessions that went back and forth"])


def test_sessions_of_a_draining_pod_that_stops_serving_are_told() -> None:
    assert measures(checks.draining_pod_that_stops_serving_observed(blip())) == {
        "while the draining pod was not serving": "4 stayed"
    }


@pytest.mark.parametrize(
    ("attributes", "host", "secure"),
    [
        ("; Path=/; HttpOnly", "no: no Secure", "no: no Secure"),
        ("; Path=/; secure", "yes", "yes"),
        ("; Secure", "no: no Path", "yes"),
        ("; Path=/app; Secure; Domain=a.test", "no: Path=/app, Domain=a.test", "yes"),
    ],
)
def test_whether_a_browser_keeps_a_prefixed_name(attributes: str, host: str, secure: str) -> None:
    assert measures(checks.prefixed_names_observed(prefixed(Dialect(attributes=attributes)))) == {
        "a browser keeps __Host-session": host,
        "a browser keeps __Secure-session": secure,
    }


@pytest.mark.parametrize("sessions", [186, 372])
def test_the_spread_tells_the_smallest_deviation_that_it_would_have_shown(sessions: int) -> None:
    alpha = checks.placement_follows_the_weights.alpha
    told = measures(checks.placement_follows_the_weights(spread(sessions=sessions)))
    less = float(told["a pod starved to this part of its share is seen"])
    more = float(told["a pod flooded with so many times its share is seen"])

    assert STARVED <= less < 1 < more <= FLOODED
    for seen, unseen in ((less - 0.01, less + 0.02), (more + 0.01, more - 0.02)):
        assert share_power(sessions, 3, seen, alpha) >= POWER > share_power(sessions, 3, unseen, alpha)
