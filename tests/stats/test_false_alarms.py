"""Conforming placements, thousands of them, through the tests that chance can fool, at an alpha one can see fail."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from scipy.stats import binom

from stickyconf import checks
from stickyconf.model import Status
from stickyconf.stats import ALPHA, reach_sample_size, share_test, witness_sample_size
from tests.histories import Dialect, annotation, spread

PODS = ("echo-a", "echo-b", "echo-c")
RUNS = 4000
LOOSE = 0.02  # instead of 1e-7: 80 false alarms in 4000 runs at the most, but for chance
MOST = int(binom.ppf(1 - 1e-6, RUNS, LOOSE))


def placements(samples: int, weights: tuple[float, ...] = (1, 1, 1)) -> Iterator[Counter[str]]:
    chance = random.Random(f"{samples} {weights}")  # noqa: S311 - reproducible, not secret
    for _ in range(RUNS):
        yield Counter(chance.choices(PODS, weights=weights, k=samples))


def test_a_ready_pod_is_rarely_missed_by_chance() -> None:
    """SPR-01 and AFF-05 object where a pod got none of as many sessions as the sample size says."""
    alarms = sum(len(counts) < len(PODS) for counts in placements(reach_sample_size(len(PODS), LOOSE)))

    assert 0 < alarms <= MOST


@pytest.mark.parametrize("weights", [(1, 1, 1), (1, 2, 5), (100, 100, 1)])
def test_fair_shares_rarely_look_unfair(weights: tuple[float, ...]) -> None:
    """SPR-02 objects where the p-value is at most alpha."""
    named = dict(zip(PODS, weights, strict=True))
    alarms = sum(share_test(counts, named).p_value <= LOOSE for counts in placements(186, weights))

    assert alarms <= MOST


def test_spread_clients_rarely_all_seem_to_stay() -> None:
    """SPR-04 and API-09 object where no request of any client fell on another pod than the one before."""
    chance = random.Random(4)  # noqa: S311 - reproducible, not secret
    follow_ups = witness_sample_size(1 - 1 / len(PODS), LOOSE)
    alarms = sum(all(chance.randrange(len(PODS)) == 0 for _ in range(follow_ups)) for _ in range(RUNS))

    assert 0 < alarms <= MOST


def test_requests_that_all_fall_on_one_pod_are_rare() -> None:
    """DOC-01 objects where the page's requests without a cookie, and ours, all reached one pod."""
    alarms = sum(len(counts) == 1 for counts in placements(1 + witness_sample_size(1 - 1 / len(PODS), LOOSE)))

    assert 0 < alarms <= MOST


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
