"""A rolling restart as a conforming gateway would be seen to take it: two pods are held, replaced and released."""

from __future__ import annotations

import json

from stickyconf.model import Happening, History
from tests.histories.conforming import every_pod_gets
from tests.histories.edits import arranged
from tests.histories.tape import GATEWAY, Dialect, Tape

OLD, NEW = ("echo-a", "echo-b"), ("echo-c", "echo-d")
ACTED, RELEASED = 1.0, 3.0
ENDING = {"echo-a": 1.3, "echo-b": 1.7}


def rollout(dialect: Dialect | None = None) -> History:
    tape = Tape(dialect=dialect, drain=True)
    tape.rotation = list(OLD)
    clients = every_pod_gets(tape, "resident", 2, 0.1)
    tape.event(Happening.CHANGED, "Deployment/echo", ACTED, how="edited", pods=json.dumps(OLD))
    for pod, at in ENDING.items():
        tape.event(Happening.TERMINATING, pod, at)
        tape.event(Happening.RELEASED, pod, RELEASED)
        tape.event(Happening.SIGTERM, pod, RELEASED + 0.1)
        tape.event(Happening.POD_GONE, pod, RELEASED + 0.4)
        tape.event(Happening.TARGET_REMOVED, pod, RELEASED + 0.6, gateway=GATEWAY)
    tape.event(Happening.PODS_READY, "Deployment/echo", 2.0, pods=json.dumps(NEW))
    for beat in range(38):
        for number, client in enumerate(clients):
            at = 0.4 + beat * 0.1 + number * 0.01
            if at > RELEASED + 0.1:
                tape.rotation = list(NEW)
            tape.visit(client, at)
    return arranged(tape.history(), pods=OLD)
