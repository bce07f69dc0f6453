"""Cookies that nobody was given, as a conforming gateway would have been seen to take them."""

from __future__ import annotations

from stickyconf.model import Happening, History
from tests.histories.tape import Dialect, Session, Tape

NEIGHBOUR = "neighbour-x"
MALFORMED = ("empty", "non-ascii", "duplicate")
OVERSIZE = ("16-kb", "64-kb")
SPELT = ("10.0.0.9:1027", "MTAuMC4wLjk6MTAyNw==", "31302e302e302e393a31303237", "neighbour's-own")


def forgery(dialect: Dialect | None = None) -> History:
    """Real cookies that pin, unknown ones, malformed ones, and such as name the address of a neighbour."""
    tape = Tape(dialect=dialect)
    at = tape.lockstep("pinned", 0.0, sessions=7, requests=5)
    tape.plan |= {"forged.sessions": 5, "forged.requests": 4}
    for number in range(5):
        client = _with_cookie(tape, "forged", f"forged-{number}")
        for _ in range(4):
            tape.visit(client, at)
            at += 0.01
    tape.plan |= {"malformed.sessions": len(MALFORMED), "oversize.sessions": len(OVERSIZE)}
    tape.plan |= {"well-formed.sessions": 1 + len(MALFORMED) + len(OVERSIZE)}
    tape.visit(tape.open("well-formed"), at, keeps=False)
    for arm, name in (*(("malformed", name) for name in MALFORMED), *(("oversize", name) for name in OVERSIZE)):
        tape.visit(_with_cookie(tape, arm, name), at + 0.01, path=f"/?value={name}", keeps=False)
        tape.visit(tape.open("well-formed"), at + 0.02, keeps=False)
        at += 0.02
    _lure(tape, at + 0.1)
    return tape.history()


def _with_cookie(tape: Tape, arm: str, value: str) -> Session:
    """Return a session that begins with a cookie of its own making."""
    client = tape.open(arm)
    client.value = value
    return client


def _lure(tape: Tape, at: float) -> None:
    tape.plan |= {"lured.sessions": len(SPELT)}
    neighbour, own = tape.open("neighbour"), tape.rotation
    tape.rotation = [NEIGHBOUR]
    tape.event(Happening.CONNECTED, NEIGHBOUR, at + 0.001, peer="10.0.0.2:40001")
    tape.visit(neighbour, at)
    tape.rotation = own
    for number, value in enumerate(SPELT, start=1):
        tape.visit(_with_cookie(tape, "lured", value), at + number * 0.02, keeps=False)
    tape.rotation = [NEIGHBOUR]
    tape.event(Happening.CONNECTED, NEIGHBOUR, at + 1.001, peer="10.0.0.2:40002")
    tape.visit(neighbour, at + 1)
    tape.rotation = own
