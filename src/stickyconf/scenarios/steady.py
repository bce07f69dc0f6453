"""Requests on a beat, and how late the suite itself was with them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from stickyconf.model import Exchange
from stickyconf.scenarios.recorder import Recorder
from stickyconf.wait import Beat


async def send_steadily(
    recorder: Recorder, seconds: float, stopped: asyncio.Event, send: Callable[[], Awaitable[Exchange]]
) -> None:
    """Send one request after the other, ``seconds`` apart, until ``stopped`` is set.

    A request is late if it left after it was due: the event loop was busy, or too many others were under way. Time
    that the gateway took for the request before does not count.
    """
    beat = Beat(seconds, recorder.late)
    while not stopped.is_set():
        due = recorder.at(beat.due)
        exchange = await send()
        recorder.late(exchange.sent - due)
        await beat.tick()
