"""Streams that are open while the policy is taken away, attached and edited."""

from __future__ import annotations

from dataclasses import replace

from stickyconf.model import Happening, History
from tests.histories.tape import UPSTREAM, Dialect, Tape

ATTACHED = "konghq.com/upstream-policy=sticky-session-policy"
EDITED = 8.0


def under_way(dialect: Dialect | None = None) -> History:
    """Four streams, with an event after each change has arrived."""
    tape = Tape(dialect=dialect)
    tape.plan |= {"under-way.sessions": 4, "under-way.requests": 2}
    streams = []
    for number in range(4):
        client = tape.open("under-way")
        tape.visit(client, 0.1 + number * 0.1)
        opened = tape.visit(client, 0.15 + number * 0.1, path="/?events=0.25")
        streams.append((replace(client), opened.request_id))
    for at, annotation in ((2.0, ""), (5.0, ATTACHED)):
        tape.event(Happening.ANNOTATED, "Service/echo", at, annotation=annotation)
    tape.event(Happening.CHANGED, "KongUpstreamPolicy/sticky-session-policy", EDITED, how="edited", cookie="renamed_id")
    for at in (2.5, 5.5, EDITED + 0.5):
        tape.event(Happening.CONVERGED, UPSTREAM, at, sticky="true")
    for at in (1.0, 3.0, 6.0, 9.0):
        for client, request in streams:
            tape.event(Happening.MESSAGE, request, at, said="", heard=client.pod)
    return tape.history()
