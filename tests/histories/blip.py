"""Readiness probes that fail, as a conforming gateway would be seen to take it."""

from __future__ import annotations

from stickyconf.model import Happening, History
from tests.histories.conforming import every_pod_gets
from tests.histories.edits import arranged
from tests.histories.tape import GATEWAY, Dialect, Tape

ONE, OTHER = "echo-a", "echo-b"
OFF, UNREADY, ON, AGAIN, DELETED, UNSERVING, RELEASED, END = 1.0, 1.2, 2.0, 2.2, 3.0, 3.5, 4.5, 5.0


def blip(dialect: Dialect | None = None) -> History:
    """A pod is not ready for a while: its sessions move, and stay there. The other drains and fails its probe."""
    tape = Tape(dialect=dialect, drain=True)
    tape.rotation = [ONE, OTHER]
    clients = every_pod_gets(tape, "resident", 2, 0.1)
    tape.event(Happening.READINESS, ONE, OFF, passes="false")
    tape.event(Happening.ENDPOINT, ONE, UNREADY, ready="false", serving="false", terminating="false")
    tape.event(Happening.TARGET_REMOVED, ONE, UNREADY + 0.02, gateway=GATEWAY)
    tape.event(Happening.READINESS, ONE, ON, passes="true")
    tape.event(Happening.ENDPOINT, ONE, AGAIN, ready="true", serving="true", terminating="false")
    tape.event(Happening.DELETED, OTHER, DELETED)
    tape.event(Happening.TERMINATING, OTHER, DELETED + 0.1)
    tape.event(Happening.ENDPOINT, OTHER, DELETED + 0.1, ready="false", serving="true", terminating="true")
    tape.event(Happening.READINESS, OTHER, DELETED + 0.2, passes="false")
    tape.event(Happening.ENDPOINT, OTHER, UNSERVING, ready="false", serving="false", terminating="true")
    tape.event(Happening.RELEASED, OTHER, RELEASED)
    for beat in range(44):
        for number, client in enumerate(clients):
            at = 0.45 + beat * 0.1 + number * 0.01
            tape.rotation = [OTHER] if UNREADY < at < AGAIN else [ONE, OTHER] if at < RELEASED else [ONE]
            tape.visit(client, at)
    return arranged(tape.history(), pods=(ONE, OTHER))
