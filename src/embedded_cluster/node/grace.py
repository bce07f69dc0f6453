"""How long a termination may take."""

import asyncio


class Grace:
    """A grace period that has begun. It can be shortened while it runs, as ``kubectl delete`` may be repeated."""

    def __init__(self, seconds: float) -> None:
        """Begin now."""
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + seconds
        self._moved = asyncio.Event()

    @property
    def left(self) -> float:
        """Seconds until it is over; 0 when it is."""
        return max(0.0, self._end - self._loop.time())

    def shorten(self, seconds: float) -> None:
        """Be over in *seconds* from now, if that is earlier."""
        self._end = min(self._end, self._loop.time() + seconds)
        self._moved.set()

    def lengthen(self, seconds: float) -> None:
        """Be over in *seconds* from now, if that is later."""
        self._end = max(self._end, self._loop.time() + seconds)

    async def over(self) -> None:
        """Return when it is over."""
        while self.left:
            self._moved.clear()
            try:
                await asyncio.wait_for(self._moved.wait(), self.left)
            except TimeoutError:
                continue
