"""One pod ends under traffic.

residents   --x--x--x--x--x--x--x--x--x--x--x--x--   opened before, on every pod, visiting steadily
newcomers   .  .  .  .  .  .  .  .  .  .  .  .  .    a new session each
keepers     .-------.-------.-------.-------.---xx   new sessions that keep their cookie and come back
in flight      [===========================]         a GET and a POST on the pod, answered after SIGTERM
the pod     ready | act  preStop holds   | released: SIGTERM | gone | removed from the gateway

The pod is held until enough was seen, however long that takes on a slow machine, and then released.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Literal

from stickyconf.checks.rotation import UNSTICKY
from stickyconf.model import Exchange
from stickyconf.scenarios.client import BODY, Client
from stickyconf.scenarios.ending import any_pod, delete_pod, forgotten, gone, in_turn, placed_elsewhere, scale, settled
from stickyconf.scenarios.residents import VISITS_AFTER, residing
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.steady import send_steadily
from stickyconf.scenarios.visits import open_sessions, visit
from stickyconf.scenarios.workload import upstream_name
from stickyconf.stats import reach_sample_size

NEWCOMER_BEAT = 0.05  # seconds between two new sessions, with a quick controller
LANES = 3  # that open them in turn, so that one slow answer does not keep the next session waiting
VISITS_HELD = 14  # visits of each resident while the settled gateway drains the pod: see DRN-01, LATE_CONNECTIONS
KEEPER_BEAT = 0.4  # the same for those that keep their cookie
KEEPER_VISITS = 2  # visits of each of them after the pod is gone
# New sessions to open meanwhile: a pod that still got its share, of one pod more, would show but for one in a million.
MISSED = 1e-6


def drain_one_pod(*, by: Literal["delete", "scale"]) -> Scenario:
    """End one pod under traffic: delete it (it is replaced), or scale the Deployment down by one.

    Which pod a scale-down ends is Kubernetes' choice, so that only a deletion has a request in flight on it.
    """

    async def play(stage: Stage) -> None:
        victim = any_pod(stage) if by == "delete" else ""
        needed = reach_sample_size(len(stage.pods) + 1, MISSED)
        stage.recorder.plan |= {"newcomer.beat": stage.target.tempo.beat(NEWCOMER_BEAT), "newcomer.sessions": needed}
        stage.observers.watch_cluster()
        stage.observers.poll_targets(stage.gateways)
        async with residing(stage) as residents, contextlib.AsyncExitStack() as stay:
            most = 20 * len(stage.pods)
            candidates = await open_sessions(stage, stay, "in-flight", per_pod=1, most=most) if victim else {}
            stopped = asyncio.Event()
            async with asyncio.TaskGroup() as traffic:
                for lane in range(LANES):
                    traffic.create_task(_newcomers(stage, stopped, lane))
                keepers: list[Client] = []
                traffic.create_task(_keepers(stage, stay, keepers, stopped))
                for client in candidates.get(victim, [])[:1]:
                    traffic.create_task(_stay_in_flight(client, stage.target.tempo.hold))
                await residents.visited(times=3)
                async with in_turn(stage):
                    await (delete_pod(stage, victim) if victim else scale(stage, len(stage.pods) - 1))
                    victims = await settled(stage)
                since = stage.recorder.now()
                await _newcomers_opened(stage, needed)
                await residents.visited(times=VISITS_HELD, since=since)
                await stage.release(victims)
                left = await gone(stage, victims)
                if await residents.served():
                    if left:
                        await forgotten(stage, victims)
                    await residents.visited(times=VISITS_AFTER)
                stopped.set()
                await _come_back(keepers, stage.policy.cookie_path)

    return play


def drain_under_a_rush(*, sessions: int | Callable[[int, int], int], unsticky: int = 0) -> Scenario:
    """Delete one pod; once the gateway drains it, open ``sessions`` new sessions at once, while the pod is held.

    Their number may follow from the gateway's workers and from the pods that are ready before. Then send so many
    requests to a Service without the policy, which has the same pods.
    """

    async def play(stage: Stage) -> None:
        if unsticky:
            await _create_unsticky(stage)
        stage.observers.watch_cluster()
        stage.observers.poll_targets(stage.gateways)
        count = sessions if isinstance(sessions, int) else sessions(stage.workers, len(stage.pods))
        async with in_turn(stage):
            await delete_pod(stage, any_pod(stage))
            victims = await settled(stage)
        await visit("newcomer", sessions=count, requests=1, cookies="discard")(stage)
        if unsticky:
            await _visit_unsticky(stage, victims, unsticky)
        await stage.release(victims)
        await gone(stage, victims)

    return play


async def _create_unsticky(stage: Stage) -> None:
    host = stage.host_name(UNSTICKY)
    for manifest in stage.manifests.beside(stage.namespace, UNSTICKY, host):
        await stage.target.cluster.apply(manifest)
    await stage.converge(sticky=False, upstream=upstream_name(stage.namespace, UNSTICKY), host=host)


async def _visit_unsticky(stage: Stage, victims: list[str], requests: int) -> None:
    for pod in victims:
        asked = replace(placed_elsewhere(pod, len(stage.pods) + 1), subject=UNSTICKY)
        await stage.settled(asked, stage.host_name(UNSTICKY))
    await visit(UNSTICKY, sessions=requests, requests=1, cookies="discard", host=UNSTICKY)(stage)


async def _newcomers(stage: Stage, stopped: asyncio.Event, lane: int) -> None:
    turns = count(lane)

    async def open_one() -> Exchange:
        path = stage.policy.cookie_path
        async with stage.client("newcomer", fresh=True, keeps=False) as client:
            return await (client.post(path) if next(turns) % 2 else client.get(path))

    await send_steadily(stage.recorder, LANES * stage.target.tempo.beat(NEWCOMER_BEAT), stopped, open_one)


async def _keepers(stage: Stage, stay: contextlib.AsyncExitStack, opened: list[Client], stopped: asyncio.Event) -> None:
    """Open sessions that keep their cookie; each comes back when the next one has come."""

    async def open_one() -> Exchange:
        client = await stay.enter_async_context(stage.client("keeper", fresh=True))
        exchange = await client.get(stage.policy.cookie_path)
        if opened:
            await opened[-1].post(stage.policy.cookie_path)
        opened.append(client)
        return exchange

    await send_steadily(stage.recorder, stage.target.tempo.beat(KEEPER_BEAT), stopped, open_one)


async def _come_back(clients: list[Client], path: str) -> None:
    for _ in range(KEEPER_VISITS):
        await asyncio.gather(*(client.get(path) for client in clients))


async def _stay_in_flight(client: Client, seconds: float) -> None:
    body = {"GET": b"", "POST": BODY}
    await asyncio.gather(
        *(client.send(method, "/?until=sigterm", body=body[method], patience=seconds) for method in body)
    )


async def _newcomers_opened(stage: Stage, needed: int) -> None:
    """Return when so many new sessions were opened from now on."""
    since = stage.recorder.now()

    async def opened() -> int:
        return sum(exchange.arm == "newcomer" for exchange in stage.recorder.exchanges_since(since))

    await stage.expect(f"{needed} new sessions", "traffic", opened, lambda number: number >= needed)
