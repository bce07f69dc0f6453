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
import random
from typing import Literal

from stickyconf.checks.ending import AGREEING_NEWCOMERS
from stickyconf.model import Happening
from stickyconf.ports import POD
from stickyconf.scenarios.client import Client
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.visits import open_sessions
from stickyconf.scenarios.workload import SERVICE as ECHO
from stickyconf.stats import reach_sample_size
from stickyconf.wait import Beat, WaitFailed

RESIDENTS_PER_POD = 4
RESIDENT_BEAT = 0.15  # seconds between two visits of one resident
NEWCOMER_BEAT = 0.03  # seconds between two new sessions
VISITS_AFTER = 5  # visits of each resident after the pod is gone, to see whether it stays where it moved
VISITS_HELD = 3  # visits of each resident while the settled gateway drains the pod
# New sessions to open meanwhile: a pod that still got its share, of one pod more, would show but for one in a million.
MISSED = 1e-6


def drain_one_pod(*, by: Literal["delete", "scale"]) -> Scenario:
    """End one pod under traffic: delete it (it is replaced), or scale the Deployment down by one.

    Which pod a scale-down ends is Kubernetes' choice, so that only a deletion has a request in flight on it.
    """

    async def play(stage: Stage) -> None:
        victim = random.Random(stage.seed).choice(sorted(stage.pods)) if by == "delete" else ""  # noqa: S311 - no secret
        needed = reach_sample_size(len(stage.pods) + 1, MISSED) + 2 * AGREEING_NEWCOMERS
        stage.recorder.plan |= {
            "resident.per_pod": RESIDENTS_PER_POD,
            "resident.beat": RESIDENT_BEAT,
            "newcomer.beat": NEWCOMER_BEAT,
            "newcomer.sessions": needed,
            "settling.seconds": stage.waiter.budgets["drain_converged"].total_seconds(),
            "after.requests": VISITS_AFTER,
        }
        stage.observers.watch_cluster()
        stage.observers.poll_targets(stage.gateways)
        async with contextlib.AsyncExitStack() as stay:
            most = 20 * len(stage.pods)
            residents = await open_sessions(stage, stay, "resident", per_pod=RESIDENTS_PER_POD, most=most)
            candidates = await open_sessions(stage, stay, "in-flight", per_pod=1, most=most) if victim else {}
            stopped = asyncio.Event()
            async with asyncio.TaskGroup() as traffic:
                for client in _all(residents):
                    traffic.create_task(_reside(client, stage.policy.cookie_path, stopped))
                traffic.create_task(_newcomers(stage, stopped))
                for client in candidates.get(victim, [])[:1]:
                    traffic.create_task(_stay_in_flight(client, stage.target.tempo.hold))
                await _visited(stage, residents, times=3)
                await _end_one_pod(stage, victim)
                victims = await _settled(stage)
                await _newcomers_opened(stage, needed)
                await _visited(stage, residents, times=VISITS_HELD)
                await stage.release(victims)
                await _gone(stage)
                await _visited(stage, residents, times=VISITS_AFTER)
                stopped.set()

    return play


def _all(held: dict[str, list[Client]]) -> list[Client]:
    return [client for clients in held.values() for client in clients]


async def _reside(client: Client, path: str, stopped: asyncio.Event) -> None:
    beat = Beat(RESIDENT_BEAT)
    while not stopped.is_set():
        await client.get(path)
        await beat.tick()


async def _newcomers(stage: Stage, stopped: asyncio.Event) -> None:
    beat = Beat(NEWCOMER_BEAT)
    while not stopped.is_set():
        async with stage.client("newcomer", fresh=True, keeps=False) as client:
            await client.get(stage.policy.cookie_path)
        await beat.tick()


async def _stay_in_flight(client: Client, seconds: float) -> None:
    await client.send("GET", "/?until=sigterm", patience=seconds)


async def _visited(stage: Stage, residents: dict[str, list[Client]], times: int) -> None:
    """Return when every resident has visited so many times from now on."""
    since = stage.recorder.now()
    sessions = {client.session for client in _all(residents)}

    async def fewest() -> int:
        visits = dict.fromkeys(sessions, 0)
        for exchange in stage.recorder.exchanges_since(since):
            if exchange.session in visits:
                visits[exchange.session] += 1
        return min(visits.values(), default=times)

    await stage.waiter.until(f"{times} visits of every resident", "traffic", fewest, lambda count: count >= times)


async def _end_one_pod(stage: Stage, victim: str) -> None:
    # The act is recorded before it is asked for: preStop cannot have begun earlier.
    if not victim:
        replicas = len(stage.pods) - 1
        stage.recorder.event(Happening.SCALED, f"Deployment/{ECHO}", replicas=str(replicas))
        await stage.target.cluster.scale(ECHO, stage.namespace, replicas)
    else:
        stage.recorder.event(Happening.DELETED, victim)
        await stage.target.cluster.delete(POD, victim, stage.namespace)


async def _settled(stage: Stage) -> list[str]:
    """Return the terminating pods once every gateway replica shows them at weight 0, or no longer.

    A gateway that never does is not our failure: what was seen is recorded, and judged after as much time.
    """

    async def terminating() -> list[str]:
        return [event.subject for event in stage.recorder.events(Happening.TERMINATING)]

    victims = await stage.waiter.until("a terminating pod", "rollout", terminating, bool)

    async def still_weighted() -> list[str]:
        shown = [(pod, replica, weight) for pod in victims for replica, weight in stage.observers.shown(pod).items()]
        return [f"{pod} on {replica}" for pod, replica, weight in shown if weight]

    with contextlib.suppress(WaitFailed):
        await stage.waiter.until(
            "the gateway to drain the pod", "drain_converged", still_weighted, lambda left: not left
        )
    return victims


async def _newcomers_opened(stage: Stage, count: int) -> None:
    """Return when so many new sessions were opened from now on."""
    since = stage.recorder.now()

    async def opened() -> int:
        return sum(exchange.arm == "newcomer" for exchange in stage.recorder.exchanges_since(since))

    await stage.waiter.until(f"{count} new sessions", "traffic", opened, lambda number: number >= count)


async def _gone(stage: Stage) -> None:
    """Return when the pod has left the cluster and every gateway replica; record it where it does not."""

    async def still_there() -> list[str]:
        ending = stage.recorder.events(Happening.TERMINATING)
        gone = {event.subject for event in stage.recorder.events(Happening.POD_GONE)}
        left = [f"{event.subject} has not gone" for event in ending if event.subject not in gone]
        left += [
            f"{event.subject} on {replica}" for event in ending for replica in stage.observers.shown(event.subject)
        ]
        return left if ending else ["no pod is terminating"]

    try:
        await stage.waiter.until(
            "the pod to end and to leave the gateway", "drained", still_there, lambda left: not left
        )
    except WaitFailed as failure:
        stage.recorder.event(Happening.UNCONVERGED, stage.upstream, budget=failure.budget, last=failure.last)
