"""A rolling restart of the workload, as ``kubectl rollout restart`` asks for it; old pods are held until released.

residents  --x--x--x--x--x--x--x--x--x--x--x--   on every pod, visiting steadily
old pods     ready | restart  one after the other terminating, held | released | gone
new pods             one after the other ready ........................................
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from stickyconf.model import Happening
from stickyconf.ports import DEPLOYMENT
from stickyconf.scenarios.drain import VISITS_HELD
from stickyconf.scenarios.ending import gone, weightless
from stickyconf.scenarios.residents import VISITS_AFTER, residing
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.workload import SERVICE as ECHO

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""The annotation of a pod template by which kubectl has a Deployment replace its pods."""


def roll_out() -> Scenario:
    """Have every pod replaced under traffic; the old ones are released once all of them drain."""

    async def play(stage: Stage) -> None:
        stage.observers.poll_targets(stage.gateways)
        old = dict(stage.pods)
        async with residing(stage) as residents:
            await residents.visited(times=3)
            await _restart(stage)
            victims, _ = await weightless(stage, len(old))
            await stage.refresh_pods(len(old))
            await residents.visited(times=VISITS_HELD)
            await stage.release(victims)
            await gone(stage, victims)
            await residents.visited(times=VISITS_AFTER)

    return play


async def _restart(stage: Stage) -> None:
    """Change the pod template, which is recorded before it is asked for."""
    stage.recorder.event(Happening.CHANGED, f"Deployment/{ECHO}", how="edited", pods=json.dumps(sorted(stage.pods)))
    annotations = {RESTARTED_AT: datetime.now(UTC).isoformat(timespec="seconds")}
    patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    await stage.target.cluster.patch(DEPLOYMENT, ECHO, stage.namespace, patch)
