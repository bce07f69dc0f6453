"""Pods are added beside sessions that live on, or one is taken: removed, killed, or dead while still listed.

residents   --x--x--x--x--x--x--x--x--x--x--x--   opened before, on every pod, visiting steadily
the pod     ready | act                           removed or killed: gone from cluster and gateway
            ready | act | at weight 0 | dies      held by preStop, so that it stays listed
"""

from __future__ import annotations

import asyncio
import contextlib

from stickyconf.model import Happening
from stickyconf.scenarios.client import BODY, Client
from stickyconf.scenarios.ending import any_pod, delete_pod, forgotten, gone, in_turn, scale, settled
from stickyconf.scenarios.residents import VISITS_AFTER, residing
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.visits import open_sessions, visit
from stickyconf.scenarios.workload import ECHO_PORT
from stickyconf.wait import WaitFailed

RECOVERY_SYNCS, RECOVERY_SECONDS = 5, 3.0
"""The settle bound of a recovery: so many sync periods of the controller, but no less than so many seconds, so that a
busy machine visits within it. That long sessions of a dead pod may still fail."""

VISITS_BEFORE = 4  # a fresh and a kept connection, each with GET and with POST
VISITS_HELD = 4  # of each resident, while the settled gateway drains the pod that is to die
LONG, LONG_SECONDS = "/?delay=2", 2.0  # a request that is under way when its pod dies


def scale_up(*, pods: int, sessions: int) -> Scenario:
    """Scale to so many pods under traffic; once the gateway has them, open ``sessions`` new sessions."""

    async def play(stage: Stage) -> None:
        stage.observers.watch_cluster()
        stage.observers.poll_targets(stage.gateways)
        async with residing(stage) as residents:
            await residents.visited(times=VISITS_BEFORE)
            before = set(stage.pods)
            await scale(stage, pods)
            await stage.refresh_pods(pods)
            await stage.converge(sticky=True)
            await stage.reached(stage.pods.keys() - before)
            await visit("newcomer", sessions=sessions, requests=1, cookies="discard")(stage)
            await residents.visited(times=VISITS_AFTER)

    return play


def remove_one_pod(*, grace: int | None = None) -> Scenario:
    """Delete one pod under traffic, with a grace period of its own in seconds: 0 kills it."""

    async def play(stage: Stage) -> None:
        bound = _observe(stage)
        pod = any_pod(stage)
        async with residing(stage) as residents:
            await residents.visited(times=VISITS_BEFORE)
            await delete_pod(stage, pod, grace)
            acted = stage.recorder.now()
            left = await gone(stage, [pod])
            if await residents.served():
                if left:
                    await forgotten(stage, [pod])
                await residents.visited(times=VISITS_AFTER, since=max(acted + bound, stage.recorder.now()))

    return play


def lose_the_process_of_a_draining_pod() -> Scenario:
    """Delete one pod under traffic; once the gateway drains it, let its process die, preStop still holding the pod."""

    async def play(stage: Stage) -> None:
        bound = _observe(stage)
        async with residing(stage) as residents, contextlib.AsyncExitStack() as stay:
            candidates = await open_sessions(stage, stay, "in-flight", per_pod=1, most=20 * len(stage.pods))
            await residents.visited(times=VISITS_BEFORE)
            async with in_turn(stage):
                await delete_pod(stage, any_pod(stage))
                victims = await settled(stage)
            for pod in victims:
                await _said(stage, pod, Happening.HELD)  # without a process to hold, the hook returns at once
                await residents.visited(times=VISITS_HELD)
                async with asyncio.TaskGroup() as under_way:
                    for client in candidates.get(pod, [])[:1]:
                        under_way.create_task(client.send("POST", LONG, body=BODY, patience=LONG_SECONDS))
                        await _received(stage, client)
                    await stage.target.cluster.post_to_pod(pod, stage.namespace, ECHO_PORT, "/-/die")
                    await _said(stage, pod, Happening.DIED)
            await residents.visited(times=VISITS_AFTER, since=stage.recorder.now() + bound)

    return play


def _observe(stage: Stage) -> float:
    """Watch the cluster and the gateway; return the settle bound in seconds."""
    bound = max(RECOVERY_SECONDS, RECOVERY_SYNCS * stage.target.tempo.sync)
    stage.recorder.plan |= {"recovery.seconds": bound}
    stage.observers.watch_cluster()
    stage.observers.poll_targets(stage.gateways)
    return bound


async def _received(stage: Stage, client: Client) -> None:
    """Return when a pod's log shows a client's second request; if it never does, the history shows it."""

    async def seen() -> int:
        return stage.recorder.seen(client.session)

    await stage.expect(f"a POST of {client.session} in the pod's log", "pod_logs", seen, lambda count: count >= 2)


async def _said(stage: Stage, pod: str, what: Happening) -> None:
    """Return when the pod's own log says so; if it never does, the history shows it."""

    async def said() -> bool:
        return bool(stage.recorder.events(what, pod))

    with contextlib.suppress(WaitFailed):
        await stage.waiter.until(f"{what} in the log of {pod}", "pod_logs", said, bool)
