"""Sessions that are opened first and visited until everything else has ended.

elders  --x--x--x--x--x--x--x--x--x--x--x--x--   one after the other, in turn
others      | recording |  | recording |   |     whatever they do to pods of their own, controller and gateway
"""

from __future__ import annotations

import asyncio
import contextlib
from itertools import cycle

from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.visits import open_sessions
from stickyconf.wait import Beat

BEAT_SECONDS = 0.5


def visit_until_the_end(*, per_pod: int) -> Scenario:
    """Open so many sessions on every pod; visit one each half second while others are recorded, then all once more."""

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {"elder.seconds": stage.session_age}
        async with contextlib.AsyncExitStack() as stay:
            held = await open_sessions(stage, stay, "elder", per_pod=per_pod, most=20 * len(stage.pods))
            clients = [client for own in held.values() for client in own]
            if clients and len(clients) % max(1, len(stage.pods)) == 0:  # else dealing in turn would look as pinning
                extra = await stay.enter_async_context(stage.client("elder"))
                await extra.get(stage.policy.cookie_path)
                clients.append(extra)
            opened, beat = stage.recorder.now(), Beat(BEAT_SECONDS, stage.recorder.late)
            for client in cycle(clients):
                if (stage.others is None or stage.others.is_set()) and _old_enough(stage, opened):
                    break
                await client.get(stage.policy.cookie_path)
                await beat.tick()
            await asyncio.gather(*(client.get(stage.policy.cookie_path) for client in clients))

    return play


def _old_enough(stage: Stage, opened: float) -> bool:
    return stage.recorder.now() - opened >= stage.session_age
