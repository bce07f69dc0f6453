"""The run's event loop, in a thread of its own: recordings go on while pytest's thread judges."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar

from stickyconf.wait import Beat

T = TypeVar("T")

PULSE_SECONDS = 0.05
LATE_SECONDS = 0.15
"""An event loop that is later than this, in seconds, has enough to do already."""

SWITCH_SECONDS = 0.0005
"""How long a thread that judges keeps the interpreter from the loop, which wants it back after each call to the system.
With Python's own 5 ms a request takes ten times as long while something is judged, and beats come late."""

LOOK_SECONDS = 0.25
"""How often the caller of a long wait is given the chance to show progress."""


class Pulse:
    """How late the event loop was during the last ``seconds``; with 0 seconds it is never late."""

    def __init__(self, seconds: float) -> None:
        """Set how long the loop is looked at before it can be called calm."""
        self._late: deque[float] = deque(maxlen=round(seconds / PULSE_SECONDS))

    async def run(self) -> None:
        """Measure until cancelled."""
        beat = Beat(PULSE_SECONDS, self._late.append)
        while True:
            await beat.tick()

    def forget(self) -> None:
        """Look anew from now on."""
        self._late.clear()

    @property
    def calm(self) -> bool:
        """Whether the loop was looked at for long enough and was never later than LATE_SECONDS."""
        return len(self._late) == self._late.maxlen and max(self._late, default=0.0) <= LATE_SECONDS


class LoopThread:
    """An event loop that runs in a thread of its own from ``with`` to its end. ``show`` is called while one waits."""

    def __init__(self, show: Callable[[], None] = lambda: None) -> None:
        """Take what shows progress; it is called in the thread that waits."""
        self._show = show
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, name="stickyconf-loop", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed: asyncio.Event | None = None

    def __enter__(self) -> Self:
        """Start the loop."""
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """End what still runs on the loop, and the loop."""
        if self._loop and self._closed:
            self._loop.call_soon_threadsafe(self._closed.set)
        self._thread.join()
        sys.setswitchinterval(self._interval)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the loop and return its result, or raise what it raised. Ctrl-C cancels it."""
        return self.result(self.start(work))

    def start(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start something on the loop and return its future."""
        if self._loop is None:
            raise RuntimeError("the loop does not run")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def result(self, future: concurrent.futures.Future[T]) -> T:
        """Return the result of what was started, showing progress meanwhile. Ctrl-C cancels it."""
        try:
            while not concurrent.futures.wait([future], timeout=LOOK_SECONDS).done:
                self._show()
        except BaseException:
            future.cancel()
            raise
        return future.result()

    def _main(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._until_closed())

    async def _until_closed(self) -> None:
        self._closed = asyncio.Event()
        self._ready.set()
        await self._closed.wait()
