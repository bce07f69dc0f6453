"""Ten thousand runs of each check that chance can fool, at an alpha one can see fail; arithmetic at the real one.

What is drawn is how many sessions fell on which pod, or how many requests on another one. Each outcome becomes a
history, and the check itself judges it; a check being pure, outcomes that are alike are judged once.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from stickyconf import checks
from stickyconf.checks import evidence, pages, rotation
from stickyconf.model import Happening, History, Ruling, Status
from stickyconf.stats import ALPHA, FALSE_ALARM_BUDGET, MISSED, PODS, POWER, Design, designs, share_test
from stickyconf.stats.designs import PINNED
from tests.histories import Dialect, Tape, annotation, drain, drain_page, edits, spread, sticky_page
from tests.histories.conforming import RELEASED, SHOWN, VICTIM
from tests.histories.pages import served
from tests.histories.rush import rush

RUNS = 10_000
LOOSE = 0.02  # instead of 1e-7: 200 false alarms in 10,000 runs at the most, but for chance
Counts = tuple[int, ...]
Draw = Callable[[np.random.Generator, int], NDArray[np.int64]]

FAIR, MISSING, STARVED = (1 / 3, 1 / 3, 1 / 3), (0.0, 0.5, 0.5), (1 / 12, 11 / 24, 11 / 24)


# What is drawn.


def placed(shares: tuple[float, ...]) -> Draw:
    """Draw how many sessions each pod gets."""
    return lambda chance, samples: chance.multinomial(samples, shares, RUNS)


def elsewhere(rate: float) -> Draw:
    """Draw how many requests fall on another pod than a cookie's, or than the one before, and how many do not."""

    def draw(chance: np.random.Generator, samples: int) -> NDArray[np.int64]:
        moved = chance.binomial(samples, rate, RUNS)
        return np.column_stack([moved, samples - moved])

    return draw


# And the history that it makes.


def in_order(order: list[int]) -> Dialect:
    """Place sessions on pods by their index, then in turn."""
    return Dialect(place=lambda number: order[number] if number < len(order) else number)


def shuffled(counts: Counts) -> list[int]:
    """The index of each pod as often as it was drawn, in any order."""
    order = [pod for pod, count in enumerate(counts) for _ in range(count)]
    random.Random(str(counts)).shuffle(order)  # noqa: S311 - reproducible, not secret
    return order


def control(counts: Counts) -> History:
    return spread(in_order(shuffled(counts)), sessions=sum(counts))


def crowd(counts: Counts) -> History:
    tape = Tape(dialect=in_order(shuffled(counts)))
    tape.lockstep("crowd", 0.0, sessions=sum(counts), requests=2)
    return tape.history()


def beside_load(counts: Counts) -> History:
    return rush(in_order([0, *shuffled(counts)]), newcomers=sum(counts), arrivals=0)


def without_policy(counts: Counts) -> History:
    order = [0]
    for step in shuffled((counts[1], counts[0])):
        order.append(order[-1] + step)
    return annotation(in_order(order), sessions=1, requests=len(order))


def pinned(counts: Counts) -> History:
    tape = Tape()
    at = tape.lockstep("control", 0.0, sessions=10, requests=1, cookies="discard")
    tape.lockstep("pinned", at, sessions=31, requests=20)
    return strayed(tape.history(), edits.follow_ups("pinned"), counts[0])


def new_in_a_drain(counts: Counts) -> History:
    late = edits.every("newcomer", where=edits.between(SHOWN + 0.3, RELEASED))
    return strayed(drain(), late, counts[0], pod=VICTIM)


def strayed(history: History, pick: edits.Pick, count: int, pod: str = "") -> History:
    """Let so many of these exchanges, any of them, reach a pod that they should not."""
    chosen = random.Random(count).sample(list(pick(history)), count)  # noqa: S311
    for exchange in chosen:
        wrong = pod or ("echo-a" if exchange.pod != "echo-a" else "echo-b")
        history = edits.edited(history, lambda _, one=exchange: [one], edits.reaches(wrong))
    return history


def page_without_cookie(counts: Counts) -> History:
    pods = [f"echo-{'abc'[pod]}" for pod in shuffled(counts)]
    history = edits.told(sticky_page(), Happening.RAN, "without-cookie", stdout=served(*pods))
    return edits.told(history, Happening.RAN, "spread", stdout="")


def page_new_sessions(counts: Counts) -> History:
    pods = [("echo-c", "echo-a")[at] for at in shuffled(counts)]
    return edits.told(drain_page(), Happening.RAN, "new-sessions", stdout=served(*pods))


Check = Callable[..., Ruling]
# Requirement -> its check, the history of what was drawn, and what conforming and deviating gateways draw.
TRIED: dict[str, tuple[Check, Callable[[Counts], History], Draw, Draw]] = {
    "SPR-01": (checks.every_ready_pod_is_reached, control, placed(FAIR), placed(MISSING)),
    "AFF-05": (checks.crowd_keeps_its_pods, crowd, placed(FAIR), placed(MISSING)),
    "SPR-02": (checks.placement_follows_the_weights, control, placed(FAIR), placed(STARVED)),
    "SPR-03": (checks.pinned_load_does_not_steer_placement, beside_load, placed(FAIR), placed(STARVED)),
    "SPR-04": (checks.without_policy_traffic_is_unsticky, without_policy, elsewhere(2 / 3), elsewhere(0)),
    "API-09": (checks.annotation_switches_stickiness_on, without_policy, elsewhere(2 / 3), elsewhere(0)),
    "DOC-01": (checks.sticky_page_holds, page_without_cookie, placed(FAIR), placed((1.0, 0.0, 0.0))),
    "AFF-01": (checks.one_pod_per_session, pinned, elsewhere(0), elsewhere(1 / 43)),
    "DRN-02": (checks.draining_pod_gets_no_new_session, new_in_a_drain, elsewhere(0), elsewhere(1 / 4)),
    "DOC-02": (checks.drain_page_holds, page_new_sessions, elsewhere(0), elsewhere(1 / 3)),
}


@pytest.fixture
def loose(monkeypatch: pytest.MonkeyPatch) -> dict[str, Design]:
    """The designs, had every check with a share of the budget a loose one."""
    for requirement in ALPHA:
        monkeypatch.setitem(ALPHA, requirement, LOOSE if ALPHA[requirement] else 0.0)
    return {design.requirement: design for design in designs.__wrapped__()}


def objections(check: Check, history: Callable[[Counts], History], draw: Draw, samples: int) -> int:
    """Count the runs of 10,000 that a check objects to."""
    outcomes, times = np.unique(draw(np.random.default_rng(20260101), samples), axis=0, return_counts=True)
    assert sum(times) == RUNS
    return sum(
        int(often)
        for row, often in zip(outcomes, times, strict=True)
        if check(history(tuple(map(int, row)))).status is Status.VIOLATES
    )


@pytest.mark.parametrize("requirement", TRIED)
def test_of_10000_conforming_runs_no_more_are_objected_to_than_declared(
    requirement: str, loose: dict[str, Design]
) -> None:
    check, history, conforming, _ = TRIED[requirement]
    design = loose[requirement]
    alarms = objections(check, history, conforming, design.samples)

    assert alarms <= binom.ppf(1 - 1e-6, RUNS, design.false_alarm)
    assert design.false_alarm <= design.alpha
    assert (alarms > 0) == (design.alpha > 0)


@pytest.mark.parametrize("requirement", TRIED)
def test_of_10000_deviating_runs_as_many_are_objected_to_as_declared(
    requirement: str, loose: dict[str, Design]
) -> None:
    check, history, _, deviating = TRIED[requirement]
    design = loose[requirement]

    assert objections(check, history, deviating, design.samples) >= binom.ppf(1e-6, RUNS, design.power)


@pytest.mark.parametrize("weights", [(1, 2, 5), (100, 100, 1)])
def test_shares_by_uneven_weights_rarely_look_unfair(weights: tuple[float, ...]) -> None:
    drawn = np.random.default_rng(3).multinomial(186, np.array(weights) / sum(weights), RUNS)
    named = dict(zip("abc", weights, strict=True))
    outcomes, times = np.unique(drawn, axis=0, return_counts=True)
    alarms = sum(
        int(often)
        for counts, often in zip(outcomes, times, strict=True)
        if share_test({pod: int(count) for pod, count in zip("abc", counts, strict=True)}, named).p_value <= LOOSE
    )

    assert alarms <= binom.ppf(1 - 1e-6, RUNS, LOOSE)


# At the real alpha there is nothing to be seen; what is left is to add up.


@pytest.mark.parametrize("design", designs(), ids=lambda design: f"{design.requirement}: {design.deviation}")
def test_the_real_design_keeps_its_share_and_sees_what_it_is_for(design: Design) -> None:
    assert design.false_alarm <= design.alpha == ALPHA.get(design.requirement, 0.0)
    assert design.power >= POWER


def test_all_real_false_alarms_together_stay_within_the_budget() -> None:
    alarms = {design.requirement: design.false_alarm for design in designs()}

    assert set(alarms) == set(TRIED) >= set(ALPHA)
    assert sum(alarms.values()) <= sum(ALPHA.values()) <= FALSE_ALARM_BUDGET == 1e-6


def test_the_checks_insist_on_the_samples_of_their_designs() -> None:
    shown = {design.requirement: design.samples for design in designs()}
    for requirement, check in (
        ("SPR-01", checks.every_ready_pod_is_reached),
        ("SPR-02", checks.placement_follows_the_weights),
    ):
        assert check(spread(sessions=shown[requirement])).status is Status.CONFORMS
        assert check(spread(sessions=shown[requirement] - 1)).status is Status.INCONCLUSIVE
    assert {MISSED, PODS} == {evidence.MISSED_AFFINITY, pages.MISSED_NEWCOMERS, rotation.MISSED_NEWCOMERS, pages.PODS}
    suite = (Path(__file__).parents[2] / "suites" / "test_affinity.py").read_text(encoding="utf-8")
    [(sessions, requests)] = re.findall(r'visit\("pinned", sessions=(\d+), requests=(\d+)', suite)
    assert int(sessions) * (int(requests) - 1) == PINNED
