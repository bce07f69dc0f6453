"""Asking every worker of the gateway whether it acts on a change: by connections of its own, which nothing judges.

A gateway has several workers, and its Admin API shows a change before each of them acts on it. Which worker serves a
connection is chance, so that so many new connections have to agree that one worker which is behind would have shown.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from stickyconf.model import Exchange, Happening
from stickyconf.scenarios.client import Client
from stickyconf.scenarios.recorder import Recorder
from stickyconf.stats import SETTLING_ALPHA, stale_worker_sample_size
from stickyconf.wait import Waiter, WaitFailed

PROBE = "probe"
"""The arm of what is asked here. No check judges where it was placed or what it was given."""

ASSUMED_WORKERS = 16
"""The workers of a gateway replica that does not say how many it has."""

LANES = 4  # connections at a time: half of what the suite has under way at the most, so that the traffic goes on


@dataclass(frozen=True, slots=True)
class Asked:
    """A behaviour that every worker has to show.

    ``what`` says it, ``subject`` whose it is: a pod or an upstream. ``agrees`` tells an exchange that shows it; an
    exchange of a worker that is behind fails to with the probability ``shows``. ``cookie`` goes with each request, as
    name=value; "" sends none.
    """

    what: str
    subject: str
    agrees: Callable[[Exchange], bool]
    shows: float = 1.0
    cookie: str = ""


@dataclass
class Row:
    """Connections that agreed one after the other since the last one that did not."""

    asked: Asked
    workers: int
    number: int = 1
    agreed: int = 0
    alpha: float = SETTLING_ALPHA
    """How often all rows together may be complete although a worker is behind."""
    last: Exchange | None = None
    """The last one that did not agree."""
    received: float = 0.0
    """When the last answer that agreed was there."""

    @property
    def needed(self) -> int:
        """How many have to agree, in this row."""
        return stale_worker_sample_size(self.workers, self.alpha, shows=self.asked.shows, row=self.number)

    @property
    def complete(self) -> bool:
        """Whether so many have."""
        return self.agreed >= self.needed

    def take(self, exchanges: list[Exchange]) -> None:
        """Count the exchanges of one round, all of them sent after the round before had ended."""
        differing = [exchange for exchange in exchanges if not self.asked.agrees(exchange)]
        if differing:
            self.number, self.agreed, self.last = self.number + 1, 0, differing[-1]
        else:
            self.agreed += len(exchanges)
            self.received = max([self.received, *(exchange.received for exchange in exchanges)])

    def __str__(self) -> str:
        """Say how far it is."""
        said = self.last.told() if self.last else "every one so far agreed"
        return f"{self.agreed} of {self.needed} connections in row {self.number}; {said}"


@dataclass
class Settling:
    """Asks the ``workers`` of a gateway, with what opens a ``client`` of the arm PROBE, and records how it ended."""

    recorder: Recorder
    waiter: Waiter
    workers: int
    client: Callable[[], AbstractAsyncContextManager[Client]]
    path: str = "/"
    began: float = field(init=False)

    def __post_init__(self) -> None:
        """What is asked for may take the budget ``workers`` from now on."""
        self.began = self.recorder.now()
        self.recorder.plan |= {
            "gateway.workers": self.workers,
            "workers.seconds": self.waiter.budgets["workers"].total_seconds(),
        }

    async def settled(self, asked: Asked) -> bool:
        """Return whether every worker shows the behaviour within the budget, as far as connections can tell.

        When the budget is used up, the next ones say whether one is still behind: that is the evidence against it. They
        have the budget ``traffic``; what a slow machine cannot ask in that time stays open.
        """
        row = Row(asked, self.workers)

        async def look() -> Row:
            row.take(await self._round(row))
            return row

        what = f"every worker to {asked.what}"
        try:
            await self.waiter.until(what, "workers", look, lambda row: row.complete)
        except WaitFailed as failure:
            row = Row(asked, self.workers, row.number + 1)
            with contextlib.suppress(WaitFailed):
                await self.waiter.until(f"{what} at last", "traffic", look, lambda _: True)
            if not row.complete:
                late = row.last.request_id if row.last and row.last.pod else ""
                self._record(Happening.UNSETTLED, row, self.recorder.now(), last=failure.last, request=late)
                return False
        self._record(Happening.SETTLED, row, row.received)
        return True

    def _record(self, what: Happening, row: Row, when: float, **detail: str) -> None:
        self.recorder.event(
            what,
            row.asked.subject,
            when,
            asked=row.asked.what,
            workers=str(self.workers),
            connections=str(row.needed),
            seconds=f"{when - self.began:.3f}",
            **detail,
        )

    async def _round(self, row: Row) -> list[Exchange]:
        """Ask so many connections as the row still needs, a few at a time, until one does not agree."""
        due, answered, differs = iter(range(row.needed - row.agreed)), list[Exchange](), asyncio.Event()
        sent = (row.asked.cookie,) if row.asked.cookie else ()

        async def lane() -> None:
            async with self.client() as client:
                for _ in due:
                    answered.append(await client.send("GET", self.path, cookie_fields=sent))
                    if not row.asked.agrees(answered[-1]):
                        differs.set()
                    if differs.is_set():
                        return

        await asyncio.gather(*(lane() for _ in range(min(LANES, row.needed - row.agreed))))
        return answered
