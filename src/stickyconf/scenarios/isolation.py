"""Clients that visit several Services with one jar, and cookies of one Service at another. See ``siblings``.

pair        / basket / basket / basket ...      two cookies, two sessions
sibling     / plain plain plain ... /           a session, and a Service without one
shared      / / twin twin / / twin twin         one cookie, the same pods
alternating / / shop shop / / shop shop         one cookie, other pods
weighted    x  x  | the shop weighs 0 |  x  x   and new sessions meanwhile
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from stickyconf.checks.isolation import (
    AGAIN,
    BASKET,
    MIXED,
    ONCE,
    OWN,
    OWNER,
    PAIR,
    PLAIN,
    REPLAYED,
    REVISITED,
    SHOP,
    SIBLING,
    WEIGHTED,
)
from stickyconf.checks.spread import HEAVY, LIGHT
from stickyconf.model import Happening
from stickyconf.ports import EVENT
from stickyconf.scenarios import siblings
from stickyconf.scenarios.client import Client
from stickyconf.scenarios.settling import Asked
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.visits import visit
from stickyconf.scenarios.workload import upstream_name
from stickyconf.wait import WaitFailed

APART = 2
"""Clients whose two sessions have to be on different pods: on the same pod a mixed-up cookie does not show."""
MOST = 40  # a backend with a quarter of them has fewer than PER_BACKEND in one run of 6,000
PER_BACKEND = 2
VISITS = 4
SHARE = HEAVY / (LIGHT + HEAVY)
"""What a worker that is behind still places at the shop, of new sessions."""


def keep_two_sessions() -> Scenario:
    """Let clients hold a session at each of two Services with cookies of their own, and visit both in turn."""

    async def play(stage: Stage) -> None:
        stage.recorder.restless.add(PAIR)  # from one Service to the other
        async with contextlib.AsyncExitStack() as staying:
            clients: list[Client] = []
            apart = 0
            while apart < APART and len(clients) < MOST:
                client = await staying.enter_async_context(stage.client(PAIR))
                clients.append(client)
                if (await client.get(OWN)).pod != (await client.get(BASKET)).pod:
                    apart += 1
                else:  # both Services deal in step: somebody takes a turn at one of them
                    await visit("passerby", sessions=1, requests=1, path=BASKET)(stage)
            for path in (OWN, BASKET) * VISITS:
                await asyncio.gather(*(client.get(path) for client in clients))

    return play


def visit_a_sibling_without_policy(*, sessions: int, requests: int) -> Scenario:
    """Let clients with a session visit the Service without the policy, and then come back."""

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {f"{SIBLING}.sessions": sessions, f"{SIBLING}.requests": requests}
        stage.recorder.restless.add(SIBLING)

        # One after the other: clients in step come back to their pods if the gateway deals in turn.
        for _ in range(sessions):
            async with stage.client(SIBLING, fresh=True) as client:
                for path in (OWN, *(PLAIN,) * requests, OWN):
                    await client.get(path)

    return play


def alternate(arm: str, path: str, *, sessions: int, rounds: int) -> Scenario:
    """Let clients send two requests to the Service under test and two to a sibling, so many times."""
    walk = _walk(arm, (OWN, OWN, path, path) * rounds, sessions)

    async def play(stage: Stage) -> None:
        stage.recorder.restless.add(arm)  # from one Service to the other
        await walk(stage)

    return play


def revisit_by_other_rules(*, sessions: int) -> Scenario:
    """Let clients reach one Service by one route, by another, and by a second rule of that one."""
    return _walk(REVISITED, (OWN, AGAIN, ONCE), sessions)


def stay(arm: str, *, sessions: int, requests: int, host: str = "") -> Scenario:
    """Let clients send so many requests to the Service under test, by a host name with ``host`` before it."""
    return _walk(arm, (OWN,) * requests, sessions, host)


def _walk(arm: str, route: tuple[str, ...], sessions: int, host: str = "") -> Scenario:
    """Let clients visit these paths one after the other, side by side, their sessions on more than one pod."""

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {f"{arm}.sessions": sessions, f"{arm}.requests": len(route)}
        async with contextlib.AsyncExitStack() as staying:
            clients = await _opened(stage, staying, arm, sessions, host)
            for path in route[1:]:
                await asyncio.gather(*(client.get(path) for client in clients))

    return play


async def _opened(
    stage: Stage, staying: contextlib.AsyncExitStack, arm: str, sessions: int, host: str = ""
) -> list[Client]:
    """Open so many sessions, and more as long as all are on one pod, MOST in all; return every one.

    Their number is no multiple of the pods': those come back to their pods also if requests are dealt in turn.
    """
    clients: list[Client] = []
    pods: set[str | None] = set()
    while (
        len(clients) < sessions
        or (len(pods) < 2 and len(clients) < MOST)
        or len(clients) % max(2, len(stage.pods)) == 0
    ):
        client = await staying.enter_async_context(stage.client(arm, host=stage.host_name(host)))
        pods.add((await client.get(OWN)).pod)
        clients.append(client)
    return clients


def replay_cookies_at_the_neighbour(*, sessions: int) -> Scenario:
    """Open sessions at two Services, send each one's cookie to the other, and let their owners come back."""

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {f"{OWNER}.sessions": 2 * sessions, f"{OWNER}.requests": 2}
        async with contextlib.AsyncExitStack() as staying:
            owners = [(client, OWN) for client in await _opened(stage, staying, OWNER, sessions)]
            for _ in range(sessions):
                client = await staying.enter_async_context(stage.client(OWNER))
                await client.get(SHOP)
                owners.append((client, SHOP))
            for client, path in owners:
                await _replay(stage, client, SHOP if path == OWN else OWN)
            for client, path in owners:
                await client.get(path)

    return play


async def _replay(stage: Stage, owner: Client, path: str) -> None:
    value = owner.jar.value(stage.policy.cookie)
    if value is not None:
        async with stage.client(REPLAYED, keeps=False) as client:
            await client.send("GET", path, cookie_fields=(f"{stage.policy.cookie}={value}",))


def take_a_backend_out(*, newcomers: int) -> Scenario:
    """Open sessions through a rule of two backends, give one of these the weight 0, and go on."""

    async def play(stage: Stage) -> None:
        host = stage.host_name(siblings.WEIGHTED)
        async with contextlib.AsyncExitStack() as staying:
            clients: list[Client] = []
            held = {True: 0, False: 0}  # whether on a pod of the Service under test -> sessions
            while min(held.values()) < PER_BACKEND and len(clients) < MOST:
                client = await staying.enter_async_context(stage.client(WEIGHTED, host=host))
                held[(await client.get(OWN)).pod in stage.pods] += 1
                clients.append(client)
            await _visit_all(clients, VISITS)
            await stage.target.cluster.apply(siblings.weighted_route(stage, 0))
            stage.recorder.event(Happening.APPLIED, f"HTTPRoute/{siblings.WEIGHTED}", code="200", stored="shop=0")
            await _weighs_nothing(stage)
            await visit("newcomer", sessions=newcomers, requests=1, cookies="discard", host=siblings.WEIGHTED)(stage)
            await _visit_all(clients, VISITS)

    return play


async def _visit_all(clients: list[Client], times: int) -> None:
    for _ in range(times):
        await asyncio.gather(*(client.get(OWN) for client in clients))


async def _weighs_nothing(stage: Stage) -> None:
    """Wait until every gateway replica shows weight 0 for what is no echo pod, and every worker acts on it.

    What was seen is recorded, converged or not.
    """
    name, own = upstream_name(stage.namespace, siblings.WEIGHTED), set(stage.pods.values())

    async def weighted() -> dict[str, int]:
        shown = {replica: await stage.target.gateway.targets(replica, name) for replica in stage.gateways}
        return {f"{a} on {r}": w for r, targets in shown.items() for a, w in targets.items() if a not in own and w}

    asked = Asked("place no new session at weight 0", name, lambda exchange: exchange.pod in stage.pods, SHARE)
    try:
        await stage.waiter.until(f"weight 0 in {name}", "programmed", weighted, lambda left: not left)
    except WaitFailed as failure:
        stage.recorder.event(Happening.UNCONVERGED, name, budget=failure.budget, last=failure.last)
        return
    if await stage.settled(asked, stage.host_name(siblings.WEIGHTED)):
        stage.recorder.event(Happening.CONVERGED, name, sticky="true", shop="0")
    else:
        last = stage.recorder.events(Happening.UNSETTLED, name)[-1].detail["last"]
        stage.recorder.event(Happening.UNCONVERGED, name, budget="workers", last=last)


def mix_policies(*, sessions: int) -> Scenario:
    """Let a rule lead to one Service, add one with another policy, and wait for an event that says so."""

    async def play(stage: Stage) -> None:
        host, name = stage.host_name(siblings.MIXED), upstream_name(stage.namespace, siblings.MIXED)
        await stage.target.cluster.apply(siblings.mixed_route(stage, "echo"))
        await stage.converge(sticky=True, upstream=name, host=host)
        await visit(f"{MIXED}-before", sessions=sessions, requests=1, host=siblings.MIXED)(stage)
        known = {event["metadata"]["name"] for event in await _warnings(stage)}
        await stage.target.cluster.apply(siblings.mixed_route(stage, "echo", "basket"))
        stage.recorder.event(Happening.APPLIED, f"HTTPRoute/{siblings.MIXED}", code="200", stored="echo, basket")

        async def said() -> list[dict[str, Any]]:
            return [event for event in await _warnings(stage) if event["metadata"]["name"] not in known]

        with contextlib.suppress(WaitFailed):
            await stage.waiter.until("an event about the policies", "programmed", said, bool)
        for event in await said():
            about = event["involvedObject"]
            stage.recorder.event(
                Happening.CLUSTER_EVENT,
                f"{about['kind']}/{about['name']}",
                type=event["type"],
                reason=event["reason"],
                message=event["message"],
            )
        await visit(MIXED, sessions=sessions, requests=2, host=siblings.MIXED)(stage)

    return play


async def _warnings(stage: Stage) -> list[dict[str, Any]]:
    events = await stage.target.cluster.list(EVENT, stage.namespace)
    return [event for event in events if event["type"] == "Warning" and event["involvedObject"]["kind"] != "Pod"]
