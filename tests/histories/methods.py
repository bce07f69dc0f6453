"""Sessions opened by every method, and under names of the cookie that have a prefix."""

from __future__ import annotations

from stickyconf.checks.affinity import METHODS
from stickyconf.checks.opening import PREFIXED
from stickyconf.model import Happening, History
from tests.histories.edits import edited, every, rewriting
from tests.histories.tape import Dialect, Tape


def opened_by_methods(dialect: Dialect | None = None) -> History:
    """Two sessions by each method, each of one request."""
    tape = Tape(dialect=dialect)
    tape.plan |= {"opening.sessions": 2 * len(METHODS), "opening.requests": 1}
    for number, method in enumerate(METHODS * 2):
        tape.visit(tape.open("opening"), 0.1 + number * 0.01, method=method)
    return tape.history()


def prefixed(dialect: Dialect | None = None) -> History:
    """One session under each prefixed name that the policy is given."""
    tape = Tape(dialect=dialect)
    for number, (arm, name) in enumerate(PREFIXED.items()):
        tape.event(Happening.APPLIED, "sticky-session-policy", number, submitted=name, stored=name)
        tape.visit(tape.open(arm), number + 0.5, keeps=False)
    history = tape.history()
    for arm, name in PREFIXED.items():
        history = edited(history, every(arm), rewriting("session_id=", f"{name}="))
    return history
