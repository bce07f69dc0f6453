"""How a check decides when the outcome depends on chance: its sample, its false alarms, and what it is sure to see.

A design is arithmetic on its declared alpha and on the number of pods; what a run really saw stands with its verdicts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import count

from stickyconf.stats.exact import (
    count_power,
    miss_probability,
    reach_sample_size,
    share_power,
    share_sample_size,
    unseen_probability,
    witness_sample_size,
)

FALSE_ALARM_BUDGET = 1e-6
"""The false alarms that a whole run may raise, divided over the checks that compare frequencies.

An "always" requirement has no false alarm: one violation is a fact, whatever the chance.
"""

SETTLING_ALPHA = 1e-10
"""The probability with which one wait for every worker of the gateway may end although one is still behind."""

SETTLINGS_ALPHA = 2e-8
"""What of the budget is for all such waits of a run, 200 at the most; those in a drain are the drain's own."""

DRAINS = 10
"""Drains of a run that are allowed for: each waits once for every worker, before new sessions are judged."""

STARVED = 0.25
"""A deviation that share tests are asked to show: a pod that gets this part of what its weight makes."""

FLOODED = 2.0
"""The other one: a pod that gets so many times what its weight makes. Of two pods the other one is starved then."""

POWER = 0.999
"""The probability with which they show it."""

MISSED = 1e-6
"""The probability with which a fault that shows as single requests may stay unseen."""


@dataclass(frozen=True, slots=True)
class Design(ABC):
    """One way to decide. ``alpha`` bounds the probability of objecting to an implementation that conforms."""

    alpha: float = 0.0

    @property
    @abstractmethod
    def unit(self) -> str:
        """What is counted."""

    @property
    @abstractmethod
    def deviation(self) -> str:
        """What the check is asked to show."""

    @abstractmethod
    def samples(self, pods: int) -> int:
        """Return the fewest units that it takes on so many pods; with fewer the check is unsure."""

    def false_alarm(self, pods: int) -> float:
        """Return the probability of objecting to an implementation that conforms, or the closest bound known."""
        return 0.0

    def power(self, pods: int) -> float:
        """Return the probability of objecting to an implementation with the deviation."""
        return 1.0


@dataclass(frozen=True, slots=True)
class Reach(Design):
    """Every pod gets some session."""

    unit = "sessions"
    deviation = "a ready pod gets no session at all"

    def samples(self, pods: int) -> int:
        """Return so many sessions that chance alone misses a pod at most as often as alpha allows."""
        return reach_sample_size(pods, self.alpha)

    def false_alarm(self, pods: int) -> float:
        """Return how often chance alone misses a pod."""
        return miss_probability(self.samples(pods), pods)


@dataclass(frozen=True, slots=True)
class Share(Design):
    """Every pod gets its share of the sessions."""

    unit = "sessions"
    deviation = "a pod gets a quarter of its share, or twice its share"

    def samples(self, pods: int) -> int:
        """Return so many sessions that a pod with a STARVED or a FLOODED share is seen with POWER."""
        samples = max(share_sample_size(pods, factor, self.alpha, POWER) for factor in deviations(pods))
        while self._power(samples, pods) < POWER:  # the power is no even function of the sample
            samples += 1
        return samples

    def false_alarm(self, pods: int) -> float:
        """Return how often the test objects to fair shares: each pod's count may fall into either tail."""
        return pods * share_power(self.samples(pods), pods, 1.0, self.alpha)

    def power(self, pods: int) -> float:
        """Return how often the test objects to a STARVED share, or to a FLOODED one if that is less."""
        return self._power(self.samples(pods), pods)

    def _power(self, samples: int, pods: int) -> float:
        return min(share_power(samples, pods, factor, self.alpha) for factor in deviations(pods))


def deviations(pods: int) -> tuple[float, ...]:
    """Return the factors off its share that share tests have to show on so many pods."""
    return (STARVED, FLOODED) if pods > 2 else (STARVED,)


@dataclass(frozen=True, slots=True)
class Backends(Design):
    """Each of two backends gets new sessions by its weight; ``share`` is what the lighter one gets of them."""

    share: float = 0.5

    unit = "new sessions"
    deviation = "two backends of different weights get as many"

    def samples(self, pods: int) -> int:
        """Return so many sessions that backends which get as many are seen with POWER, whatever pods they have."""
        return next(samples for samples in count(1) if self._power(samples) >= POWER)

    def false_alarm(self, pods: int) -> float:
        """Return how often the test objects to sessions that are placed by weight."""
        return count_power(self.samples(pods), self.share, self.share, self._tail)

    def power(self, pods: int) -> float:
        """Return how often the test objects if both backends get as many."""
        return self._power(self.samples(pods))

    def _power(self, samples: int) -> float:
        return count_power(samples, self.share, 0.5, self._tail)

    @property
    def _tail(self) -> float:
        """What a share test of two leaves to each tail: the count of either backend may fall into two."""
        return self.alpha / 4


@dataclass(frozen=True, slots=True)
class Spread(Design):
    """The requests of one client do not all stay on one pod: two tests, so that each has half of alpha."""

    unit = "follow-up requests"
    deviation = "traffic without the policy is pinned"

    @property
    def share(self) -> float:
        """The alpha of each test: that all clients stay, and that more of them do than chance makes."""
        return self.alpha / 2

    def samples(self, pods: int) -> int:
        """Return so many follow-ups that by chance all stay on their pod at most as often as ``share`` allows."""
        return witness_sample_size(1 - 1 / pods, self.share)

    def false_alarm(self, pods: int) -> float:
        """Bound how often by chance all follow-ups stay on their pod, or more clients than are likely."""
        return unseen_probability(self.samples(pods), 1 - 1 / pods) + self.share


@dataclass(frozen=True, slots=True)
class SeveralPods(Design):
    """A row of requests reaches more than one pod."""

    unit = "requests"
    deviation = "one pod serves them all"

    def samples(self, pods: int) -> int:
        """Return so many requests that by chance all fall on one pod at most as often as alpha allows."""
        return 1 + witness_sample_size(1 - 1 / pods, self.alpha)

    def false_alarm(self, pods: int) -> float:
        """Return how often by chance all requests fall on the first one's pod."""
        return unseen_probability(self.samples(pods) - 1, 1 - 1 / pods)


@dataclass(frozen=True, slots=True)
class OutOfRotation(Design):
    """No new session is placed on a pod that left the rotation. One is a fact, but with too few none may show.

    Chance can mislead about the moment from which on it is out: a worker that is late may stay unseen while every
    worker is asked. ``alpha`` allows for that. ``replaced`` tells that another pod takes the place, so that the share
    would be one of one pod more.
    """

    replaced: bool = True

    unit = "new sessions"
    deviation = "the draining pod keeps its share of new sessions"

    def false_alarm(self, pods: int) -> float:
        """Return how often a worker that is only late is judged as one that has had its time."""
        return self.alpha

    def samples(self, pods: int) -> int:
        """Return so many new sessions that a pod with its share of them stays unseen with MISSED at most."""
        return witness_sample_size(self._share(pods), MISSED)

    def power(self, pods: int) -> float:
        """Return how often a pod with its share of new sessions is seen."""
        return 1 - unseen_probability(self.samples(pods), self._share(pods))

    def _share(self, pods: int) -> float:
        return 1 / (pods + 1 if self.replaced else pods)


@dataclass(frozen=True, slots=True)
class OneInMany(Design):
    """One request that leaves its pod is a fact; of so many ``planned`` ones, a fault in ``one_in`` is seen."""

    planned: int = 0
    one_in: int = 0

    unit = "requests with the cookie"

    @property
    def deviation(self) -> str:
        """The rate of the fault."""
        return f"one request in {self.one_in} leaves its pod"

    def samples(self, pods: int) -> int:
        """Return what the case plans."""
        return self.planned

    def power(self, pods: int) -> float:
        """Return how often a fault of this rate is seen."""
        return 1 - unseen_probability(self.planned, 1 / self.one_in)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one check can do on a number of pods, as a report says it. See :class:`Design` for the fields."""

    requirement: str
    unit: str
    samples: int
    alpha: float
    false_alarm: float
    deviation: str
    power: float

    @classmethod
    def of(cls, requirement: str, design: Design, pods: int) -> Figures:
        """Work out a design for so many pods."""
        return cls(
            requirement=requirement,
            unit=design.unit,
            samples=design.samples(pods),
            alpha=design.alpha,
            false_alarm=design.false_alarm(pods),
            deviation=design.deviation,
            power=design.power(pods),
        )
