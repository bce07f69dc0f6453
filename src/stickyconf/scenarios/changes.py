"""What the sessions of a Service see when routes, Services, plugins, its annotation or its policy change.

residents  --x--x--x--x--x--x--x--x--x--x--x--x--x--   on every pod, visiting steadily
beside        20 routes, Services, plugins come | go | a rule before the Service's own comes | goes
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from stickyconf.model import Happening
from stickyconf.ports import HTTP_ROUTE, SERVICE
from stickyconf.scenarios.client import Client
from stickyconf.scenarios.residents import residing
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.visits import visit
from stickyconf.scenarios.workload import CHANGE_HEADER, POLICY, POLICY_ANNOTATION, ROUTE, Policy
from stickyconf.scenarios.workload import SERVICE as ECHO
from stickyconf.wait import WaitFailed

INSERTED, INSERTED_PATH = "inserted", "/inserted"
RENAMED = Policy(cookie="renamed_id")


def change_what_is_beside(*, others: int) -> Scenario:
    """Let so many routes, Services and plugins come and go beside the sessions, and then a rule before their own."""
    names = [f"other-{number:02d}" for number in range(others)]

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {"others": others}
        async with residing(stage) as residents:
            await residents.visited(times=2)
            await create(stage, *names, INSERTED)
            for name in (*names, INSERTED):
                await answers(stage, name, host=name)
            await residents.visited(times=2)
            await _delete(stage, *names)
            for name in names:
                await answers(stage, name, host=name, live=False)
            await residents.visited(times=2)
            await _edit_the_route(stage)
            await answers(stage, INSERTED, path=INSERTED_PATH)
            await residents.visited(times=3)
        await stage.target.cluster.apply(stage.manifests.route(stage.namespace, stage.host, stage.topology))
        await _delete(stage, INSERTED)

    return play


async def create(stage: Stage, *names: str) -> None:
    """Create a route, a Service and a plugin of each name beside the case's own."""

    async def one(name: str) -> None:
        for manifest in stage.manifests.beside(stage.namespace, name, stage.host_name(name)):
            await stage.target.cluster.apply(manifest)
        stage.recorder.event(Happening.CHANGED, f"HTTPRoute/{name}", how="created")

    await asyncio.gather(*map(one, names))


async def _delete(stage: Stage, *names: str) -> None:
    async def one(name: str) -> None:
        stage.recorder.event(Happening.CHANGED, f"HTTPRoute/{name}", how="deleted")
        for kind in (HTTP_ROUTE, SERVICE):
            await stage.target.cluster.delete(kind, name, stage.namespace)

    await asyncio.gather(*map(one, names))


async def _edit_the_route(stage: Stage) -> None:
    stage.recorder.event(Happening.CHANGED, f"HTTPRoute/{ROUTE}", how="edited")
    route = stage.manifests.inserted(stage.namespace, stage.host, INSERTED, INSERTED_PATH)
    await stage.target.cluster.apply(route)


async def answers(stage: Stage, name: str, *, host: str = "", path: str = "/", live: bool = True) -> None:
    """Ask until a change answers, or no longer does. One that never comes to pass is recorded."""
    async with stage.client("change", keeps=False, host=stage.host_name(host)) as client:

        async def answered() -> bool:
            answer = (await client.get(path)).answer
            said = answer is not None and answer.pod is not None and answer.header(CHANGE_HEADER) == name
            return said == live

        try:
            what = f"{name} to {'answer' if live else 'be gone'}"
            await stage.waiter.until(what, "programmed", answered, bool)
        except WaitFailed as failure:
            stage.recorder.event(Happening.UNCONVERGED, name, budget=failure.budget, last=failure.last)


def take_the_policy_away_and_back(*, sessions: int, requests: int) -> Scenario:
    """Let clients visit under the policy, without the Service's annotation, and with it again, with their cookies."""

    async def play(stage: Stage) -> None:
        async with _clients(stage, "attached", sessions) as clients:
            await _visits(stage, clients, "attached", requests)
            await _annotate(stage, None)
            stage.recorder.restless.add("detached")
            await _visits(stage, clients, "detached", requests)
            await _annotate(stage, POLICY)
            await _visits(stage, clients, "again", requests)

    return play


def rename_the_cookie(*, sessions: int, requests: int) -> Scenario:
    """Open sessions, rename the policy's cookie, send the old cookies, and open sessions under the new name."""

    async def play(stage: Stage) -> None:
        async with _clients(stage, "old", sessions) as clients:
            await _visits(stage, clients, "old", requests)
            spec, name = RENAMED.spec, RENAMED.cookie
            await stage.target.cluster.apply(stage.manifests.policy(stage.namespace, spec))
            stage.recorder.event(Happening.CHANGED, f"KongUpstreamPolicy/{POLICY}", how="edited", cookie=name)
            await stage.converge(sticky=True, policy=RENAMED)
            stage.recorder.restless.add("old-name")
            stage.recorder.plan |= {"old-name.sessions": sessions, "old-name.requests": requests}
            for _ in range(requests):
                await asyncio.gather(*(_send_old(client, stage.policy.cookie) for client in clients))
        await visit("new-name", sessions=sessions, requests=requests)(stage)

    return play


async def _send_old(client: Client, name: str) -> None:
    """Send what the client's jar had under the old name, and nothing of the new one."""
    value = client.jar.value(name)
    client.arm = "old-name"
    await client.send("GET", "/", cookie_fields=(f"{name}={value}",) if value else ())


async def _annotate(stage: Stage, policy: str | None) -> None:
    """Have the Service name a policy, or none, and wait until the gateway has it."""
    await stage.target.cluster.patch(
        SERVICE, ECHO, stage.namespace, {"metadata": {"annotations": {POLICY_ANNOTATION: policy}}}
    )
    said = f"{POLICY_ANNOTATION}={policy}" if policy else ""
    stage.recorder.event(Happening.ANNOTATED, f"Service/{ECHO}", annotation=said)
    await stage.converge(sticky=policy is not None)


@contextlib.asynccontextmanager
async def _clients(stage: Stage, arm: str, sessions: int) -> AsyncIterator[list[Client]]:
    """Open clients of which every request has a connection of its own: what deals requests out is each worker."""
    async with contextlib.AsyncExitStack() as stay:
        yield [await stay.enter_async_context(stage.client(arm, fresh=True)) for _ in range(sessions)]


async def _visits(stage: Stage, clients: list[Client], arm: str, requests: int) -> None:
    """Let the same clients send so many requests each, as a part of the experiment of its own."""
    stage.recorder.plan |= {f"{arm}.sessions": len(clients), f"{arm}.requests": requests}
    for client in clients:
        client.arm = arm
    for _ in range(requests):
        await asyncio.gather(*(client.get("/") for client in clients))
