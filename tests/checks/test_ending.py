"""The moments of a pod's end, on which every judgement about a drain stands."""

from __future__ import annotations

import pytest

from stickyconf.checks.ending import Ending, everywhere, newcomers, read_ending, residents
from stickyconf.model import Finding, Happening, History
from tests.histories import drain
from tests.histories.conforming import (
    ACTED,
    GONE,
    HOLD,
    RELEASED,
    REMOVED,
    SETTLED,
    SHOWN,
    SIGTERM,
    TERMINATING,
    VICTIM,
)
from tests.histories.edits import (
    arranged,
    between,
    by_gateway,
    edited,
    every,
    nth,
    only,
    openings,
    plus,
    reaches,
    refused,
    sending,
    shifted,
    without,
)
from tests.histories.tape import GATEWAY

SECOND = "kong-gateway-2"
ON = drain()
REPLICAS = arranged(ON, gateways=(GATEWAY, SECOND))


def ending(history: History) -> Ending:
    found = read_ending(history)
    assert isinstance(found, Ending), found
    return found


def shows(history: History, when: float, weight: str, pod: str = VICTIM, gateway: str = SECOND) -> History:
    return plus(history, Happening.TARGET, pod, when, gateway=gateway, weight=weight, address="10.0.0.2:1027")


def removes(history: History, when: float, pod: str = VICTIM, gateway: str = SECOND) -> History:
    return plus(history, Happening.TARGET_REMOVED, pod, when, gateway=gateway)


def test_the_moments_of_a_drain() -> None:
    found = ending(ON)

    assert (found.pod, found.acted, found.terminating) == (VICTIM, ACTED, TERMINATING)
    assert (found.sigterm, found.gone, found.removed) == (SIGTERM, GONE, REMOVED)
    assert (found.weight_zero, found.held_until, found.doubts) == (SHOWN, RELEASED, ())
    assert (found.settled, found.has_settled) == (SETTLED, True)


def test_without_drain_support_a_removal_is_the_change() -> None:
    found = ending(drain(support=False))

    assert (found.weight_zero, found.removed) == (None, SHOWN)
    assert (found.settled, found.has_settled) == (SETTLED, True)


@pytest.mark.parametrize("by", ["delete", "scale"])
def test_the_act_is_a_deletion_or_a_scaling(by: str) -> None:
    assert ending(drain(by=by)).acted == ACTED


# Until when the pod certainly served.


@pytest.mark.parametrize("what", [Happening.SIGTERM, Happening.POD_GONE])
def test_a_pod_that_ends_early_served_only_until_then_and_that_is_a_doubt(what: Happening) -> None:
    early = ending(shifted(ON, what, -2.5))

    assert early.held_until == pytest.approx({Happening.SIGTERM: SIGTERM, Happening.POD_GONE: GONE}[what] - 2.5)
    assert [doubt.expected for doubt in early.doubts] == ["preStop to hold echo-b until it was released"]


def test_a_pod_that_nobody_released_served_as_long_as_pre_stop_was_told_to_hold_it() -> None:
    unreleased = without(ON, Happening.RELEASED)

    assert ending(unreleased).held_until == ACTED + HOLD
    [doubt] = ending(shifted(unreleased, Happening.SIGTERM, -0.5)).doubts
    assert doubt.expected == "preStop to hold echo-b for 3 s"


def test_a_release_that_comes_after_the_hold_adds_nothing_to_it() -> None:
    late = shifted(shifted(ON, Happening.RELEASED, 1.0), Happening.SIGTERM, 1.0)

    assert ending(late).held_until == ACTED + HOLD


def test_the_release_of_another_pod_says_nothing() -> None:
    other = plus(ON, Happening.RELEASED, "echo-a", 3.0)

    assert ending(other).held_until == RELEASED


def test_the_time_for_settling_is_the_planned_one() -> None:
    patient = arranged(REPLICAS, plan={**ON.setup.plan, "settling.seconds": 2.5})

    assert ending(patient).settled == pytest.approx(ACTED + 2.5)


def test_one_sign_of_the_end_is_enough_and_none_is_a_doubt() -> None:
    assert ending(without(ON, Happening.SIGTERM)).doubts == ()
    assert ending(without(ON, Happening.POD_GONE)).doubts == ()
    [doubt] = ending(without(without(ON, Happening.POD_GONE), Happening.SIGTERM)).doubts
    assert doubt.expected == "the end of echo-b to be seen"


# When every replica shows the change.


def test_the_last_replica_counts() -> None:
    both = removes(shows(REPLICAS, 2.7, "0"), 6.5)

    assert everywhere(both, VICTIM, ACTED, removed_counts=False) == 2.7
    assert ending(both).weight_zero == 2.7
    assert ending(both).removed == 6.5
    assert ending(both).settled == 2.7 + 1.0


@pytest.mark.parametrize(
    ("other", "weight_zero", "removed"),
    [
        (REPLICAS, None, None),
        (shows(REPLICAS, 2.7, "1"), None, None),
        (shows(REPLICAS, 2.7, "0", pod="echo-a"), None, None),
        (removes(REPLICAS, 2.7, pod="echo-a"), None, None),
        (removes(shows(REPLICAS, 1.0, "0"), 1.5), None, None),
        (removes(REPLICAS, 6.5), None, 6.5),
        (removes(shows(shows(REPLICAS, 2.7, "0"), 3.0, "1"), 6.5), 2.7, 6.5),
    ],
    ids=["silent", "weighted", "another pod at 0", "another removed", "before the act", "removed", "0 and back"],
)
def test_a_replica_counts_for_what_it_showed_of_the_pod_since_the_act(
    other: History, weight_zero: float | None, removed: float | None
) -> None:
    assert ending(other).weight_zero == weight_zero
    assert ending(other).removed == removed


def test_a_change_that_a_replica_never_shows_has_settled_at_the_latest_in_time_for_the_rest_of_the_hold() -> None:
    assert ending(REPLICAS).settled == pytest.approx(ACTED + 0.6 * HOLD)
    assert not ending(REPLICAS).has_settled


def test_a_change_shown_too_late_does_not_postpone_the_judgement() -> None:
    late = shows(without(ON, Happening.TARGET, VICTIM), 4.8, "0", gateway=GATEWAY)

    assert ending(late).settled == pytest.approx(ACTED + 0.6 * HOLD)
    assert not ending(late).has_settled


def test_what_is_judged_does_not_say_when_the_gateway_had_settled() -> None:
    disagreeing = edited(ON, nth("newcomer", 3, where=between(SHOWN, REMOVED)), reaches(VICTIM))
    silent = only(ON, every(where=lambda e: e.arm != "newcomer"))

    assert ending(disagreeing).settled == ending(silent).settled == SETTLED


def test_workers_have_their_own_time_once_the_change_is_shown() -> None:
    never = ending(without(ON, Happening.SETTLED))

    assert (never.settled, never.has_settled) == (SHOWN + 1.0, False)


def test_workers_that_take_longer_than_their_time_do_not_postpone_the_judgement() -> None:
    late = ending(shifted(ON, Happening.SETTLED, 1.5))

    assert (late.settled, late.has_settled) == (SHOWN + 1.0, True)


def test_workers_that_had_agreed_before_the_last_replica_showed_the_change_say_nothing() -> None:
    early = ending(shifted(ON, Happening.SETTLED, -0.4))

    assert (early.settled, early.has_settled) == (SHOWN + 1.0, False)


# Who takes part.


def test_a_new_session_is_one_that_a_pod_opened_without_a_cookie() -> None:
    count = len(newcomers(ON))
    spoilt = edited(ON, nth("newcomer", 0), refused)
    spoilt = edited(spoilt, nth("newcomer", 1), by_gateway(503))
    spoilt = edited(spoilt, nth("newcomer", 2), sending("session_id=at-echo-a"))

    assert len(newcomers(spoilt)) == count - 3


def test_residents_are_told_apart_by_the_pod_that_opened_them() -> None:
    assert len(residents(ON)) == 6
    assert len(residents(ON, on=VICTIM)) == 2
    assert len(residents(ON, not_on=VICTIM)) == 4
    assert residents(ON, on=VICTIM).keys() | residents(ON, not_on=VICTIM).keys() == residents(ON).keys()
    assert residents(edited(ON, openings("resident"), refused)) == {}


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        (without(ON, Happening.DELETED), "it was not asked for"),
        (without(ON, Happening.TERMINATING), "none did"),
        (plus(ON, Happening.TERMINATING, "echo-c", 2.5), "echo-b, echo-c did"),
    ],
)
def test_what_is_no_end_of_one_pod_is_a_finding(history: History, reason: str) -> None:
    found = read_ending(history)

    assert isinstance(found, Finding)
    assert found.actual == reason
