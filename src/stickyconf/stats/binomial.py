"""The two tails of the binomial distribution, to the precision of a float.

Written here because a library that has them, scipy, takes as long to load as the rest of the suite: half a second of
processor time in every process that judges. The terms of the smaller tail are added up from the largest one on; the
tests compare the sums with exact fractions and with scipy's.
"""

from __future__ import annotations

import math
from functools import lru_cache


@lru_cache(maxsize=10_000)
def at_most(count: int, samples: int, share: float) -> float:
    """Return the probability of at most ``count`` successes in ``samples`` trials, each of probability ``share``."""
    if count < 0:
        return 0.0
    if count >= samples:
        return 1.0
    if count > samples * share:
        return 1.0 - _downwards(samples - count - 1, samples, 1.0 - share)
    return _downwards(count, samples, share)


@lru_cache(maxsize=10_000)
def more_than(count: int, samples: int, share: float) -> float:
    """Return the probability of more than ``count`` successes: those are fewer than ``samples - count`` failures."""
    if count < 0:
        return 1.0
    if count >= samples:
        return 0.0
    if count < samples * share:
        return 1.0 - _downwards(count, samples, share)
    return _downwards(samples - count - 1, samples, 1.0 - share)


def _downwards(count: int, samples: int, share: float) -> float:
    """Add up the probabilities of ``count`` successes and fewer, until what is left adds nothing."""
    if share <= 0.0 or share >= 1.0:
        return 1.0 if share <= 0.0 else 0.0
    odds = (1.0 - share) / share
    term = total = 1.0
    for successes in range(count, 0, -1):
        term *= successes / (samples - successes + 1) * odds
        total += term
        if term < total * 1e-18:
            break
    return total * _probability(count, samples, share)


def _probability(count: int, samples: int, share: float) -> float:
    """Return the probability of exactly ``count`` successes."""
    ways = math.comb(samples, count)
    scale = max(0, ways.bit_length() - 64)  # more digits than a float has; the rest goes into the exponent
    logarithm = math.log(ways >> scale) + scale * math.log(2)
    return math.exp(logarithm + count * math.log(share) + (samples - count) * math.log1p(-share))
