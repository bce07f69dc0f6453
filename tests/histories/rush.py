"""Many clients at the same moment, as a conforming gateway would have been seen to serve them."""

from __future__ import annotations

from stickyconf.model import History
from tests.histories.tape import Dialect, Tape

CHAINS = 5  # requests that the busy pod has under way all the time
TOOK = 0.1  # seconds that each takes


def rush(dialect: Dialect | None = None, *, newcomers: int = 190, arrivals: int = 40) -> History:
    """New sessions beside pinned load on one pod; then so many first requests at once, each with two that follow."""
    tape = Tape(dialect=dialect)
    tape.shows_targets(0.0, echo_a=1, echo_b=1, echo_c=1)
    load = tape.open("load")
    tape.visit(load, 0.1)
    end = tape.lockstep("newcomer", 1.0, sessions=newcomers, requests=1, cookies="discard")
    for chain in range(CHAINS):
        for turn in range(int((end - 0.5) / TOOK)):
            tape.visit(load, 0.5 + chain * TOOK / CHAINS + turn * TOOK, path="/?delay=0.1", took=TOOK)
    tape.plan |= {"load.seconds": TOOK, "arrival.sessions": arrivals, "arrival.requests": 3}
    clients = [tape.open("arrival") for _ in range(arrivals)]
    for number, client in enumerate(clients):
        tape.visit(client, end + 1 + number * 0.005, path="/?delay=1", took=1.0)
    for turn in range(2):
        for number, client in enumerate(clients):
            tape.visit(client, end + 3 + turn + number * 0.01)
    return tape.history()
