"""A pod answers 5xx for a while, under a policy with health checks, and then as before.

residents   --x--x--x--x--x--x--x--x--x--x--   opened before, on every pod, visiting steadily
the pod     200 | 503        | out   | 200     told by the suite; it is ready all the time
newcomers                              . . .   new sessions, until the pod gets one, and then as many as are judged
"""

from __future__ import annotations

import contextlib

from stickyconf.model import Happening
from stickyconf.scenarios.ending import any_pod, placed_elsewhere
from stickyconf.scenarios.residents import residing
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.visits import visit
from stickyconf.scenarios.workload import ECHO_PORT, HEALTH_CHECKS
from stickyconf.wait import WaitFailed

VISITS = 2  # of each resident: before, while the pod is out, and once it serves again


def let_a_pod_recover(*, sessions: int) -> Scenario:
    """Let one pod answer 503 until the gateway uses it no more, then 200; then open ``sessions`` new sessions."""

    async def play(stage: Stage) -> None:
        stage.recorder.restless.add("resident")
        stage.recorder.plan |= {
            "ill.answers": HEALTH_CHECKS["passive"]["unhealthy"]["httpFailures"],
            "recovery.seconds": stage.waiter.budgets["workers"].total_seconds(),
        }
        pod = any_pod(stage)
        async with residing(stage) as residents:
            await residents.visited(times=VISITS)
            await _answers(stage, pod, 503)
            await stage.settled(placed_elsewhere(pod, len(stage.pods)))
            await residents.visited(times=VISITS)
            await _answers(stage, pod, 200)
            await _serves_again(stage, pod)
            await visit("newcomer", sessions=sessions, requests=1, cookies="discard")(stage)
            await residents.visited(times=VISITS)

    return play


async def _answers(stage: Stage, pod: str, status: int) -> None:
    """Tell a pod which status to answer with. The act is recorded before it is asked for."""
    stage.recorder.event(Happening.ANSWERING, pod, status=str(status))
    await stage.target.cluster.post_to_pod(pod, stage.namespace, ECHO_PORT, f"/-/answer?status={status}")


async def _serves_again(stage: Stage, pod: str) -> None:
    """Open new sessions until the pod gets one; if it gets none within the budget, those that follow show it."""

    async def look() -> bool:
        async with stage.client("newcomer", fresh=True, keeps=False) as client:
            return (await client.get(stage.policy.cookie_path)).pod == pod

    with contextlib.suppress(WaitFailed):
        await stage.waiter.until(f"{pod} to get a new session", "workers", look, bool)
