"""Asking every worker of a gateway: a worker that is behind is seen, and none that is not is taken for one."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from stickyconf.model import Answered, Happening, Unknown
from stickyconf.ports import Reply, Request
from stickyconf.scenarios.client import Client
from stickyconf.scenarios.recorder import Recorder
from stickyconf.scenarios.settling import ASSUMED_WORKERS, PROBE, Asked, Settling
from stickyconf.stats import FEWEST_AGREEING, SETTLING_ALPHA, stale_worker_sample_size
from stickyconf.wait import Budgets, Waiter

VICTIM = "echo-b"
AVOIDED = Asked(f"place no new session on {VICTIM}", VICTIM, lambda one: one.pod not in (None, VICTIM), shows=1 / 4)


@dataclass
class Gateway:
    """Workers that deal new sessions to pods in turn. ``stale(worker, number)`` says which still have the old pods."""

    workers: int
    stale: Callable[[int, int], bool]
    unanswered: bool = False
    takes: float = 0.0
    """Seconds for each answer."""
    asked: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - reproducible, not secret
    turns: dict[int, int] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def line(self) -> AsyncIterator[Gateway]:
        yield self

    async def send(self, request: Request) -> Reply:
        worker, number = self.chance.randrange(self.workers), self.asked
        self.asked += 1
        await asyncio.sleep(self.takes)
        turn = self.turns[worker] = self.turns.get(worker, worker) + 1
        pods = ("echo-a", VICTIM, "echo-c") if self.stale(worker, number) else ("echo-a", "echo-c", "echo-d")
        outcome = Unknown("silence") if self.unanswered else Answered(200, (), pods[turn % 3])
        return Reply(outcome, f"127.0.0.1:{self.asked}", "HTTP/1.1", 1.0 + number, 1.5 + number)


def settled(gateway: Gateway, seconds: float = 0.3, workers: int = 0) -> tuple[bool, Recorder]:
    """Ask a gateway, which is believed to have so many workers, within a budget in seconds."""
    recorder = Recorder()

    @contextlib.asynccontextmanager
    async def client() -> AsyncIterator[Client]:
        async with gateway.line() as line:
            yield Client(recorder, cast(Any, line), arm=PROBE, session="probe", host="h", gateway="g", keeps=False)

    async def ask() -> bool:
        waiter = Waiter(Budgets.of({"workers": seconds}))
        return await Settling(recorder, waiter, workers or gateway.workers, client).settled(AVOIDED)

    return asyncio.run(ask()), recorder


def test_a_gateway_that_has_the_change_is_asked_as_often_as_one_worker_behind_would_take_to_show() -> None:
    gateway = Gateway(4, lambda *_: False)
    done, recorder = settled(gateway, seconds=5)

    needed = stale_worker_sample_size(4, SETTLING_ALPHA, shows=1 / 4)
    [event] = recorder.events(Happening.SETTLED, VICTIM)
    assert done
    assert gateway.asked == needed
    assert (event.detail["workers"], event.detail["connections"]) == ("4", str(needed))
    assert recorder.plan == {"gateway.workers": 4, "workers.seconds": 5.0}


@pytest.mark.parametrize("workers", [1, 4, 16])
def test_a_worker_that_gets_the_change_later_is_waited_for(workers: int) -> None:
    gateway = Gateway(workers, lambda worker, number: worker == 0 and number < 400)
    done, recorder = settled(gateway, seconds=20)

    [event] = recorder.events(Happening.SETTLED)
    dealt = [one for one in recorder.exchanges_since(float("-inf")) if one.pod == VICTIM]
    assert done
    assert all(one.received < event.when for one in dealt)


@pytest.mark.parametrize("workers", [1, 4, 16])
def test_one_worker_that_never_gets_the_change_is_evidence_once_its_time_is_over(workers: int) -> None:
    done, recorder = settled(Gateway(workers, lambda worker, _: worker == 0))

    [event] = recorder.events(Happening.UNSETTLED, VICTIM)
    [late] = [one for one in recorder.exchanges_since(float("-inf")) if one.request_id == event.detail["request"]]
    assert not done
    assert late.pod == VICTIM
    assert "in row" in event.detail["last"]


def test_what_a_slow_machine_cannot_ask_within_the_budget_is_asked_after_it() -> None:
    """The budget is the gateway's: how long the suite takes to ask is no sign of a worker that is behind."""
    done, recorder = settled(Gateway(4, lambda *_: False, takes=0.01), seconds=0.05)

    assert done
    assert recorder.events(Happening.SETTLED, VICTIM)


def test_connections_without_an_answer_agree_on_nothing_and_are_no_evidence() -> None:
    done, recorder = settled(Gateway(1, lambda *_: False, unanswered=True))

    [event] = recorder.events(Happening.UNSETTLED)
    assert not done
    assert event.detail["request"] == ""


def test_one_worker_of_one_replica_is_asked_a_few_times_only() -> None:
    assert stale_worker_sample_size(1, SETTLING_ALPHA) == FEWEST_AGREEING == 5
    assert stale_worker_sample_size(ASSUMED_WORKERS, SETTLING_ALPHA) == 368
