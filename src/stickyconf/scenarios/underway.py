"""Streams of events that are open while something else is played.

streams   [e==e==e==e==e==e==e==e]      an event (e) again and again
beside        whatever is played
"""

from __future__ import annotations

import contextlib

from stickyconf.checks.underway import UNDER_WAY
from stickyconf.scenarios.protocols import events_heard, stream
from stickyconf.scenarios.stage import Scenario, Stage


def while_streams_are_open(*scenarios: Scenario, streams: int) -> Scenario:
    """Play scenarios one after the other while so many sessions each have a stream open, and some events more."""

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {f"{UNDER_WAY}.sessions": streams, f"{UNDER_WAY}.requests": 2}
        async with contextlib.AsyncExitStack() as open_streams:
            for _ in range(streams):
                await open_streams.enter_async_context(stream(stage, UNDER_WAY))
            for scenario in scenarios:
                await scenario(stage)
            await events_heard(stage, UNDER_WAY)

    return play
