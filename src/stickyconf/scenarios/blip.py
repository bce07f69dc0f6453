"""A pod that fails its readiness probe for a while, and another one that fails it while it drains.

residents   --x--x--x--x--x--x--x--x--x--x--x--x--x--x--   on every pod, visiting steadily
one pod       ready | not ready         | ready again
the other                                              deleted, held | not serving | released | gone
"""

from __future__ import annotations

import contextlib

from stickyconf.model import Happening
from stickyconf.scenarios.ending import any_pod, delete_pod, gone, in_turn, weightless
from stickyconf.scenarios.residents import VISITS_AFTER, residing
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.workload import ECHO_PORT
from stickyconf.wait import WaitFailed

VISITS_MEANWHILE = 3


def blink() -> Scenario:
    """Let one of two pods be not ready for a while, under traffic; then drain the other, which then fails its probe."""

    async def play(stage: Stage) -> None:
        stage.observers.poll_targets(stage.gateways)
        pod = any_pod(stage)
        [other] = sorted(stage.pods.keys() - {pod})
        async with residing(stage) as residents:
            await residents.visited(times=2)
            await _probe(stage, pod, passes=False)
            await _endpoint(stage, pod, ready="false")
            await _listed(stage, pod, wanted=False)
            await residents.visited(times=VISITS_MEANWHILE)
            await _probe(stage, pod, passes=True)
            await _endpoint(stage, pod, ready="true")
            await _listed(stage, pod, wanted=True)
            await residents.visited(times=VISITS_AFTER)
            async with in_turn(stage):
                await delete_pod(stage, other)
                victims, _ = await weightless(stage)
            await _probe(stage, other, passes=False)
            await _endpoint(stage, other, serving="false", terminating="true")
            await residents.visited(times=VISITS_MEANWHILE)
            await stage.release(victims)
            await gone(stage, victims)

    return play


async def _probe(stage: Stage, pod: str, *, passes: bool) -> None:
    """Tell a pod to pass its readiness probe, or to fail it. The act is recorded before it is asked for."""
    stage.recorder.event(Happening.READINESS, pod, passes=str(passes).lower())
    path = "/-/ready" if passes else "/-/unready"
    await stage.target.cluster.post_to_pod(pod, stage.namespace, ECHO_PORT, path)


async def _endpoint(stage: Stage, pod: str, **conditions: str) -> None:
    """Return when the pod's endpoint was last seen so; if that does not come, the history shows it."""

    async def seen() -> bool:
        events = stage.recorder.events(Happening.ENDPOINT, pod)
        return bool(events) and conditions.items() <= events[-1].detail.items()

    with contextlib.suppress(WaitFailed):
        await stage.waiter.until(f"the endpoint of {pod} to say {conditions}", "rollout", seen, bool)


async def _listed(stage: Stage, pod: str, *, wanted: bool) -> None:
    """Return when every gateway replica lists the pod, or none does. One may go on listing a pod that is not ready."""

    async def shown() -> int:
        return len(stage.observers.shown(pod))

    with contextlib.suppress(WaitFailed):
        what = f"{pod} to be {'listed' if wanted else 'left out'}"
        count = len(stage.gateways) if wanted else 0
        await stage.waiter.until(what, "drain_converged", shown, lambda replicas: replicas == count)
