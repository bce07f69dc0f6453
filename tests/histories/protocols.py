"""What a conforming gateway does with large bodies, shared connections, sockets and streams."""

from __future__ import annotations

from dataclasses import replace

from stickyconf.checks.protocols import ECHOED, SECURE, SECURE_CONTROL
from stickyconf.model import Happening, History
from tests.histories.tape import Dialect, Session, Tape

CHANGE, VICTIM = "protocols-change", "echo-a"
LARGE = 1_000_000
OVER_TLS = "https://127.0.0.1:8443"
ACTED, DRAINED, RELEASED = 20.0, 21.0, 23.0


def protocols(dialect: Dialect | None = None) -> History:
    """Everything that the suite's recording of other protocols has, each part after the other."""
    tape = Tape(dialect=dialect, drain=True)
    tape.shows_targets(0.0, echo_a=1, echo_b=1, echo_c=1)
    tape.lockstep("control", 0.1, sessions=30, requests=1, cookies="discard")
    _large(tape, 1.0)
    _shared(tape, 5.0)
    _secure(tape, 8.0)
    streams = _opened(tape, "stream", 10.0, 8)
    sockets = _opened(tape, "socket", 12.0, 10)
    _talk(tape, sockets, 14.0)
    tape.event(Happening.CHANGED, f"HTTPRoute/{CHANGE}", 15.0, how="created")
    tape.visit(tape.open("change"), 16.0, host=f"{CHANGE}.sticky.stickyconf.test", keeps=False)
    for at in (14.0, 17.0):
        for client, request in streams:
            tape.event(Happening.MESSAGE, request, at, said="", heard=client.pod)
    tape.event(Happening.DELETED, VICTIM, ACTED)
    tape.shows_targets(DRAINED, echo_a=0)
    _talk(tape, sockets, 22.0)
    tape.event(Happening.RELEASED, VICTIM, RELEASED)
    tape.event(Happening.SIGTERM, VICTIM, RELEASED + 0.1)
    _talk(tape, [one for one in sockets if one[0].pod != VICTIM], 25.0)
    return tape.history()


def _large(tape: Tape, at: float) -> None:
    tape.plan |= {"large.sessions": 10, "large.requests": 4, "large.bytes": LARGE}
    clients = [tape.open("large") for _ in range(10)]
    for number in range(40):
        digest = f"digest-{number}"
        one = tape.visit(
            clients[number % 10],
            at + number * 0.05,
            method="POST",
            path="/?mirror=1&digest=1",
            headers=((ECHOED, digest),),
        )
        about = {"bytes": str(LARGE), "sent": digest, "returned": digest}
        tape.event(Happening.CARRIED, one.request_id, one.received, **about)


def _shared(tape: Tape, at: float) -> None:
    tape.plan |= {"multiplexed.sessions": 10, "multiplexed.requests": 5}
    tape.plan |= {"coalesced.sessions": 4, "coalesced.requests": 5}
    own = [tape.open("multiplexed") for _ in range(10)]
    others = [tape.open("coalesced") for _ in range(4)]
    for turn in range(5):
        for number, client in enumerate([*own, *others]):
            when, one = at + turn * 0.2 + number * 0.01, {"connection": "127.0.0.1:1", "protocol": "HTTP/2"}
            if client in others:
                client.pod, tape.pinned_only = "neighbour-1", ("neighbour-1",)
                tape.visit(client, when, host="neighbour.sticky.stickyconf.test", **one)
                tape.pinned_only = ()
            else:
                tape.visit(client, when, **one)


def _secure(tape: Tape, at: float) -> None:
    """Strangers and sessions over TLS, each request on a connection of its own."""
    tape.plan |= {f"{SECURE}.sessions": 10, f"{SECURE}.requests": 5}
    tape.plan |= {f"{SECURE_CONTROL}.sessions": 12, f"{SECURE_CONTROL}.requests": 1}
    clients = [tape.open(SECURE) for _ in range(10)]
    strangers = [tape.open(SECURE_CONTROL) for _ in range(12)]
    for number, client in enumerate([*strangers, *clients * 5]):
        tape.visit(client, at + number * 0.02, host=f"{SECURE}.sticky.stickyconf.test", gateway=OVER_TLS)


def _opened(tape: Tape, arm: str, at: float, sessions: int) -> list[tuple[Session, str]]:
    """Sessions of two requests, the second of which opens what stays open."""
    tape.plan |= {f"{arm}.sessions": sessions, f"{arm}.requests": 2}
    found = []
    for number in range(sessions):
        client = tape.open(arm)
        for turn in range(2):
            socket = arm == "socket"
            path = "/?events=0.25" if turn and not socket else "/"
            status, protocol = (101, "WebSocket") if socket else (200, "HTTP/1.1")
            when = at + number * 0.1 + turn * 0.05
            one = tape.visit(client, when, path=path, status=status, protocol=protocol)
        found.append((replace(client), one.request_id))
    return found


def _talk(tape: Tape, sockets: list[tuple[Session, str]], at: float) -> None:
    for number, (client, request) in enumerate(sockets):
        said = f"message-{at:g}-{number}"
        tape.event(Happening.MESSAGE, request, at + number * 0.01, said=said, heard=f"{client.pod} {said}")
