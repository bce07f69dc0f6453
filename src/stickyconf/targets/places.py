"""So many connections at the most: a narrow way, such as a port-forward, is not asked for more than it carries."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Protocol


class Holder(Protocol):
    """A client that has connections. ``keeps`` says whether they stay open between its requests."""

    keeps: bool

    async def drop(self) -> None:
        """Close the connections, none of which carries a request now; later requests open others."""


class Places:
    """Places for connections, those that are only kept alive among them.

    If none is free, the client that has been idle for longest loses its connections, as any server or proxy may do to
    it between two requests (RFC 9112, section 9.3); if no client is idle, the request waits.
    """

    def __init__(self, most: int) -> None:
        """Say how many connections there may be."""
        self._free = most
        self._busy: Counter[Holder] = Counter()
        self._idle: dict[Holder, int] = {}  # the one that has been idle for longest comes first
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def one_for(self, holder: Holder) -> AsyncIterator[None]:
        """Have a connection's place for one request of a client; wait for it if there is none."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._free or holder in self._idle or self._droppable())
            await self._take(holder)
        try:
            yield
        finally:
            async with self._changed:
                self._busy[holder] -= 1
                if holder.keeps:
                    self._idle[holder] = self._idle.pop(holder, 0) + 1
                else:
                    self._free += 1
                self._changed.notify_all()

    async def leave(self, holder: Holder) -> None:
        """Give back the places of a client that has ended."""
        async with self._changed:
            self._free += self._idle.pop(holder, 0)
            del self._busy[holder]
            self._changed.notify_all()

    async def _take(self, holder: Holder) -> None:
        self._busy[holder] += 1
        if own := self._idle.pop(holder, 0):
            if own > 1:
                self._idle[holder] = own - 1
            return
        if not self._free and (other := self._droppable()):
            self._free += self._idle.pop(other)
            await other.drop()
        self._free -= 1

    def _droppable(self) -> Holder | None:
        return next((holder for holder in self._idle if not self._busy[holder]), None)
