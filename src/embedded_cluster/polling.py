"""Waiting for another process that cannot call us, so that it is asked again and again: the only loop that does."""

import asyncio
import time
from collections.abc import Awaitable, Callable

_PAUSE = 0.002  # seconds between two questions


async def within(seconds: float, done: Callable[[], Awaitable[bool]], *, pause: float = _PAUSE) -> bool:
    """Ask *done* every *pause* seconds until it says yes; False if it does not within *seconds*."""
    deadline = time.monotonic() + seconds
    while not await done():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(pause)
    return True
