"""The record of an experiment while it is being made: one clock, one order."""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import replace
from math import inf

from stickyconf.model import Event, Exchange, Happening, History, Setup, Sighting, Unknown
from stickyconf.ports import Reply, Request


class Recorder:
    """Collects what happens. Not thread-safe: scenarios, watches and traffic share one event loop."""

    def __init__(self) -> None:
        """Start the history's clock at 0."""
        self._origin = time.monotonic()
        self._exchanges: list[Exchange] = []
        self._events: list[Event] = []
        self._sightings: list[Sighting] = []
        self._seen: set[tuple[str, str]] = set()
        self._unseen: set[tuple[str, str]] = set()
        self._requests = 0
        self.plan: dict[str, float] = {}
        self.restless: set[str] = set()
        """Arms whose requests are meant to stray or to fail, so that nothing need have happened to a pod."""
        self.lateness = 0.0
        """The most seconds by which something that was due was late."""
        self.patience = inf
        """The seconds for which requests may go without an answer, all of them, before ``silent`` is set."""
        self.silent = asyncio.Event()
        self._answered = 0.0
        self._unanswered: float | None = None  # since when, if the last request that came to an end had no answer

    def now(self) -> float:
        """Return the seconds since the history began."""
        return self.at(time.monotonic())

    def at(self, moment: float) -> float:
        """Return a reading of time.monotonic() as seconds since the history began."""
        return moment - self._origin

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
            sent=self.at(reply.sent),
            received=self.at(reply.received),
            protocol=reply.protocol,
            method=request.method,
            path=request.path,
            request_id=request.request_id,
            cookie_fields=request.cookie_fields,
            outcome=reply.outcome,
            host=request.host,
        )
        self._exchanges.append(exchange)
        self._listen(exchange)
        if reply.digest:
            sent = hashlib.sha256(request.body).hexdigest()
            size = str(len(request.body))
            self.event(Happening.CARRIED, request.request_id, bytes=size, sent=sent, returned=reply.digest)
        answered = (exchange.pod or "", exchange.answers or exchange.request_id)  # another's, if it was misdelivered
        if exchange.pod and answered not in self._seen:
            self._unseen.add(answered)
        return exchange

    def _listen(self, exchange: Exchange) -> None:
        """Set ``silent`` if requests have gone without an answer for too long."""
        if not isinstance(exchange.outcome, Unknown):
            self._answered, self._unanswered = exchange.received, None
            return
        if self._unanswered is None:
            self._unanswered = max(exchange.sent, self._answered)
        if exchange.received - self._unanswered > self.patience:
            self.silent.set()

    def late(self, seconds: float) -> None:
        """Note that something the suite did came so many seconds after it was due; only the largest is kept."""
        self.lateness = max(self.lateness, seconds)

    def event(self, what: Happening, subject: str, when: float | None = None, **detail: str) -> Event:
        """Record something that happened, now unless ``when`` says otherwise."""
        event = Event(what, subject, self.now() if when is None else when, detail)
        self._events.append(event)
        return event

    def sighting(self, pod: str, request_id: str) -> None:
        """Record that a pod's own log shows a request."""
        self._sightings.append(Sighting(pod, request_id, self.now()))
        self._seen.add((pod, request_id))
        self._unseen.discard((pod, request_id))

    def seen(self, session: str) -> int:
        """Return how many sightings there are of a session's requests in the pods' logs."""
        return sum(one.request_id.startswith(f"{session}-") for one in self._sightings)

    def unseen(self) -> set[tuple[str, str]]:
        """Return (pod, request id) of every answer that the pod's own log does not show yet."""
        return set(self._unseen)

    def exchanges_since(self, when: float) -> list[Exchange]:
        """Return the exchanges sent after a moment of the history's clock."""
        return [exchange for exchange in self._exchanges if exchange.sent > when]

    def troubled(self, since: float, cookie: str) -> bool:
        """Whether a request sent after a moment failed, or one with the session cookie left the pod of its session.

        Those of ``restless`` arms do not count.
        """
        where: dict[str, str] = {}
        for exchange in self._exchanges:
            if exchange.arm in self.restless:
                where.pop(exchange.session, None)
                continue
            left = exchange.pod and where.get(exchange.session, exchange.pod) != exchange.pod
            if exchange.sent > since and (exchange.failed or (left and exchange.carried(cookie))):
                return True
            if exchange.pod and (exchange.carried(cookie) or (exchange.answer and exchange.answer.set_cookies(cookie))):
                where[exchange.session] = exchange.pod
        return False

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
