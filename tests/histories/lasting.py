"""Sessions that were visited for as long as a run took."""

from __future__ import annotations

from stickyconf.model import History
from tests.histories.tape import Dialect, Tape


def lasting(dialect: Dialect | None = None, *, seconds: float = 40.0) -> History:
    """Seven sessions, visited in turn each half second, then all of them."""
    tape = Tape(dialect=dialect)
    tape.plan |= {"elder.seconds": 30.0}
    clients = [tape.open("elder") for _ in range(7)]
    for number, client in enumerate(clients):
        tape.visit(client, 0.1 + number * 0.01)
    for number in range(int(seconds * 2)):
        tape.visit(clients[number % 7], 0.5 + number * 0.5)
    for number, client in enumerate(clients):
        tape.visit(client, 0.6 + seconds + number * 0.01)
    return tape.history()
