"""Waiting: a condition, a deadline under a named budget, and the only polling loop of the suite.

Waiting is for preconditions. A verdict is never waited for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import tenacity

# Every wait of the suite, in seconds. The embedded cluster, being fast, needs a fraction of each.
BUDGETS: dict[str, tuple[float, str]] = {
    "cluster": (60, "the cluster under test answers and KIC and Kong are ready"),
    "node": (600, "a kind cluster is made, its node's image pulled, and its node ready"),
    "install": (300, "the images of KIC and Kong are pulled, and both are ready for the first time"),
    "proxy": (20, "the gateway's proxy answers its first request, before anything is recorded"),
    "image": (300, "the image of the echo workload is pulled, and a first pod of it is ready"),
    "rollout": (60, "a Deployment has all its replicas ready, or a scale-down was begun"),
    "admission": (10, "the API server answers about one object"),
    "programmed": (30, "every gateway replica shows a change in its Admin API"),
    "konnect": (60, "a controller that reports to Konnect has reported"),
    "workers": (10, "every worker of the gateway acts on a change that every Admin API shows"),
    "drain_converged": (
        10,
        "every gateway replica shows a terminating pod at weight 0, or without it; 4 sync periods"
        " of the controller if those are longer",
    ),
    "traffic": (120, "clients have sent what a moment of an experiment needs"),
    "drained": (90, "a terminating pod is gone from the cluster and from every gateway replica"),
    "served_again": (85, "sessions of a removed pod are served again: Kong may wait 60 s for a connection to it"),
    "pod_logs": (10, "every answered request is found in the log of the pod that served it"),
    "aftermath": (4, "what happened to pods and gateway is seen, if requests failed or strayed just before the end"),
    "cleanup": (60, "what a case made is deleted again"),
    "request": (15, "one HTTP request is answered (an unanswered one is Unknown, not failed)"),
    "silence": (
        90,
        "the gateway answers any request of a recording; if it answers none for longer, the rest is not played, and"
        " what was seen until then is judged",
    ),
    "command": (60, "one command of a documentation page ends"),
}


class UnknownBudget(ValueError):
    """A budget of that name does not exist, or its value is no number of seconds."""


class WaitFailed(Exception):
    """A condition did not hold in time. ``last`` is what was seen last."""

    def __init__(self, what: str, budget: str, seconds: float, last: str) -> None:
        """Say what was waited for, under which budget, for how long, and what was seen last."""
        super().__init__(f"waited {seconds:.1f} s for {what} (budget {budget}); last seen: {last}")
        self.what, self.budget, self.seconds, self.last = what, budget, seconds, last


@dataclass(frozen=True, slots=True)
class Budgets:
    """How long each named wait may take."""

    seconds: Mapping[str, float]

    @classmethod
    def of(cls, overrides: Mapping[str, float] | None = None) -> Budgets:
        """Take the documented table, with some values replaced; UnknownBudget for a name it does not have."""
        overrides = overrides or {}
        for name, value in overrides.items():
            if name not in BUDGETS:
                raise UnknownBudget(f"no budget is called {name!r}; there are: {', '.join(sorted(BUDGETS))}")
            if not 0 < value < float("inf"):
                raise UnknownBudget(f"budget {name}={value}: give a number of seconds above 0")
        return cls({name: overrides.get(name, default) for name, (default, _) in BUDGETS.items()})

    def __getitem__(self, name: str) -> timedelta:
        """Return a budget's length; UnknownBudget for a name the table does not have."""
        if name not in self.seconds:
            raise UnknownBudget(f"no budget is called {name!r}; there are: {', '.join(sorted(BUDGETS))}")
        return timedelta(seconds=self.seconds[name])

    def at_least(self, name: str, seconds: float) -> Budgets:
        """Return the same table with one budget of so many seconds, if it is not longer; UnknownBudget without one."""
        return Budgets({**self.seconds, name: max(seconds, self[name].total_seconds())})

    @staticmethod
    def parse(text: str) -> tuple[str, float]:
        """Read NAME=SECONDS; UnknownBudget with one clear line if it is not that."""
        name, equals, value = text.partition("=")
        try:
            if equals:
                return name, float(value)
        except ValueError:
            pass
        raise UnknownBudget(f"budget {text!r} is not NAME=SECONDS, for example programmed=60")


T = TypeVar("T")
Progress = Callable[[str, float], None]


def _silent(_what: str, _elapsed: float) -> None:
    return


@dataclass(frozen=True, slots=True)
class Waiter:
    """Waits until something holds, telling ``progress`` what it waits for and for how long already; "" ends it."""

    budgets: Budgets
    progress: Progress = _silent

    async def until(
        self,
        what: str,
        budget: str,
        look: Callable[[], Awaitable[T]],
        holds: Callable[[T], bool],
        every: float = 0.05,
    ) -> T:
        """Look again and again until ``holds`` says so, and return what was seen then.

        ``every`` is the pause between two looks in seconds. Raises WaitFailed when the budget is used up, also in the
        middle of a look that does not return; UnknownBudget for a budget that does not exist.
        """
        limit = asyncio.timeout(self.budgets[budget].total_seconds())
        began = time.monotonic()
        seen: list[T] = []

        async def attempt() -> T:
            self.progress(what, time.monotonic() - began)
            seen[:] = [await look()]
            if not holds(seen[0]):
                raise tenacity.TryAgain
            return seen[0]

        retrying = tenacity.AsyncRetrying(
            wait=tenacity.wait_fixed(every), retry=tenacity.retry_if_exception_type(tenacity.TryAgain)
        )
        try:
            async with limit:
                return await retrying(attempt)
        except TimeoutError as error:
            if not limit.expired():
                raise  # the look's own
            raise WaitFailed(what, budget, time.monotonic() - began, str(seen[0]) if seen else "nothing") from error
        finally:
            self.progress("", 0.0)

    @contextmanager
    def told(self, what: str) -> Iterator[None]:
        """Tell progress of one piece of long work that does not poll."""
        self.progress(what, 0.0)
        try:
            yield
        finally:
            self.progress("", 0.0)


def _not_kept(_seconds: float) -> None:
    return


class Beat:
    """A steady rhythm: each tick comes ``seconds`` after the one before, late ones are not made up for.

    This paces what is sent or looked at; it waits for nothing. A tick is due ``seconds`` after the one before, or when
    it is asked for if that is later: then the work between the two took longer than the beat.
    """

    def __init__(self, seconds: float, late: Callable[[float], None] = _not_kept) -> None:
        """Set the time between two ticks, in seconds; ``late`` is told by how many seconds each tick came too late."""
        self._seconds, self._late = seconds, late
        self.due = time.monotonic()
        """When the last tick was due, as time.monotonic() counts."""

    async def tick(self) -> None:
        """Return at the next tick."""
        self.due = max(self.due + self._seconds, time.monotonic())
        await asyncio.sleep(self.due - time.monotonic())
        self._late(max(0.0, time.monotonic() - self.due))
