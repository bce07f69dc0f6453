"""Clients that ask inside and outside their cookie's Path."""

from __future__ import annotations

from stickyconf.model import History
from tests.histories.tape import Dialect, Session, Tape

INSIDE, OUTSIDE = "/app/page", "/favicon.ico"


def wandering(dialect: Dialect | None = None, *, sessions: int = 7, outside: int = 42) -> History:
    """Sessions are opened inside; then each request outside, by one session after the other, is followed by one inside.

    Outside the gateway neither reads nor sets the cookie.
    """
    tape = Tape(dialect=dialect, cookie="shop-session", cookie_path="/app")
    tape.shows_targets(0.0, echo_a=1, echo_b=1, echo_c=1)
    tape.plan |= {"alternating.sessions": sessions, "alternating.requests": 1 + 2 * (outside // sessions)}
    clients = [tape.open("alternating") for _ in range(sessions)]
    for number, client in enumerate(clients):
        tape.visit(client, number * 0.01, path=INSIDE)
    for number in range(outside):
        client, at = clients[number % sessions], 1 + number * 0.1
        tape.sticky = False
        tape.visit(Session(client.name, client.arm), at, path=OUTSIDE)
        tape.sticky = True
        tape.visit(client, at + 0.05, path=INSIDE)
    return tape.history()
