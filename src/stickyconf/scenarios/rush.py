"""Many clients at the same moment: new sessions beside heavy pinned load, and first requests all at once."""

from __future__ import annotations

import asyncio
import contextlib
import random

from stickyconf.scenarios.client import Client
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.visits import open_sessions, visit

LOAD = 12  # requests that the loaded pod has under way all the time
LOAD_SECONDS = 0.1  # how long each of them takes
HELD_SECONDS = 1.0  # how long a first request takes where all of them are to be under way at once


def place_beside_load(*, sessions: int) -> Scenario:
    """Keep one pod busy with requests pinned to it; open ``sessions`` new sessions meanwhile, many at a time."""

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {"load.under_way": LOAD, "load.seconds": LOAD_SECONDS}
        async with contextlib.AsyncExitStack() as stay:
            held = await open_sessions(stage, stay, "load", per_pod=1, most=20 * len(stage.pods))
            chosen = random.Random(stage.seed).choice(sorted(stage.pods))  # noqa: S311 - reproducible, not secret
            stopped = asyncio.Event()
            async with asyncio.TaskGroup() as traffic:
                for client in held[chosen][:1] * LOAD:
                    traffic.create_task(_keep_busy(client, stopped))
                await _under_load(stage)
                await visit("newcomer", sessions=sessions, requests=1, cookies="discard")(stage)
                stopped.set()

    return play


async def _keep_busy(client: Client, stopped: asyncio.Event) -> None:
    while not stopped.is_set():
        await client.send("GET", f"/?delay={LOAD_SECONDS:g}", patience=LOAD_SECONDS)


async def _under_load(stage: Stage) -> None:
    """Return when as many requests of the load have ended as are to be under way: from now on they are."""
    since = stage.recorder.now()

    async def ended() -> int:
        return sum(exchange.arm == "load" for exchange in stage.recorder.exchanges_since(since))

    await stage.waiter.until("the load to be there", "request", ended, lambda count: count >= LOAD)


def arrive_at_once(*, sessions: int, requests: int) -> Scenario:
    """Let ``sessions`` clients send their first request at the same time, and ``requests - 1`` more with the cookie."""

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {"arrival.sessions": sessions, "arrival.requests": requests}

        async def one() -> None:
            async with stage.client("arrival") as client:
                await client.send("GET", f"/?delay={HELD_SECONDS:g}", patience=HELD_SECONDS)
                for _ in range(requests - 1):
                    await client.get("/")

        await asyncio.gather(*(one() for _ in range(sessions)))

    return play
