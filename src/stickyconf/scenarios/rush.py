"""Many clients at the same moment: new sessions beside heavy pinned load, and first requests all at once."""

from __future__ import annotations

import asyncio
import contextlib
import random

from stickyconf.scenarios.client import Client
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.visits import open_sessions

LOAD = 12  # requests that the loaded pod has under way all the time
LOAD_SECONDS = 2.0  # how long the pod takes for each of them: long compared with all delays on the way
LANES = 4  # new sessions that are opened at a time: fewer than the load, or they would outweigh it
HELD_SECONDS = 1.0  # how long a first request takes when all of them are to be under way at once


def place_beside_load(*, sessions: int) -> Scenario:
    """Keep one pod busy with requests pinned to it; open ``sessions`` new sessions meanwhile, a few at a time."""

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {
            "load.under_way": LOAD,
            "load.seconds": LOAD_SECONDS,
            "newcomer.sessions": sessions,
            "newcomer.requests": 1,
        }
        async with contextlib.AsyncExitStack() as stay:
            held = await open_sessions(stage, stay, "load", per_pod=1, most=20 * len(stage.pods))
            chosen = random.Random(stage.seed).choice(sorted(stage.pods))  # noqa: S311 - reproducible, not secret
            stopped = asyncio.Event()
            async with asyncio.TaskGroup() as traffic:
                for number, client in enumerate(held[chosen][:1] * LOAD):
                    traffic.create_task(_keep_busy(client, stopped, LOAD_SECONDS * (number + 1) / LOAD))
                await _under_load(stage)
                await _open_in_lanes(stage, sessions)
                stopped.set()

    return play


async def _open_in_lanes(stage: Stage, sessions: int) -> None:
    due = iter(range(sessions))

    async def lane() -> None:
        for _ in due:
            async with stage.client("newcomer", keeps=False) as client:
                await client.get("/")

    await asyncio.gather(*(lane() for _ in range(LANES)))


async def _keep_busy(client: Client, stopped: asyncio.Event, first: float) -> None:
    """Have a request under way all the time. The ``first`` one is shorter, so that not all begin anew at once."""
    seconds = first
    while not stopped.is_set():
        await client.send("GET", f"/?delay={seconds:g}", patience=seconds)
        seconds = LOAD_SECONDS


async def _under_load(stage: Stage) -> None:
    """Return when as many requests of the load have ended as are to be under way: from now on they are."""
    since = stage.recorder.now()

    async def ended() -> int:
        return sum(exchange.arm == "load" for exchange in stage.recorder.exchanges_since(since))

    await stage.expect("the load to be there", "request", ended, lambda count: count >= LOAD)


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
