"""The record of an experiment while it is being made: one clock, one order."""

from __future__ import annotations

import time
from dataclasses import replace

from stickyconf.model import Event, Exchange, Happening, History, Setup, Sighting
from stickyconf.ports import Reply, Request


class Recorder:
    """Collects what happens. Not thread-safe: scenarios, watches and traffic share one event loop."""

    def __init__(self) -> None:
        """Start the history's clock at 0."""
        self._origin = time.monotonic()
        self._exchanges: list[Exchange] = []
        self._events: list[Event] = []
        self._sightings: list[Sighting] = []
        self._requests = 0
        self.plan: dict[str, float] = {}

    def now(self) -> float:
        """Return the seconds since the history began."""
        return time.monotonic() - self._origin

    def next_request_id(self, prefix: str) -> str:
        """Return a request id that no other request of this history has."""
        self._requests += 1
        return f"{prefix}-{self._requests}"

    def exchange(self, arm: str, session: str, gateway: str, request: Request, reply: Reply) -> Exchange:
        """Record one request and what came of it."""
        exchange = Exchange(
            seq=0,
            arm=arm,
            session=session,
            connection=reply.connection,
            gateway=gateway,
            sent=reply.sent - self._origin,
            received=reply.received - self._origin,
            protocol=reply.protocol,
            method=request.method,
            path=request.path,
            request_id=request.request_id,
            cookie_fields=request.cookie_fields,
            outcome=reply.outcome,
        )
        self._exchanges.append(exchange)
        return exchange

    def event(self, what: Happening, subject: str, when: float | None = None, **detail: str) -> Event:
        """Record something that happened, now unless ``when`` says otherwise."""
        event = Event(what, subject, self.now() if when is None else when, detail)
        self._events.append(event)
        return event

    def sighting(self, pod: str, request_id: str) -> None:
        """Record that a pod's own log shows a request."""
        self._sightings.append(Sighting(pod, request_id, self.now()))

    def unseen(self) -> set[tuple[str, str]]:
        """Return (pod, request id) of every answer that the pod's own log does not show yet."""
        seen = {(sighting.pod, sighting.request_id) for sighting in self._sightings}
        return {(e.pod, e.request_id) for e in self._exchanges if e.pod} - seen

    def exchanges_since(self, when: float) -> list[Exchange]:
        """Return the exchanges sent after a moment of the history's clock."""
        return [exchange for exchange in self._exchanges if exchange.sent > when]

    def events(self, what: Happening, subject: str | None = None) -> list[Event]:
        """Return the events of one kind so far."""
        return [event for event in self._events if event.what is what and subject in (None, event.subject)]

    def history(self, setup: Setup) -> History:
        """Close the record: exchanges numbered in the order they were sent."""
        ordered = sorted(self._exchanges, key=lambda exchange: exchange.sent)
        return History(
            setup=setup,
            exchanges=tuple(replace(exchange, seq=number) for number, exchange in enumerate(ordered, start=1)),
            events=tuple(sorted(self._events, key=lambda event: event.when)),
            sightings=tuple(sorted(self._sightings, key=lambda sighting: sighting.when)),
        )
