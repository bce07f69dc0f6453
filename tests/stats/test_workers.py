"""Gateways with 1 to 64 workers, each of which deals new sessions to the pods in turn for itself.

The kernel says which worker gets a connection. In step: all workers begin with the same pod and go the same way
round; out of step: each in an order of its own, from any pod. Neither may mislead a check, at its real alpha; and a
worker that is late may be taken for one that is not as often as was declared, and no more.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from stickyconf import checks
from stickyconf.model import ECHO_PODS, Status
from stickyconf.scenarios.settling import Asked, Row
from stickyconf.stats import SETTLING_ALPHA, Design, Reach, Share, stale_worker_sample_size
from tests.checks.cases import all_cases
from tests.histories import annotation
from tests.histories.drawn import in_order
from tests.stats.binomial import quantile

WORKERS = (1, 2, 3, 4, 8, 16, 32, 64)
IN_STEP = (True, False)
RUNS = 25  # of each check with each number of workers, both ways: 50 x 8 outcomes of each check
LOOSE = 0.02
LATE_RUNS = 60
VICTIM = 0
AT_ONCE = 256  # drawn one by one, they take most of the time here
GATEWAYS = pytest.mark.parametrize(("workers", "in_step"), list(itertools.product(WORKERS, IN_STEP)))


def places_sessions(design: Design) -> bool:
    """Whether a check counts how many new sessions each pod gets."""
    return isinstance(design, Reach | Share)


def dealt(chance: np.random.Generator, workers: int, in_step: bool, pods: int = ECHO_PODS) -> Iterator[tuple[int, int]]:
    """Yield of one new session after the other which worker places it, and on which pod."""
    same = chance.permutation(pods).tolist()
    orders = [same if in_step else chance.permutation(pods).tolist() for _ in range(workers)]
    turns = [0 if in_step else int(chance.integers(pods)) for _ in range(workers)]
    while True:
        for worker in chance.integers(workers, size=AT_ONCE).tolist():
            turns[worker] += 1
            yield worker, orders[worker][turns[worker] % pods]


def placed(chance: np.random.Generator, workers: int, in_step: bool, sessions: int) -> list[int]:
    """Return where so many sessions are placed, once as many connections as show a stale worker have been."""
    probes = stale_worker_sample_size(workers, SETTLING_ALPHA)
    return [pod for _, pod in itertools.islice(dealt(chance, workers, in_step), probes, probes + sessions)]


@GATEWAYS
@pytest.mark.parametrize(
    "name", [name for name, one in checks.all_checks().items() if any(map(places_sessions, one.designs))]
)
def test_no_number_of_workers_misleads_a_check_of_placement(name: str, workers: int, in_step: bool) -> None:
    check, history = checks.all_checks()[name], all_cases()[name].drawn
    assert history
    chance = np.random.default_rng([workers, in_step])
    drawn = set()
    for _ in range(RUNS):
        counts = Counter(placed(chance, workers, in_step, check.samples()))
        drawn.add(tuple(counts[pod] for pod in range(ECHO_PODS)))

    assert not [counts for counts in drawn if check(history(counts)).status is Status.VIOLATES]


@GATEWAYS
def test_no_number_of_workers_makes_unsticky_traffic_look_sticky(workers: int, in_step: bool) -> None:
    chance = np.random.default_rng([workers, in_step])
    for _ in range(RUNS):
        order = placed(chance, workers, in_step, 13 * 6)
        history = annotation(in_order(order), sessions=13, requests=6)
        for check in (checks.without_policy_traffic_is_unsticky, checks.annotation_switches_stickiness_on):
            assert check(history).status is Status.CONFORMS


@GATEWAYS
def test_a_late_worker_is_rarely_taken_for_one_that_has_the_change(workers: int, in_step: bool) -> None:
    asked = Asked("avoid it", "echo-b", lambda one: one.pod != VICTIM, shows=1 / (ECHO_PODS + 1))
    chance, early = np.random.default_rng([workers, in_step, 7]), 0
    needed = Row(asked, workers, alpha=LOOSE).needed
    for _ in range(LATE_RUNS):
        until = int(chance.integers(3 * needed))
        early += _settled_at(Row(asked, workers, alpha=LOOSE), chance, in_step, until) < until

    assert early <= quantile(1 - 1e-6, LATE_RUNS, LOOSE)


def _settled_at(row: Row, chance: np.random.Generator, in_step: bool, until: int) -> int:
    """Return after how many connections a row is complete, if the last worker is late until so many have been."""
    before = dealt(chance, row.workers, in_step, ECHO_PODS + 1)
    for number, (worker, pod) in enumerate(before):
        late = worker == row.workers - 1 and number < until
        seen = SimpleNamespace(pod=pod if late or pod != VICTIM else VICTIM + 1, received=float(number))
        row.take([cast(Any, seen)])
        if row.complete:
            return number
    raise AssertionError("connections have no end")
