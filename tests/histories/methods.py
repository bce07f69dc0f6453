"""Sessions opened by every method."""

from __future__ import annotations

from stickyconf.checks.affinity import METHODS
from stickyconf.model import History
from tests.histories.tape import Dialect, Tape


def opened_by_methods(dialect: Dialect | None = None) -> History:
    """Two sessions by each method, each of one request."""
    tape = Tape(dialect=dialect)
    tape.plan |= {"opening.sessions": 2 * len(METHODS), "opening.requests": 1}
    for number, method in enumerate(METHODS * 2):
        tape.visit(tape.open("opening"), 0.1 + number * 0.01, method=method)
    return tape.history()
