"""Literal histories: what a conforming gateway would have been seen to do. Pure data, no clock, no network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from stickyconf.model import Answered, Event, Exchange, Happening, History, Setup, Sighting

PODS = ("echo-a", "echo-b", "echo-c")
ADDRESSES = {"echo-a": "10.0.0.1:1027", "echo-b": "10.0.0.2:1027", "echo-c": "10.0.0.3:1027", "echo-d": "10.0.0.4:1027"}
GATEWAY = "kong-gateway-1"
UPSTREAM = "httproute.sticky.echo.0"
TOOK = 0.004  # seconds from a request to its answer


@dataclass(frozen=True)
class Dialect:
    """What one conforming gateway may do differently from another.

    ``value`` makes the cookie's value of (pod, session); ``place`` gives the pod's index of the n-th new session;
    ``attributes`` is what follows the value in Set-Cookie; ``extra`` are further Set-Cookie fields on every response.
    """

    value: Callable[[str, str], str] = lambda pod, _: f"at-{pod}"
    place: Callable[[int], int] = lambda number: number
    attributes: str = "; Path={path}"
    reissues: bool = False
    extra: tuple[str, ...] = ()


@dataclass
class Session:
    """One client with its jar: where its cookie leads, and what it has to send."""

    name: str
    arm: str
    pod: str = ""
    value: str = ""


class Tape:
    """Takes down exchanges and events, each at the second it is told; ``history`` puts them into one order."""

    def __init__(
        self,
        *,
        cookie: str = "session_id",
        cookie_path: str = "/",
        sticky: bool = True,
        drain: bool = False,
        dialect: Dialect | None = None,
    ) -> None:
        self.dialect = dialect or Dialect()
        self.sticky, self.cookie = sticky, cookie
        self.rotation = list(PODS)
        self.plan: dict[str, float] = {}
        self.exchanges: list[Exchange] = []
        self.events: list[Event] = []
        self._sessions = self._requests = self._placed = 0
        self._setup = Setup(
            name="literal",
            started="2026-01-01T00:00:00.000+00:00",
            suite="0",
            target="literal",
            implementation="a literal history",
            versions={"gateway": "3.11"},
            namespace="sticky",
            host="sticky.stickyconf.test",
            cookie=cookie,
            cookie_path=cookie_path,
            policy={"algorithm": "sticky-sessions", "stickySessions": {"cookie": cookie, "cookiePath": cookie_path}},
            drain=drain,
            pods=PODS,
            gateways=(GATEWAY,),
            seed=7,
            tempo={"sync": 0.2, "hold": 3.0, "grace": 15.0},
            plan={},
        )

    def event(self, what: Happening, subject: str, when: float, **detail: str) -> None:
        self.events.append(Event(what, subject, when, detail))

    def open(self, arm: str) -> Session:
        self._sessions += 1
        return Session(f"{arm}-{self._sessions:03d}", arm)

    def visit(
        self,
        session: Session,
        at: float,
        *,
        method: str = "GET",
        path: str = "/",
        status: int = 200,
        took: float = TOOK,
        connection: str = "",
        protocol: str = "HTTP/1.1",
        cookie_fields: Callable[[str], tuple[str, ...]] = lambda own: (own,),
        application: tuple[str, ...] = (),
        keeps: bool = True,
        host: str = "",
        headers: tuple[tuple[str, str], ...] = (),
        gateway: str = "http://127.0.0.1:8000",
    ) -> Exchange:
        """Let a session send one request and the gateway answer it as it should.

        ``cookie_fields`` make the Cookie fields of the session's own "name=value"; ``application`` are the Set-Cookie
        fields of the pod itself, ``headers`` those that the gateway's own configuration adds.
        """
        name, dialect = self.cookie, self.dialect
        sent = cookie_fields(f"{name}={session.value}") if session.value else ()
        new = not self.sticky or session.pod not in {*self.rotation, *self.pinned_only}
        if new:
            session.pod = self.rotation[dialect.place(self._placed) % len(self.rotation)]
            self._placed += 1
        received = [*headers, *(("Set-Cookie", field) for field in application)]
        if self.sticky and (new or dialect.reissues):
            value = dialect.value(session.pod, session.name)
            attributes = dialect.attributes.format(path=self._setup.cookie_path)
            received.append(("Set-Cookie", f"{name}={value}{attributes}"))
            session.value = value if keeps else ""
        received += [("Set-Cookie", field) for field in dialect.extra]
        answer = Answered(status, tuple(received), session.pod)
        if not keeps:
            session.pod = ""
        self._requests += 1
        exchange = Exchange(
            seq=0,
            arm=session.arm,
            session=session.name,
            connection=connection or f"127.0.0.1:{40000 + self._requests}",
            gateway=gateway,
            sent=at,
            received=at + took,
            protocol=protocol,
            method=method,
            path=path,
            request_id=f"{session.name}-{self._requests}",
            cookie_fields=sent,
            outcome=answer,
            host=host,
        )
        self.exchanges.append(exchange)
        return exchange

    def unrouted(self, session: Session, at: float, host: str) -> None:
        """Let a session send one request for which the gateway has no route."""
        exchange = self.visit(session, at, host=host, keeps=False)
        self.exchanges[-1] = replace(exchange, outcome=Answered(404, (), None))

    pinned_only: tuple[str, ...] = ()  # pods out of the rotation that keep the sessions they have

    def lockstep(
        self,
        arm: str,
        start: float,
        *,
        sessions: int,
        requests: int,
        path: str = "/",
        cookies: str = "keep",
        connections: str = "kept",
    ) -> float:
        """Let ``sessions`` clients send ``requests`` requests each, round after round; return when they have ended."""
        self.plan |= {f"{arm}.sessions": sessions, f"{arm}.requests": requests}
        clients = [self.open(arm) for _ in range(sessions)]
        for turn in range(requests):
            for number, client in enumerate(clients):
                at = start + (turn * sessions + number) * 0.01
                connection = client.name if connections == "kept" else ""
                self.visit(client, at, path=path, connection=connection, keeps=cookies == "keep")
        return start + sessions * requests * 0.01 + 0.1

    def shows_targets(self, when: float, **weights: int) -> None:
        """Let the Admin API list pods at these weights (echo_a=1 is the pod echo-a)."""
        for name, weight in weights.items():
            pod = name.replace("_", "-")
            self.event(Happening.TARGET, pod, when, gateway=GATEWAY, weight=str(weight), address=ADDRESSES[pod])

    def settles(self, subject: str, when: float, asked: str = "place no new session on it", workers: int = 1) -> None:
        """Let every worker of the gateway have shown a behaviour at this moment."""
        self.plan |= {"gateway.workers": workers, "workers.seconds": 1.0}
        detail = {"asked": asked, "workers": str(workers), "connections": "75", "seconds": "0.100"}
        self.event(Happening.SETTLED, subject, when, **detail)

    def history(self) -> History:
        """Return what was taken down: exchanges by the time they were sent, and each in the log of its pod."""
        ordered = sorted(self.exchanges, key=lambda exchange: exchange.sent)
        exchanges = tuple(replace(exchange, seq=number) for number, exchange in enumerate(ordered, start=1))
        return History(
            replace(self._setup, plan=dict(self.plan)),
            exchanges,
            tuple(sorted(self.events, key=lambda event: event.when)),
            logged(exchanges),
        )


def logged(exchanges: tuple[Exchange, ...]) -> tuple[Sighting, ...]:
    """Return what the pods' own logs show of these exchanges."""
    return tuple(Sighting(pod, exchange.request_id, exchange.sent) for exchange in exchanges if (pod := exchange.pod))
