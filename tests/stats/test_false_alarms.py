"""Ten thousand runs of each check that chance can mislead, at an alpha one can see fail; arithmetic at the real one.

What is drawn is how many sessions fell on which pod, or how many requests on another one. Each outcome becomes a
history, and the check itself judges it; a check being pure, outcomes that are alike are judged once. What conforming
and deviating gateways draw follows from the check's design, the history from its ``Cases``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stickyconf import checks
from stickyconf.checks import Check
from stickyconf.model import ECHO_PODS, History, Status
from stickyconf.stats import (
    FALSE_ALARM_BUDGET,
    FLOODED,
    POWER,
    STARVED,
    Backends,
    Design,
    Figures,
    OneInMany,
    OutOfRotation,
    Reach,
    SeveralPods,
    Share,
    Spread,
    share_test,
)
from tests.checks.cases import all_cases
from tests.histories import spread
from tests.histories.drawn import Counts
from tests.stats.binomial import quantile

RUNS = 10_000
LOOSE = 0.02  # instead of 1e-7: 200 false alarms in 10,000 runs at the most, but for chance
Draw = Callable[[np.random.Generator, int], NDArray[np.int64]]
DESIGNED = {name: one for name, one in checks.all_checks().items() if one.designs}


def placed(*shares: float) -> Draw:
    """Draw how many sessions each pod gets."""
    return lambda chance, samples: chance.multinomial(samples, shares, RUNS)


def elsewhere(rate: float) -> Draw:
    """Draw how many requests fall on another pod than a cookie's, or than the one before, and how many do not."""

    def draw(chance: np.random.Generator, samples: int) -> NDArray[np.int64]:
        moved = chance.binomial(samples, rate, RUNS)
        return np.column_stack([moved, samples - moved])

    return draw


def taken_for_settled(alpha: float, share: float) -> Draw:
    """Draw how many new sessions a worker that is late places on a pod, if it was not seen to be, and how many not."""

    def draw(chance: np.random.Generator, samples: int) -> NDArray[np.int64]:
        placed_there = chance.binomial(samples, share, RUNS) * (chance.random(RUNS) < alpha)
        return np.column_stack([placed_there, samples - placed_there])

    return draw


FAIR = placed(*[1 / ECHO_PODS] * ECHO_PODS)


def one_pod_gets(share: float) -> Draw:
    """Draw where the first pod gets this share of what is fair, and the others the rest."""
    own = share / ECHO_PODS
    return placed(own, *[(1 - own) / (ECHO_PODS - 1)] * (ECHO_PODS - 1))


def draws(design: Design) -> tuple[Draw, ...]:
    """Return what gateways draw that conform, then those with each of the design's deviations."""
    match design:
        case Reach():
            return FAIR, one_pod_gets(0)
        case Share():
            return FAIR, one_pod_gets(STARVED), one_pod_gets(FLOODED)
        case Backends(share=share):
            return placed(share, 1 - share), placed(0.5, 0.5)
        case SeveralPods():
            return FAIR, one_pod_gets(ECHO_PODS)
        case Spread():
            return elsewhere(1 - 1 / ECHO_PODS), elsewhere(0)
        case OutOfRotation(alpha=alpha, replaced=replaced):
            share = 1 / (ECHO_PODS + replaced)
            return taken_for_settled(alpha, share), elsewhere(share)
        case OneInMany(one_in=one_in):
            return elsewhere(0), elsewhere(1 / one_in)
    raise TypeError(f"{type(design).__name__}: say here what conforming and deviating gateways draw")


def loose(check: Check) -> Check:
    """The same check, had it a loose alpha; of several designs the one for the smallest deviation."""
    design = check.designs[-1]
    return replace(check, designs=(replace(design, alpha=LOOSE) if design.alpha else design,))


def objections(check: Check, history: Callable[[Counts], History], draw: Draw) -> int:
    """Count the runs of 10,000 that a check objects to."""
    samples = check.samples()
    outcomes, times = np.unique(draw(np.random.default_rng(20260101), samples), axis=0, return_counts=True)
    assert sum(times) == RUNS
    return sum(
        int(often)
        for row, often in zip(outcomes, times, strict=True)
        if check(history(tuple(map(int, row)))).status is Status.VIOLATES
    )


@pytest.mark.parametrize("name", DESIGNED)
def test_of_10000_conforming_runs_no_more_are_objected_to_than_declared(name: str) -> None:
    check, drawn = loose(DESIGNED[name]), all_cases()[name].drawn
    assert drawn, f"{name} has a design: give its Cases what makes a history of what was drawn (drawn=...)"
    [design] = check.designs
    alarms = objections(check, drawn, draws(design)[0])

    assert alarms <= quantile(1 - 1e-6, RUNS, design.false_alarm(ECHO_PODS))
    assert design.false_alarm(ECHO_PODS) <= design.alpha
    assert (alarms > 0) == (design.alpha > 0)


@pytest.mark.parametrize("name", DESIGNED)
def test_of_10000_deviating_runs_as_many_are_objected_to_as_declared(name: str) -> None:
    check, drawn = loose(DESIGNED[name]), all_cases()[name].drawn
    assert drawn
    [design] = check.designs

    for deviating in draws(design)[1:]:
        assert objections(check, drawn, deviating) >= quantile(1e-6, RUNS, design.power(ECHO_PODS))


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

    assert alarms <= quantile(1 - 1e-6, RUNS, LOOSE)


# At the real alpha there is nothing to be seen; what is left is to add up.


@pytest.mark.parametrize("row", checks.figures(), ids=lambda row: f"{row.requirement}: {row.deviation}")
def test_the_real_design_keeps_its_share_and_sees_what_it_is_for(row: Figures) -> None:
    assert row.false_alarm <= row.alpha == checks.alphas()[row.requirement]
    assert row.power >= POWER


@pytest.mark.parametrize("pods", [2, 4, 6])
def test_designs_hold_on_other_numbers_of_pods(pods: int) -> None:
    for row in checks.figures(pods):
        assert row.false_alarm <= row.alpha, row
        assert row.power >= POWER, row


def test_all_real_false_alarms_together_stay_within_the_budget() -> None:
    alarms = {row.requirement: row.false_alarm for row in checks.figures()}

    assert set(alarms) == set(checks.alphas())
    assert sum(alarms.values()) <= sum(checks.alphas().values()) <= FALSE_ALARM_BUDGET == 1e-6


def test_the_checks_insist_on_the_samples_of_their_designs() -> None:
    for check in (checks.every_ready_pod_is_reached, checks.placement_follows_the_weights):
        assert check(spread(sessions=check.samples())).status is Status.CONFORMS
        assert check(spread(sessions=check.samples() - 1)).status is Status.INCONCLUSIVE
    suite = (Path(__file__).parents[2] / "suites" / "test_affinity.py").read_text(encoding="utf-8")
    assert 'visit("pinned", sessions=PINNED_SESSIONS, requests=PINNED_REQUESTS' in suite
