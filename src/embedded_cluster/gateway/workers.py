"""Several processes that take connections on one port, as Kong's workers do: each has its own balancer.

The kernel gives each connection to one of them (``SO_REUSEPORT``), by its address and port. With a lag the Admin API
shows a configuration before the workers act on it, as with Kong: the first does at once, the last so much later, and
the others in between.
"""

import asyncio
import logging
from collections.abc import Sequence

from embedded_cluster.gateway.dataplane import DataPlane, RejectedError, Traffic
from embedded_cluster.gateway.declarative import Declaration

log = logging.getLogger(__name__)


class Workers:
    """Data planes that share a port: a :class:`.dataplane.DataPlane` themselves."""

    def __init__(self, planes: Sequence[DataPlane], lag: float) -> None:
        """Take the workers, none of them started, and the seconds by which the last is behind the Admin API."""
        self._planes = planes
        last = len(planes) - 1
        self._lags = [lag * number / last for number in range(len(planes))] if last else [lag]
        self._due: list[asyncio.Queue[Declaration]] = [asyncio.Queue() for _ in planes]
        self._late: list[asyncio.Task[None]] = []
        self._idle = {number for number, lag in enumerate(self._lags) if lag}

    @property
    def name(self) -> str:
        """What people call one of them."""
        return self._planes[0].name

    @property
    def version(self) -> str:
        """The version that runs."""
        return self._planes[0].version

    @property
    def workers(self) -> tuple[int, ...]:
        """The ids of all of them."""
        return tuple(worker for plane in self._planes for worker in plane.workers)

    @property
    def behind(self) -> int:
        """How many of those with a lag have not acted on any configuration yet."""
        return len(self._idle)

    async def start(self) -> None:
        """Start all of them. Raises what one of them raises."""
        await asyncio.gather(*(plane.start() for plane in self._planes))
        self._late = [asyncio.create_task(self._follow(number)) for number in sorted(self._idle)]

    async def apply(self, declaration: Declaration) -> None:
        """Have the workers without a lag serve *declaration*, and the others later. Raises :class:`RejectedError`."""
        prompt = [plane for plane, lag in zip(self._planes, self._lags, strict=True) if not lag]
        await asyncio.gather(*(plane.apply(declaration) for plane in prompt))
        loop = asyncio.get_running_loop()
        for lag, queue in zip(self._lags, self._due, strict=True):
            if lag:
                loop.call_later(lag, queue.put_nowait, declaration)

    async def ended(self) -> int:
        """Wait until one of them ends by itself; return its exit status."""
        ends = [asyncio.create_task(plane.ended()) for plane in self._planes]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
        return done.pop().result()

    async def traffic(self) -> Traffic:
        """Return what all of them have counted."""
        counted = await asyncio.gather(*(plane.traffic() for plane in self._planes))
        return Traffic(
            sum(one.connections for one in counted),
            sum(one.connections_active for one in counted),
            sum(one.requests for one in counted),
            sum(one.requests_active for one in counted),
        )

    async def stop(self, *, patience: float) -> None:
        """End all of them, each after what it has in flight."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        await asyncio.gather(*(plane.stop(patience=patience) for plane in self._planes))

    async def _follow(self, number: int) -> None:
        """Apply each configuration when it is due; what the first worker took is refused by none of them."""
        while True:
            declaration = await self._due[number].get()
            try:
                await self._planes[number].apply(declaration)
                self._idle.discard(number)
            except RejectedError as error:
                log.warning("a worker refused what another took: %s", error)
