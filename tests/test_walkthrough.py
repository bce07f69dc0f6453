"""Before a page's command is run, every worker of the gateway has what the reader has just asked for."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from stickyconf.checks.documentation import DRAINED, STICKY
from stickyconf.model import Answered, Happening
from stickyconf.ports import Reply, Request, Target
from stickyconf.scenarios.stage import Stage
from stickyconf.scenarios.walkthrough import _hold_until
from stickyconf.scenarios.workload import Manifests, Policy, Topology
from stickyconf.wait import Budgets, Waiter

COOKIE = "session-id"
PODS = ("echo-a", "echo-b", "echo-c")
ENDING = "echo-c"
NEVER = 10**9


@dataclass
class Installation:
    """Two workers behind one Admin API; one of them acts on the change only after so many requests of all."""

    lag: int
    ends: bool
    asked: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - reproducible, not secret

    async def list(self, *_: object) -> list[dict[str, Any]]:
        ending = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if self.ends else {}
        return [{"metadata": {"name": pod, **(ending if pod == ENDING else {})}} for pod in PODS]

    async def replicas(self) -> list[str]:
        return ["the only one"]

    async def workers(self, _replica: str) -> int:
        return 2

    async def upstream(self, *_: str) -> dict[str, Any]:
        return {"sticky_sessions_cookie": COOKIE}

    async def targets(self, *_: str) -> dict[str, int]:
        return {pod: 0 if self.ends and pod == ENDING else 100 for pod in PODS}

    def address(self) -> str:
        return "http://127.0.0.1:8000"

    @contextlib.asynccontextmanager
    async def line(self, **_: object) -> AsyncIterator[Installation]:
        yield self

    async def send(self, request: Request) -> Reply:
        self.asked += 1
        stale = self.chance.random() < 1 / 2 and self.asked <= self.lag
        fields = () if stale and not self.ends else (("set-cookie", f"{COOKIE}=x; Path=/"),)
        pod = ENDING if stale and self.ends else "echo-a"
        assert (request.host, request.path) == ("127.0.0.1:8000", "/echo")
        return Reply(Answered(200, fields, pod), "127.0.0.1:1", "HTTP/1.1", 1.0, 1.5)


def held(installation: Installation, condition: str, seconds: float) -> Stage:
    """Wait for a condition, so many seconds for the workers; return the stage with what it has recorded."""
    parts = SimpleNamespace(
        cluster=installation, gateway=installation, traffic=installation, proxy_url=installation.address()
    )
    stage = Stage(
        name="page",
        target=cast(Target, parts),
        waiter=Waiter(Budgets.of({"workers": seconds})),
        manifests=Manifests(Path("manifests")),
        topology=Topology(replicas=0, policy=Policy(cookie=COOKIE)),
        namespace="n",
        host="h",
        seed=1,
    )
    asyncio.run(_hold_until(stage, condition))
    return stage


@pytest.mark.parametrize(("condition", "ends"), [(STICKY, False), (DRAINED, True)])
def test_a_worker_that_lags_is_waited_for(condition: str, ends: bool) -> None:
    installation = Installation(lag=10, ends=ends)
    stage = held(installation, condition, seconds=20)

    assert [event.subject for event in stage.recorder.events(Happening.CONVERGED)] == [condition]
    assert installation.asked > installation.lag
    assert stage.recorder.exchanges_since(0.0) == []  # nothing follows the logs of these pods


@pytest.mark.parametrize(("condition", "ends"), [(STICKY, False), (DRAINED, True)])
def test_a_worker_that_never_acts_on_it_is_recorded(condition: str, ends: bool) -> None:
    stage = held(Installation(lag=NEVER, ends=ends), condition, seconds=0.3)

    [event] = stage.recorder.events(Happening.UNCONVERGED)
    assert (event.subject, event.detail["budget"]) == (condition, "workers")
    assert "connections in row" in event.detail["last"]
