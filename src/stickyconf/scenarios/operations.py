"""What an operator does to controller and gateway while sessions are open.

residents    --x--x--x--x--x--x--x--x--x--x--   on every pod, visiting steadily
controller   | pod deleted | a route arrives | upgraded | another route arrives
gateway      | two more: each of them asked | cookies across replicas | all replaced: strangers
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from itertools import cycle
from typing import Literal

from stickyconf.checks.operations import CONTROLLER, CROSSING, DIRECT, GATEWAY, MOST_STRANGERS, STRANGER
from stickyconf.model import Happening
from stickyconf.ports import OutOfReach, Part
from stickyconf.scenarios.client import Client
from stickyconf.scenarios.residents import Residents, residing
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.visits import visit
from stickyconf.scenarios.workload import upstream_name

VISITS = 3
DIRECT_REQUESTS = 4
PER_REPLICA = 2

By = Literal["restart", "upgrade"]


def restart_and_upgrade_the_controller() -> Scenario:
    """Delete the controller's pod, then upgrade it; after each, a new route shows that it works again."""

    async def play(stage: Stage) -> None:
        async with residing(stage) as residents:
            for by in ("restart", "upgrade"):
                await residents.visited(times=VISITS)
                if await _replaced(stage, "controller", CONTROLLER, by):
                    await _push(stage, by)
                    await residents.visited(times=VISITS)

    return play


async def _replaced(stage: Stage, part: Part, name: str, by: By) -> bool:
    """Restart or upgrade a part, and record the act before it and its pods after it; False if it cannot be done.

    OutOfReach for a restart ends the recording: without it there is nothing to record.
    """
    maintenance = stage.target.maintenance
    before = await maintenance.pods(part)
    stage.recorder.event(Happening.DELETED, f"{name}{by}")
    try:
        await (maintenance.replace(part) if by == "restart" else maintenance.upgrade(part))
    except OutOfReach as reason:
        if by == "restart":
            raise
        stage.recorder.event(Happening.UNSUPPORTED, f"{name}{by}", reason=str(reason))
        return False
    after = await maintenance.pods(part)
    stage.recorder.event(
        Happening.REPLACED, name.rstrip("/"), by=by, before=json.dumps(before), after=json.dumps(after)
    )
    return True


async def _push(stage: Stage, name: str) -> None:
    """Create a route and wait until the gateway serves it: only the controller can have told it."""
    host = stage.host_name(name)
    route = stage.manifests.route(stage.namespace, host)
    route["metadata"]["name"] = name
    await stage.target.cluster.apply(route)
    await stage.converge(sticky=True, upstream=upstream_name(stage.namespace, name), host=host)


def grow_and_replace_the_gateway(*, more: int) -> Scenario:
    """Give the gateway so many replicas more, use cookies of one at the others, replace all, and scale it back."""

    async def play(stage: Stage) -> None:
        async with residing(stage) as residents:
            await residents.visited(times=VISITS)
            known = set(await stage.target.maintenance.pods("gateway"))
            replicas = len(known) + more
            async with _scaled(stage, replicas):
                await _asked_from_the_first(stage, residents, known, replicas)
                await _cross(stage)
                await residents.visited(times=VISITS)
                upgraded = await _replaced(stage, "gateway", GATEWAY, "upgrade")
                if not upgraded:
                    await _replaced(stage, "gateway", GATEWAY, "restart")
                await stage.converge(sticky=True)
                await visit(STRANGER, sessions=MOST_STRANGERS, requests=1, cookies="discard")(stage)
                await residents.visited(times=VISITS)

    return play


@contextlib.asynccontextmanager
async def _scaled(stage: Stage, replicas: int) -> AsyncIterator[None]:
    """Ask for so many gateway replicas, and in the end for as many as there were."""
    maintenance = stage.target.maintenance
    stage.recorder.event(Happening.SCALED, f"{GATEWAY}scale", replicas=str(replicas))
    before = await maintenance.scale_gateway(replicas)
    try:
        yield
    finally:
        stage.recorder.event(Happening.SCALED, f"{GATEWAY}back", replicas=str(before))
        await maintenance.scale_gateway(before)
        await _ready(stage, before)


async def _ready(stage: Stage, replicas: int) -> dict[str, str]:
    return await stage.waiter.until(
        f"{replicas} gateway replicas",
        "rollout",
        lambda: stage.target.maintenance.pods("gateway"),
        lambda pods: len(pods) == replicas,
    )


async def _asked_from_the_first(stage: Stage, residents: Residents, known: set[str], replicas: int) -> None:
    """Ask each new replica by its own address as soon as it is ready, with cookies of the residents and without."""
    async with asyncio.TaskGroup() as asking:

        async def look() -> dict[str, str]:
            ready = await stage.target.maintenance.pods("gateway")
            for pod in sorted(ready.keys() - known):
                known.add(pod)
                asking.create_task(_ask(stage, pod, residents.clients))
            return ready

        await stage.waiter.until(
            f"{replicas} gateway replicas", "rollout", look, lambda pods: len(pods) == replicas, every=0.02
        )
    await stage.converge(sticky=True)


async def _ask(stage: Stage, pod: str, residents: list[Client]) -> None:
    path = stage.policy.cookie_path
    async with stage.target.maintenance.entrance(pod) as url, contextlib.AsyncExitStack() as staying:
        for _, resident in zip(range(DIRECT_REQUESTS), cycle(residents), strict=False):  # none if no session was opened
            client = await staying.enter_async_context(stage.client(DIRECT, keeps=False))
            for fields in (resident.jar.fields(path), ()):
                await client.send("GET", path, cookie_fields=fields, at=url)


async def _cross(stage: Stage) -> None:
    """Open sessions at each replica, and let each visit all of them by their own addresses."""
    maintenance = stage.target.maintenance
    async with contextlib.AsyncExitStack() as ways:
        pods = sorted(await maintenance.pods("gateway"))
        entrances = [await ways.enter_async_context(maintenance.entrance(pod)) for pod in pods]
        sessions = len(entrances) * PER_REPLICA
        stage.recorder.plan |= {f"{CROSSING}.sessions": sessions, f"{CROSSING}.requests": len(entrances) + 1}
        for number in range(sessions):
            first = number % len(entrances)
            async with stage.client(CROSSING) as client:
                for url in (*entrances[first:], *entrances[: first + 1]):
                    await client.send("GET", stage.policy.cookie_path, at=url)
