"""Waiting for a data plane: none of them can call us, so they are polled."""

import asyncio
import time
from collections.abc import Awaitable, Callable

_PAUSE = 0.002  # seconds between two questions


async def within(seconds: float, done: Callable[[], Awaitable[bool]]) -> bool:
    """Ask *done* until it says yes; False when it does not within *seconds*."""
    deadline = time.monotonic() + seconds
    while not await done():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_PAUSE)
    return True
