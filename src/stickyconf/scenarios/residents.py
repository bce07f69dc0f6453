"""Sessions that stay: opened on every pod before something happens to one, and visiting steadily while it does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

from stickyconf.scenarios.client import Client
from stickyconf.scenarios.stage import Stage
from stickyconf.scenarios.steady import send_steadily
from stickyconf.scenarios.visits import open_sessions

RESIDENTS_PER_POD = 4
RESIDENT_BEAT = 0.25  # seconds between two visits of one resident
VISITS_AFTER = 5  # visits of each resident after a pod is gone, to see whether it stays where it moved


class Residents:
    """The sessions of one experiment that visit until it ends."""

    def __init__(self, stage: Stage, clients: list[Client]) -> None:
        """Take the stage and the clients, whose sessions are open."""
        self._stage, self._clients = stage, clients

    async def visited(self, times: int, since: float | None = None) -> None:
        """Return when each has visited so many times since a moment of the history's clock, or from now on."""
        since = self._stage.recorder.now() if since is None else since
        sessions = {client.session for client in self._clients}

        async def fewest() -> int:
            visits = dict.fromkeys(sessions, 0)
            for exchange in self._stage.recorder.exchanges_since(since):
                if exchange.session in visits:
                    visits[exchange.session] += 1
            return min(visits.values(), default=times)

        what = f"{times} visits of every resident"
        await self._stage.waiter.until(what, "traffic", fewest, lambda count: count >= times)


@contextlib.asynccontextmanager
async def residing(stage: Stage) -> AsyncIterator[Residents]:
    """Open sessions until every pod has RESIDENTS_PER_POD, and let them visit until the block ends."""
    stage.recorder.plan |= {
        "resident.per_pod": RESIDENTS_PER_POD,
        "resident.beat": RESIDENT_BEAT,
        "after.requests": VISITS_AFTER,
    }
    stopped = asyncio.Event()
    async with contextlib.AsyncExitStack() as stay:
        most = 20 * len(stage.pods)
        held = await open_sessions(stage, stay, "resident", per_pod=RESIDENTS_PER_POD, most=most)
        clients = [client for on_pod in held.values() for client in on_pod]
        async with asyncio.TaskGroup() as traffic:
            for client in clients:
                visit = partial(client.get, stage.policy.cookie_path)
                traffic.create_task(send_steadily(stage.recorder, RESIDENT_BEAT, stopped, visit))
            yield Residents(stage, clients)
            stopped.set()
