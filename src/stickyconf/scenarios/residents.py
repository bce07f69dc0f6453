"""Sessions that stay: opened on every pod before something happens to one, and visiting steadily while it does.

Each visits in turn over a fresh connection and over the one that this left open, with GET and with POST: a fault of one
worker of the gateway, of pinning by connection, or of one method shows in any of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from itertools import count

from stickyconf.model import Exchange
from stickyconf.scenarios.client import Client
from stickyconf.scenarios.stage import Stage
from stickyconf.scenarios.steady import send_steadily
from stickyconf.scenarios.visits import open_sessions

RESIDENTS_PER_POD = 4
RESIDENT_BEAT = 0.25  # seconds between two visits of one resident, with a quick controller
VISITS_AFTER = 5  # visits of each resident after a pod is gone, to see whether it stays where it moved


class Residents:
    """The sessions of one experiment that visit until it ends."""

    def __init__(self, stage: Stage, clients: list[Client]) -> None:
        """Take the stage and the clients, whose sessions are open."""
        self._stage, self._clients = stage, clients

    @property
    def clients(self) -> list[Client]:
        """The clients, whose jars hold the cookies that they were given."""
        return list(self._clients)

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

        await self._stage.expect(f"{times} visits of every resident", "traffic", fewest, lambda count: count >= times)

    async def served(self) -> bool:
        """Say whether each was served by a pod from now on, once it was or the time for it is over.

        A request to the address of a pod that has gone may get no answer, and the session its next one much later.
        """
        since = self._stage.recorder.now()
        sessions = {client.session for client in self._clients}

        async def waiting() -> set[str]:
            return sessions - {one.session for one in self._stage.recorder.exchanges_since(since) if one.pod}

        return await self._stage.expect("every resident to be served", "served_again", waiting, lambda left: not left)


class _Visits:
    """The visits of one resident: fresh and kept connections, GET and POST, in turn; calling it makes the next one."""

    def __init__(self, client: Client, path: str, number: int) -> None:
        """Take the client, the path, and the resident's number, so that not all do the same at the same time."""
        self._client, self._path, self._turns = client, path, count(number)

    async def __call__(self) -> Exchange:
        turn = next(self._turns)
        if turn % 2 == 0:
            await self._client.reconnect()
        return await (self._client.post(self._path) if turn // 2 % 2 else self._client.get(self._path))


@contextlib.asynccontextmanager
async def residing(stage: Stage) -> AsyncIterator[Residents]:
    """Open sessions until every pod has RESIDENTS_PER_POD, and let them visit until the block ends."""
    beat = stage.target.tempo.beat(RESIDENT_BEAT)
    stage.recorder.plan |= {
        "resident.per_pod": RESIDENTS_PER_POD,
        "resident.beat": beat,
        "after.requests": VISITS_AFTER,
    }
    stopped = asyncio.Event()
    async with contextlib.AsyncExitStack() as stay:
        most = 20 * len(stage.pods)
        held = await open_sessions(stage, stay, "resident", per_pod=RESIDENTS_PER_POD, most=most)
        clients = [client for on_pod in held.values() for client in on_pod]
        async with asyncio.TaskGroup() as traffic:
            for number, client in enumerate(clients):
                visit = _Visits(client, stage.policy.cookie_path, number)
                traffic.create_task(send_steadily(stage.recorder, beat, stopped, visit))
            yield Residents(stage, clients)
            stopped.set()
