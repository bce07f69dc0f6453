"""What a conforming gateway does with a browser."""

from __future__ import annotations

from stickyconf.model import History
from tests.histories.tape import Dialect, Tape


def browsing(dialect: Dialect | None = None, *, contexts: int = 13, loads: int = 2) -> History:
    """Contexts one after the other; each load is a document, and then four requests side by side."""
    tape = Tape(dialect=dialect)
    tape.plan |= {"browser.sessions": contexts, "browser.requests": loads * 5}
    for context in range(contexts):
        client = tape.open("browser")
        for load in range(loads):
            at = context * 2.0 + load
            tape.visit(client, at, path=f"/page/{load}", protocol="browser")
            for part in range(4):
                tape.visit(client, at + 0.1 + part * 0.001, took=0.05, path=f"/data/{load}/{part}", protocol="browser")
    return tape.history()
