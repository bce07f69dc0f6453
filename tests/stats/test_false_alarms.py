"""Ten thousand runs of each test that chance can fool, at an alpha one can see fail; arithmetic at the real one.

What is drawn is what a check decides by: how many sessions fell on which pod, or how many requests on another one.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from stickyconf import checks
from stickyconf.checks import evidence, pages, rotation
from stickyconf.model import Status
from stickyconf.stats import ALPHA, FALSE_ALARM_BUDGET, MISSED, PODS, POWER, Design, designs, share_test
from stickyconf.stats.designs import PINNED
from tests.histories import Dialect, annotation, spread

RUNS = 10_000
LOOSE = 0.02  # instead of 1e-7: 200 false alarms in 10,000 runs at the most, but for chance
Draw = Callable[[np.random.Generator, int], NDArray[np.int64]]
Objects = Callable[[tuple[int, ...]], bool]

FAIR, MISSING, STARVED = (1 / 3, 1 / 3, 1 / 3), (0.0, 0.5, 0.5), (1 / 12, 11 / 24, 11 / 24)


def placed(shares: tuple[float, ...]) -> Draw:
    """Draw how many sessions each pod gets."""
    return lambda chance, samples: chance.multinomial(samples, shares, RUNS)


def elsewhere(rate: float) -> Draw:
    """Draw how many requests fall on another pod than a cookie's, or than the one before."""
    return lambda chance, samples: chance.binomial(samples, rate, (RUNS, 1))


@cache
def uneven(counts: tuple[int, ...]) -> bool:
    named = dict(zip("abc", counts, strict=True))
    return share_test(named, dict.fromkeys(named, 1.0)).p_value <= LOOSE


# Requirement -> what conforming gateways do, what deviating ones do, and when the check objects.
TRIED: dict[str, tuple[Draw, Draw, Objects]] = {
    "SPR-01": (placed(FAIR), placed(MISSING), lambda counts: 0 in counts),
    "AFF-05": (placed(FAIR), placed(MISSING), lambda counts: 0 in counts),
    "SPR-02": (placed(FAIR), placed(STARVED), uneven),
    "SPR-03": (placed(FAIR), placed(STARVED), uneven),
    "SPR-04": (elsewhere(2 / 3), elsewhere(0), lambda moved: moved == (0,)),
    "API-09": (elsewhere(2 / 3), elsewhere(0), lambda moved: moved == (0,)),
    "DOC-01": (placed(FAIR), placed((1.0, 0.0, 0.0)), lambda counts: counts.count(0) == 2),
    "AFF-01": (elsewhere(0), elsewhere(1 / 43), lambda moved: moved > (0,)),
    "DRN-02": (elsewhere(0), elsewhere(1 / 4), lambda there: there > (0,)),
    "DOC-02": (elsewhere(0), elsewhere(1 / 3), lambda there: there > (0,)),
}


@pytest.fixture
def loose(monkeypatch: pytest.MonkeyPatch) -> dict[str, Design]:
    """The designs, had every check with a share of the budget a loose one."""
    for requirement in ALPHA:
        monkeypatch.setitem(ALPHA, requirement, LOOSE if ALPHA[requirement] else 0.0)
    return {design.requirement: design for design in designs.__wrapped__()}


def objections(draw: Draw, objects: Objects, samples: int) -> int:
    """Count the runs of 10,000 that a check objects to."""
    chance = np.random.default_rng(20260101)
    return sum(objects(tuple(map(int, row))) for row in draw(chance, samples))


@pytest.mark.parametrize("requirement", TRIED)
def test_of_10000_conforming_runs_no_more_are_objected_to_than_declared(
    requirement: str, loose: dict[str, Design]
) -> None:
    conforming, _, objects = TRIED[requirement]
    design = loose[requirement]
    alarms = objections(conforming, objects, design.samples)

    assert alarms <= binom.ppf(1 - 1e-6, RUNS, design.false_alarm)
    assert design.false_alarm <= design.alpha
    assert (alarms > 0) == (design.alpha > 0)


@pytest.mark.parametrize("requirement", TRIED)
def test_of_10000_deviating_runs_as_many_are_objected_to_as_declared(
    requirement: str, loose: dict[str, Design]
) -> None:
    _, deviating, objects = TRIED[requirement]
    design = loose[requirement]

    assert objections(deviating, objects, design.samples) >= binom.ppf(1e-6, RUNS, design.power)


@pytest.mark.parametrize("weights", [(1, 2, 5), (100, 100, 1)])
def test_shares_by_uneven_weights_rarely_look_unfair(weights: tuple[float, ...]) -> None:
    named = dict(zip("abc", weights, strict=True))
    drawn = Counter(map(tuple, np.random.default_rng(3).multinomial(186, np.array(weights) / sum(weights), RUNS)))
    alarms = sum(
        times
        for counts, times in drawn.items()
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


# And through the checks themselves.


def test_the_checks_themselves_raise_no_more_false_alarms_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random histories through the checks, at the loose alpha."""
    for requirement in ("SPR-01", "SPR-02", "SPR-04", "API-09"):
        monkeypatch.setitem(ALPHA, requirement, LOOSE)
    chance, runs = random.Random(5), 150  # noqa: S311 - reproducible, not secret
    alarms: Counter[str] = Counter()
    for _ in range(runs):
        dialect = Dialect(place=lambda _: chance.randrange(3))
        placed, switched = spread(dialect, sessions=60), annotation(dialect)
        for check, history in (
            (checks.every_ready_pod_is_reached, placed),
            (checks.placement_follows_the_weights, placed),
            (checks.without_policy_traffic_is_unsticky, switched),
            (checks.annotation_switches_stickiness_on, switched),
        ):
            alarms[check.__name__] += check(history).status is Status.VIOLATES

    assert max(alarms.values()) <= int(binom.ppf(1 - 1e-6, runs, LOOSE))
