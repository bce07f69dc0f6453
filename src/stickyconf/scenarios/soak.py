"""Thousands of sessions for minutes. What every request did is counted, not kept, so that memory stays flat.

lanes     LANES connections, each shared by its part of the sessions, which take turns
sessions  opened first, and recorded; then visited in turn until the time is over
control   a request without a cookie now and then, on every lane
tallies   every STRETCH seconds what was counted since the last one
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from dataclasses import dataclass, field, replace

from stickyconf.model import Answered, Happening, Refused
from stickyconf.ports import Line, Request
from stickyconf.scenarios.client import Client
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.wait import Beat

LANES = 40
STRETCH = 10.0  # seconds
CONTROL_EVERY = 10  # visits on a lane
TOLD = 20  # deviations that are told one by one


@dataclass
class Tally:
    """What was counted since the last one was recorded."""

    requests: int = 0
    strays: int = 0
    failures: int = 0
    unknown: int = 0
    control: Counter[str] = field(default_factory=Counter)


class _Soak:
    """The counts of one soak; ``visits``: how often each session was answered by its pod."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.tally, self.told = stage, Tally(), 0
        self.visits: Counter[str] = Counter()
        self.until = time.monotonic() + stage.minutes * 60

    async def lane(self, line: Line, clients: list[tuple[Client, str | None]]) -> None:
        """Visit the lane's sessions in turn until the time is over."""
        stranger, number = self.stage.client_on(line, "control", keeps=False), 0
        while time.monotonic() < self.until:
            for client, home in clients:
                await self._visit(line, client, home)
                number += 1
                if number % CONTROL_EVERY == 0:
                    reply = await line.send(_unnamed(stranger))
                    if isinstance(reply.outcome, Answered) and reply.outcome.pod:
                        self.tally.control[reply.outcome.pod] += 1

    async def _visit(self, line: Line, client: Client, home: str | None) -> None:
        reply = await line.send(_unnamed(client))
        outcome, tally = reply.outcome, self.tally
        tally.requests += 1
        match outcome:
            case Answered(pod=pod) if pod is not None and pod == home:
                self.visits[client.session] += 1
                client.jar.take(outcome, "/")
                return
            case Answered(pod=None, status=status):
                tally.failures += 1
                told = f"was answered {status} by the gateway itself"
            case Answered(pod=pod):
                tally.strays += 1
                told = f"reached {pod}"
            case Refused(reason=reason):
                tally.failures += 1
                told = f"failed: {reason}"
            case _:
                tally.unknown += 1
                told = "has an unknown outcome"
        self.told += 1
        if self.told <= TOLD:
            self.stage.recorder.event(Happening.DEVIATED, client.session, opened=str(home), told=told)

    async def record(self) -> None:
        """Record a tally every STRETCH seconds, until cancelled."""
        beat = Beat(STRETCH)
        while True:
            await beat.tick()
            self.taken()

    def taken(self) -> None:
        """Record what was counted, and begin to count anew."""
        tally, self.tally = self.tally, Tally()
        self.stage.recorder.event(
            Happening.TALLIED,
            "soak",
            requests=str(tally.requests),
            strays=str(tally.strays),
            failures=str(tally.failures),
            unknown=str(tally.unknown),
            control=json.dumps(tally.control),
        )


def soak(*, sessions: int) -> Scenario:
    """Open so many sessions and visit them in turn for ``--minutes``."""

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {"soak.sessions": sessions, "soak.requests": 1, "soak.minutes": stage.minutes}
        stage.observers.watch_cluster()
        async with contextlib.AsyncExitStack() as stay:
            lines = [await stay.enter_async_context(stage.target.traffic.line()) for _ in range(LANES)]
            lanes = await asyncio.gather(*(_opened(stage, line, sessions // LANES) for line in lines))
            counts = _Soak(stage)
            recording = asyncio.create_task(counts.record())
            try:
                await asyncio.gather(*map(counts.lane, lines, lanes))
            finally:
                recording.cancel()
            counts.taken()
            fewest = min(counts.visits[client.session] for lane in lanes for client, _ in lane)
            stage.recorder.event(Happening.TALLIED, "visits", fewest=str(fewest))

    return play


def _unnamed(client: Client) -> Request:
    """Return a visit that the pods' logs do not tell of, so that nothing is kept of it."""
    return replace(client.request("GET", "/"), request_id="")


async def _opened(stage: Stage, line: Line, sessions: int) -> list[tuple[Client, str | None]]:
    """Open the sessions of a lane, and return each with the pod that it is on."""
    clients = [stage.client_on(line, "soak") for _ in range(sessions)]
    return [(client, (await client.get("/")).pod) for client in clients]
