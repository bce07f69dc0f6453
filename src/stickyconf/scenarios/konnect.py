"""A controller that reports to Konnect: which control plane it names, and whether a report of it has arrived."""

from __future__ import annotations

import contextlib
import json

from stickyconf.checks.affinity import KONNECT
from stickyconf.model import Happening
from stickyconf.ports import OutOfReach
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.wait import WaitFailed


def look_at_konnect() -> Scenario:
    """Record what the controller says of its last report; a controller that reports nowhere is recorded as such."""

    async def play(stage: Stage) -> None:
        controller = stage.target.controller
        try:
            plane = await controller.konnect()
        except OutOfReach as reason:
            stage.recorder.event(Happening.UNSUPPORTED, "konnect", reason=str(reason))
            return
        with contextlib.suppress(WaitFailed):  # that none was seen is what is recorded then
            await stage.waiter.until("the controller to report to Konnect", "konnect", controller.reported, bool)
        said = json.dumps({"said": await controller.reported()})
        stage.recorder.event(Happening.STATUS, f"{KONNECT}{plane}", status=said)

    return play
