"""One pod ends under traffic.

residents   --x--x--x--x--x--x--x--x--x--x--x--x--   opened before, on every pod, visiting steadily
newcomers   .  .  .  .  .  .  .  .  .  .  .  .  .    a new session each
in flight      [===========================]         a request on the pod that is answered after SIGTERM
the pod     ready | act  preStop holds   | released: SIGTERM | gone | removed from the gateway

The pod is held until enough was seen, however long that takes on a slow machine, and then released.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Literal

from stickyconf.model import Exchange
from stickyconf.scenarios.client import Client
from stickyconf.scenarios.ending import any_pod, delete_pod, gone, scale, settled
from stickyconf.scenarios.residents import VISITS_AFTER, residing
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.steady import send_steadily
from stickyconf.scenarios.visits import open_sessions, visit
from stickyconf.stats import reach_sample_size

NEWCOMER_BEAT = 0.05  # seconds between two new sessions
LANES = 3  # that open them in turn, so that one slow answer does not keep the next session waiting
VISITS_HELD = 3  # visits of each resident while the settled gateway drains the pod
# New sessions to open meanwhile: a pod that still got its share, of one pod more, would show but for one in a million.
MISSED = 1e-6


def drain_one_pod(*, by: Literal["delete", "scale"]) -> Scenario:
    """End one pod under traffic: delete it (it is replaced), or scale the Deployment down by one.

    Which pod a scale-down ends is Kubernetes' choice, so that only a deletion has a request in flight on it.
    """

    async def play(stage: Stage) -> None:
        victim = any_pod(stage) if by == "delete" else ""
        needed = reach_sample_size(len(stage.pods) + 1, MISSED)
        stage.recorder.plan |= {"newcomer.beat": NEWCOMER_BEAT, "newcomer.sessions": needed}
        stage.observers.watch_cluster()
        stage.observers.poll_targets(stage.gateways)
        async with residing(stage) as residents, contextlib.AsyncExitStack() as stay:
            most = 20 * len(stage.pods)
            candidates = await open_sessions(stage, stay, "in-flight", per_pod=1, most=most) if victim else {}
            stopped = asyncio.Event()
            async with asyncio.TaskGroup() as traffic:
                for _ in range(LANES):
                    traffic.create_task(_newcomers(stage, stopped))
                for client in candidates.get(victim, [])[:1]:
                    traffic.create_task(_stay_in_flight(client, stage.target.tempo.hold))
                await residents.visited(times=3)
                await (delete_pod(stage, victim) if victim else scale(stage, len(stage.pods) - 1))
                victims = await settled(stage)
                await _newcomers_opened(stage, needed)
                await residents.visited(times=VISITS_HELD)
                await stage.release(victims)
                await gone(stage, victims)
                await residents.visited(times=VISITS_AFTER)
                stopped.set()

    return play


def drain_under_a_rush(*, sessions: int | Callable[[int, int], int]) -> Scenario:
    """Delete one pod; once the gateway drains it, open ``sessions`` new sessions at once, while the pod is held.

    Their number may follow from the gateway's workers and from the pods that are ready before.
    """

    async def play(stage: Stage) -> None:
        stage.observers.watch_cluster()
        stage.observers.poll_targets(stage.gateways)
        await delete_pod(stage, any_pod(stage))
        count = sessions if isinstance(sessions, int) else sessions(stage.workers, len(stage.pods))
        victims = await settled(stage)
        await visit("newcomer", sessions=count, requests=1, cookies="discard")(stage)
        await stage.release(victims)
        await gone(stage, victims)

    return play


async def _newcomers(stage: Stage, stopped: asyncio.Event) -> None:
    async def open_one() -> Exchange:
        async with stage.client("newcomer", fresh=True, keeps=False) as client:
            return await client.get(stage.policy.cookie_path)

    await send_steadily(stage.recorder, LANES * NEWCOMER_BEAT, stopped, open_one)


async def _stay_in_flight(client: Client, seconds: float) -> None:
    await client.send("GET", "/?until=sigterm", patience=seconds)


async def _newcomers_opened(stage: Stage, count: int) -> None:
    """Return when so many new sessions were opened from now on."""
    since = stage.recorder.now()

    async def opened() -> int:
        return sum(exchange.arm == "newcomer" for exchange in stage.recorder.exchanges_since(since))

    await stage.waiter.until(f"{count} new sessions", "traffic", opened, lambda number: number >= count)
