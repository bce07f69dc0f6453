"""Exact tests about where sessions are placed. The unit is the session; nothing here is approximate."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from scipy.special import bdtr, bdtrc


def miss_probability(samples: int, pods: int) -> float:
    """Bound the probability that uniform placement of ``samples`` sessions misses at least one of ``pods`` pods.

    The union bound k (1 - 1/k)^n: exact to its leading term and never too small.
    """
    if pods < 1 or samples < 0:
        raise ValueError(f"{pods} pods and {samples} samples make no experiment")
    return min(1.0, pods * (1 - 1 / pods) ** samples)


def reach_sample_size(pods: int, alpha: float) -> int:
    """Return the fewest sessions that, but for a probability of ``alpha``, visit every one of ``pods`` pods."""
    _check_probability(alpha)
    if pods < 2:
        return 1
    return math.ceil(math.log(alpha / pods) / math.log(1 - 1 / pods))


def witness_sample_size(rate: float, miss: float) -> int:
    """Return how many requests show a fault of this ``rate`` at least once, but for a probability of ``miss``."""
    _check_probability(rate)
    _check_probability(miss)
    return math.ceil(math.log(miss) / math.log1p(-rate))


FEWEST_AGREEING = 5
"""Connections that must agree even if one would show a stale worker: one worker there may be, and it may be new."""


def stale_worker_sample_size(workers: int, alpha: float, *, shows: float = 1.0, row: int = 1) -> int:
    """Return how many fresh connections have to agree in a row, so that none of ``workers`` workers is stale.

    A connection falls on a worker by chance, and a stale one shows what it is with the probability ``shows``. A row
    that a stale worker has broken is begun anew: the ``row``-th may be wrong with a probability of
    alpha / (row (row + 1)), so that all together, however many, are wrong with a probability of ``alpha`` at the most.
    """
    _check_probability(alpha)
    if workers < 1 or row < 1 or not 0 < shows <= 1:
        raise ValueError(f"{workers} workers, row {row} and a share of {shows} make no experiment")
    rate = shows / workers
    if rate == 1:
        return FEWEST_AGREEING
    return max(FEWEST_AGREEING, witness_sample_size(rate, alpha / (row * (row + 1))))


def unseen_probability(samples: int, rate: float) -> float:
    """Return the probability that a fault of this ``rate`` stays unseen in ``samples`` requests."""
    return float((1 - rate) ** samples)


@dataclass(frozen=True, slots=True)
class ShareTest:
    """An exact test of observed counts against expected shares.

    ``p_value`` is the smallest two-sided binomial p-value over the pods, times their number (Bonferroni), at most 1;
    ``pod`` is the one furthest from its share, ``count`` what it got of ``samples``, ``expected`` what its share makes.
    """

    p_value: float
    pod: str
    count: int
    expected: float
    samples: int


def share_test(counts: Mapping[str, int], weights: Mapping[str, float]) -> ShareTest:
    """Test that sessions were placed by ``weights`` (pod -> weight, at least two above 0).

    Raises ValueError if a pod was counted that has no weight, so that no placement goes unjudged.
    """
    strangers = set(counts) - set(weights)
    if strangers:
        raise ValueError(f"sessions were counted on pods without a weight: {', '.join(sorted(strangers))}")
    total, samples = sum(weights.values()), sum(counts.values())
    results = []
    for pod, weight in weights.items():
        share, count = weight / total, counts.get(pod, 0)
        fewer, more = _at_most(count, samples, share), _more_than(count - 1, samples, share)
        p_value = min(1.0, 2 * min(fewer, more) * len(weights))
        results.append(ShareTest(p_value, pod, count, samples * share, samples))
    return min(results, key=lambda result: (result.p_value, result.pod))


@dataclass(frozen=True, slots=True)
class CountTest:
    """An exact test of how many of several independent things happened.

    ``p_value``: how likely chance makes so many or more of them; ``critical``: the fewest that the test objects to, one
    more than there are if it never does.
    """

    p_value: float
    critical: int


def count_test(chances: Sequence[float], count: int, alpha: float) -> CountTest:
    """Test whether ``count`` of things that happen with these ``chances`` are more than chance makes, at ``alpha``.

    The number that happens has a Poisson binomial distribution, which is summed up exactly.
    """
    _check_probability(alpha)
    exactly = [1.0]
    for chance in chances:
        exactly = [
            (exactly[number] * (1 - chance) if number < len(exactly) else 0.0)
            + (exactly[number - 1] * chance if number else 0.0)
            for number in range(len(exactly) + 1)
        ]
    at_least = [math.fsum(exactly[number:]) for number in range(len(exactly))]
    critical = next((number for number, tail in enumerate(at_least) if tail <= alpha), len(exactly))
    return CountTest(min(1.0, at_least[count]), critical)


@cache
def more_often(shown: int, of: int, elsewhere: int, of_elsewhere: int) -> float:
    """Return how likely chance shows a thing so often or more often here, if it is as frequent here as elsewhere.

    Fisher's exact test, one-sided: ``shown`` of ``of`` here, ``elsewhere`` of ``of_elsewhere``.
    """
    together, tried = shown + elsewhere, of + of_elsewhere
    ways = sum(
        math.comb(of, count) * math.comb(of_elsewhere, together - count)
        for count in range(shown, min(of, together) + 1)
        if together - count <= of_elsewhere
    )
    return ways / math.comb(tried, together)


def smallest_deviations(samples: int, pods: int, alpha: float, power: float = 0.999) -> tuple[float, float]:
    """Return the factors off its share from which on one of ``pods`` equal pods is seen starved, and flooded.

    Each with this ``power`` by the share test at ``alpha`` on so many samples; 0 and ``pods`` if only a pod that gets
    nothing, or everything, could be seen.
    """
    low, high = 0.0, 1.0
    while high - low > 1e-3:  # the larger the factor, the less a starved pod is seen
        middle = (low + high) / 2
        low, high = (middle, high) if share_power(samples, pods, middle, alpha) >= power else (low, middle)
    starved, low, high = low, 1.0, float(pods)
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if share_power(samples, pods, middle, alpha) >= power else (middle, high)
    return starved, high


@cache
def share_sample_size(pods: int, deviation: float, alpha: float, power: float) -> int:
    """Return the sessions needed to see, with this ``power``, one of ``pods`` equal pods off its share.

    ``deviation`` is a factor: 0.5 for a pod at half its share, 2 for one at twice. Exact binomial, searched upwards.
    """
    _check_probability(alpha)
    _check_probability(power)
    share, actual = 1 / pods, deviation / pods
    if deviation < 0 or actual >= 1 or deviation == 1:
        raise ValueError(f"a pod of {pods} cannot get {deviation} times its share, or does not deviate")
    samples = pods
    while count_power(samples, share, actual, alpha / (2 * pods)) < power:
        samples += max(1, samples // 50)
    return samples


@cache
def share_power(samples: int, pods: int, deviation: float, alpha: float) -> float:
    """Return the probability that the count of one of ``pods`` equal pods makes the share test object.

    ``deviation`` is the factor by which the pod's share is off; 1 for a pod that gets what it should, whose count is
    in either tail by chance. Exact binomial, for the test at ``alpha`` over all pods.
    """
    _check_probability(alpha)
    share = 1 / pods
    return count_power(samples, share, deviation * share, alpha / (2 * pods))


def count_power(samples: int, share: float, actual: float, tail: float) -> float:
    """Return the probability that a count which is to have ``share``, and has ``actual``, falls into the test's tail.

    ``tail`` bounds the probability of either tail at ``share`` itself, at which a count may fall into both.
    """
    if actual == share:
        fewer = count_power(samples, share, math.nextafter(share, 0), tail)
        return fewer + count_power(samples, share, math.nextafter(share, 1), tail)
    if actual < share:
        low = bisect_right(range(samples + 1), tail, key=lambda count: _at_most(count, samples, share)) - 1
        return _at_most(low, samples, actual)
    high = bisect_left(range(samples + 1), -tail, key=lambda count: -_more_than(count - 1, samples, share))
    return _more_than(high - 1, samples, actual)


def _at_most(count: int, samples: int, share: float) -> float:
    """Return the probability of at most ``count`` successes in ``samples`` trials, each of probability ``share``."""
    return 0.0 if count < 0 else float(bdtr(min(count, samples), samples, share))


def _more_than(count: int, samples: int, share: float) -> float:
    """Return the probability of more than ``count`` successes."""
    return 1.0 if count < 0 else float(bdtrc(min(count, samples), samples, share))


def _check_probability(value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{value} is not a probability between 0 and 1")
