"""What a conforming gateway does in a soak."""

from __future__ import annotations

from stickyconf.model import Happening, History
from tests.histories.tape import Dialect, Tape

STRETCHES = 6


def soaking(dialect: Dialect | None = None) -> History:
    """A minute with 40 sessions, tallied every 10 seconds."""
    tape = Tape(dialect=dialect)
    tape.plan |= {"soak.minutes": 1}
    end = tape.lockstep("soak", 0.1, sessions=40, requests=1)
    for stretch in range(STRETCHES):
        counts = {"requests": "4000", "strays": "0", "failures": "0", "unknown": "0"}
        spread = '{"echo-a": 130, "echo-b": 135, "echo-c": 135}'
        tape.event(Happening.TALLIED, "soak", end + (stretch + 1) * 10, control=spread, **counts)
    tape.event(Happening.TALLIED, "visits", end + STRETCHES * 10 + 0.1, fewest="550")
    return tape.history()
