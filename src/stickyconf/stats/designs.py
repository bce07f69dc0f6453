"""What each statistical check can do: its sample, its false alarms, and its power against the deviation it is for.

Everything here is arithmetic on the declared alpha; what a run really saw stands with its verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from stickyconf.stats.budget import alpha
from stickyconf.stats.exact import (
    miss_probability,
    reach_sample_size,
    share_power,
    share_sample_size,
    unseen_probability,
    witness_sample_size,
)

PODS = 3
"""How many pods the cases place sessions on."""

STARVED = 0.25
"""The deviation that share tests are asked to show: a pod that gets this share of what its weight makes."""

POWER = 0.999
"""The probability with which they show it."""

MISSED = 1e-6
"""The probability with which a fault that shows as single requests may stay unseen."""

PINNED = 31 * 19
"""The requests with the cookie that the case of AFF-01 plans, and its check insists on."""

KEEPS = "the draining pod keeps its share of new sessions"


@dataclass(frozen=True, slots=True)
class Design:
    """One check that chance can mislead.

    ``samples`` is the fewest ``unit``s it takes, below which it is INCONCLUSIVE. ``alpha`` bounds the probability that
    it objects to an implementation that conforms, ``false_alarm`` is that probability, or the closest bound known.
    ``power`` is the probability that it objects to one with the ``deviation``.
    """

    requirement: str
    unit: str
    samples: int
    alpha: float
    false_alarm: float
    deviation: str
    power: float


@cache
def designs() -> tuple[Design, ...]:
    """Return the design of every check with a share of the error budget, and of those that rest on a sample alone."""
    return (
        *(_reach(name) for name in ("SPR-01", "AFF-05")),
        *(_share(name) for name in ("SPR-02", "SPR-03")),
        *(_unsticky(name, "traffic without the policy is pinned") for name in ("SPR-04", "API-09")),
        _one_pod("DOC-01"),
        _witness("AFF-01", "requests with the cookie", PINNED, 0.05, "one request in 20 leaves its pod"),
        _witness("AFF-01", "requests with the cookie", PINNED, 1 / 43, "one request in 43 leaves its pod"),
        _witness("DRN-02", "new sessions", witness_sample_size(1 / (PODS + 1), MISSED), 1 / (PODS + 1), KEEPS),
        _witness("DOC-02", "new sessions", witness_sample_size(1 / PODS, MISSED), 1 / PODS, KEEPS),
    )


def _reach(requirement: str) -> Design:
    share = alpha(requirement)
    samples = reach_sample_size(PODS, share)
    never = "a ready pod gets no session at all"
    return Design(requirement, "sessions", samples, share, miss_probability(samples, PODS), never, 1.0)


def _share(requirement: str) -> Design:
    share = alpha(requirement)
    samples = share_sample_size(PODS, STARVED, share, POWER)
    # Under the null hypothesis each pod's count may fall into either tail, and any pod's may.
    false_alarm = PODS * share_power(samples, PODS, 1.0, share)
    power = share_power(samples, PODS, STARVED, share)
    return Design(requirement, "sessions", samples, share, false_alarm, "a pod gets a quarter of its share", power)


def _unsticky(requirement: str, deviation: str) -> Design:
    share, spread = alpha(requirement), 1 - 1 / PODS
    samples = witness_sample_size(spread, share)
    return Design(
        requirement, "follow-up requests", samples, share, unseen_probability(samples, spread), deviation, 1.0
    )


def _one_pod(requirement: str) -> Design:
    share, spread = alpha(requirement), 1 - 1 / PODS
    samples = 1 + witness_sample_size(spread, share)
    false_alarm = unseen_probability(samples - 1, spread)
    return Design(requirement, "requests", samples, share, false_alarm, "one pod serves them all", 1.0)


def _witness(requirement: str, unit: str, samples: int, rate: float, deviation: str) -> Design:
    """A check to which one counter-example is a fact: no false alarm, but a fault that may stay unseen."""
    return Design(requirement, unit, samples, 0.0, 0.0, deviation, 1 - unseen_probability(samples, rate))
