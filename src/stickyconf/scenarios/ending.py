"""How a pod is brought to its end, and what is waited for on the way. What does not come is recorded, not raised."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from math import inf

from stickyconf.checks.moves import removal_of
from stickyconf.model import Exchange, Happening
from stickyconf.ports import POD
from stickyconf.scenarios.settling import PROBE, Asked
from stickyconf.scenarios.stage import Stage
from stickyconf.scenarios.workload import SERVICE as ECHO
from stickyconf.wait import WaitFailed

SETTLING_SYNCS = 4
"""The sync periods of the controller within which the gateway has to show that a pod ends; the budget may be longer."""


def any_pod(stage: Stage) -> str:
    """Return one of the ready pods, by the run's seed."""
    return random.Random(stage.seed).choice(sorted(stage.pods))  # noqa: S311 - reproducible, not secret


async def delete_pod(stage: Stage, pod: str, grace: int | None = None) -> None:
    """Delete a pod, with a grace period in seconds of its own if one is given.

    The act is recorded before it is asked for: preStop cannot have begun earlier.
    """
    stage.recorder.event(Happening.DELETED, pod)
    await stage.target.cluster.delete(POD, pod, stage.namespace, grace)


async def scale(stage: Stage, replicas: int) -> None:
    """Ask for so many echo pods. The act is recorded before it is asked for."""
    stage.recorder.event(Happening.SCALED, f"Deployment/{ECHO}", replicas=str(replicas))
    await stage.target.cluster.scale(ECHO, stage.namespace, replicas)


@contextlib.asynccontextmanager
async def in_turn(stage: Stage) -> AsyncIterator[None]:
    """Wait until no other recording begins to end a pod, if they are to do that apart; then it is this one's turn."""
    async with contextlib.AsyncExitStack() as turn:
        with stage.waiter.told("its turn to end a pod"):
            await turn.enter_async_context(stage.apart)
        yield


async def settled(stage: Stage) -> list[str]:
    """Return the terminating pods once every gateway replica shows them at weight 0, or no longer, and every worker
    places new sessions elsewhere.

    A gateway that never does is not our failure: what was seen is recorded, and judged after the same time.
    """
    victims, shown = await weightless(stage)
    if shown:
        with contextlib.suppress(WaitFailed):
            for pod in victims:
                await stage.settled(placed_elsewhere(pod, len(stage.pods) + 1))
    await stage.look()
    return victims


async def weightless(stage: Stage, pods: int = 1) -> tuple[list[str], bool]:
    """Wait for so many terminating pods, and until every gateway replica shows them at weight 0, or no longer.

    Returns the pods, and whether the gateway did.
    """

    async def terminating() -> list[str]:
        return [event.subject for event in stage.recorder.events(Happening.TERMINATING)]

    budgets = stage.waiter.budgets.at_least("drain_converged", SETTLING_SYNCS * stage.target.tempo.sync)
    stage.recorder.plan |= {"settling.seconds": budgets["drain_converged"].total_seconds()}
    what = "a terminating pod" if pods == 1 else f"{pods} terminating pods"
    victims = await stage.waiter.until(what, "rollout", terminating, lambda seen: len(seen) >= pods)

    async def still_weighted() -> list[str]:
        shown = [(pod, replica, weight) for pod in victims for replica, weight in stage.observers.shown(pod).items()]
        return [f"{pod} on {replica}" for pod, replica, weight in shown if weight]

    try:
        await replace(stage.waiter, budgets=budgets).until(
            "the gateway to drain the pod", "drain_converged", still_weighted, lambda left: not left
        )
    except WaitFailed:
        return victims, False
    return victims, True


def placed_elsewhere(pod: str, pods: int) -> Asked:
    """Return what every worker does once a pod is to get no new session; one that is behind deals to so many pods."""
    return Asked(f"place no new session on {pod}", pod, lambda one: one.pod not in (None, pod), shows=1 / pods)


async def forgotten(stage: Stage, pods: list[str]) -> None:
    """Ask every worker of the gateway whether it still follows cookies of these pods, which have gone.

    Each request carries a cookie that such a pod's session had, if one had any.
    """
    name = stage.policy.cookie
    stage.recorder.restless.add(PROBE)
    for pod in pods:
        values = [
            issued.value
            for exchange in stage.recorder.exchanges_since(-inf)
            if exchange.pod == pod and exchange.answer
            for issued in exchange.answer.set_cookies(name)
        ]
        if values:
            await stage.settled(_forgets(pod, name, values[-1]))


def _forgets(pod: str, name: str, value: str) -> Asked:
    """Return what every worker of the gateway does with a cookie of a pod whose target it has removed."""

    def agrees(exchange: Exchange) -> bool:
        issued = exchange.answer.set_cookies(name) if exchange.answer else ()
        return exchange.pod not in (None, pod) and any(one.value != value for one in issued)

    return Asked(f"give a session of {pod} a new cookie", removal_of(pod), agrees, cookie=f"{name}={value}")


async def gone(stage: Stage, pods: list[str]) -> bool:
    """Return whether these pods have left the cluster and every gateway replica, in time; record it if not."""

    async def still_there() -> list[str]:
        ended = {event.subject for event in stage.recorder.events(Happening.POD_GONE)}
        there = [f"{pod} has not gone" for pod in pods if pod not in ended]
        return there + [f"{pod} on {replica}" for pod in pods for replica in stage.observers.shown(pod)]

    try:
        await stage.waiter.until(
            "the pod to end and to leave the gateway", "drained", still_there, lambda left: not left
        )
    except WaitFailed as failure:
        stage.recorder.event(Happening.UNCONVERGED, stage.upstream, budget=failure.budget, last=failure.last)
        left = False
    else:
        left = True
    await stage.look()
    return left
