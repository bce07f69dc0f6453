"""Pods that end in other ways than a plain drain, or are added, as a conforming gateway would be seen to take it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Literal

from stickyconf.checks.moves import removal_of
from stickyconf.checks.rotation import UNSTICKY
from stickyconf.model import Answered, Happening, History, Sighting
from tests.histories.conforming import (
    ACTED,
    GONE,
    RELEASED,
    REMOVED,
    SHOWN,
    SIGTERM,
    SUCCESSOR,
    TERMINATING,
    VICTIM,
    every_pod_gets,
)
from tests.histories.edits import arranged
from tests.histories.tape import GATEWAY, PODS, UPSTREAM, Dialect, Tape

BOUND = 1.0  # the settle bound of a recovery, in seconds
DIED, LAST = 2.6, 6.0  # when a draining pod's process died; the last visits


def rotation(dialect: Dialect | None = None, *, ready: str = "true", services: int = 2, unsticky: int = 50) -> History:
    """A pod of two Services ends, its endpoint counting as ready, while 250 new sessions are opened.

    Then so many requests go to a Service without the policy.
    """
    tape = Tape(dialect=dialect, drain=True)
    tape.shows_targets(0.0, echo_a=1, echo_b=1, echo_c=1)
    tape.event(Happening.DELETED, VICTIM, ACTED)
    tape.event(Happening.TERMINATING, VICTIM, TERMINATING)
    for number in range(services):
        conditions = {"ready": ready, "serving": "true", "terminating": "true"}
        tape.event(Happening.ENDPOINT, VICTIM, TERMINATING, service=f"echo-{number}", **conditions)
    tape.shows_targets(SHOWN, echo_b=0)
    tape.settles(VICTIM, SHOWN + 0.1)
    tape.rotation = ["echo-a", "echo-c"]
    tape.plan |= {"newcomer.sessions": 250, "newcomer.requests": 1}
    for number in range(250):
        tape.visit(tape.open("newcomer"), SHOWN + 0.05 + number * 0.008, keeps=False)
    tape.sticky = False
    for number in range(unsticky):
        tape.visit(tape.open(UNSTICKY), SHOWN + 2.15 + number * 0.008)
    tape.settles(UNSTICKY, SHOWN + 2.1)
    tape.event(Happening.RELEASED, VICTIM, RELEASED)
    tape.event(Happening.SIGTERM, VICTIM, SIGTERM)
    tape.event(Happening.POD_GONE, VICTIM, GONE)
    tape.event(Happening.TARGET_REMOVED, VICTIM, REMOVED, gateway=GATEWAY)
    return tape.history()


def grown(
    dialect: Dialect | None = None,
    *,
    before: tuple[str, ...] = PODS,
    added: tuple[str, ...] = ("echo-d", "echo-e", "echo-f"),
    newcomers: int = 120,
) -> History:
    """Pods are added beside sessions on every one; then so many new sessions are opened."""
    tape = Tape(dialect=dialect)
    tape.rotation = list(before)
    clients = every_pod_gets(tape, "resident", 2, 0.1)
    for turn in range(5):
        for number, client in enumerate(clients):
            tape.visit(client, 0.5 + turn * 0.15 + number * 0.01)
    tape.event(Happening.SCALED, "Deployment/echo", ACTED, replicas=str(len(before) + len(added)))
    tape.rotation = [*added, *before]
    ready = json.dumps(sorted(tape.rotation))
    tape.event(Happening.PODS_READY, "Deployment/echo", ACTED + 0.5, pods=ready)
    tape.event(Happening.CONVERGED, UPSTREAM, ACTED + 0.6, sticky="true")
    tape.plan |= {"newcomer.sessions": newcomers, "newcomer.requests": 1}
    for number in range(newcomers):
        tape.visit(tape.open("newcomer"), ACTED + 0.7 + number * 0.01, keeps=False)
    for number, client in enumerate(clients):
        tape.visit(client, ACTED + 1.0 + newcomers * 0.01 + number * 0.01)
    return arranged(tape.history(), pods=before)


def bereft(dialect: Dialect | None = None, *, of: Literal["removed", "killed", "dead"] = "removed") -> History:
    """Sessions on every pod, one of which is removed, killed, or dead while its endpoint is still listed."""
    tape = Tape(dialect=dialect, drain=True)
    tape.plan |= {"resident.beat": 0.15, "after.requests": 5, "recovery.seconds": BOUND}
    tape.shows_targets(0.0, echo_a=1, echo_b=1, echo_c=1)
    tape.event(Happening.DELETED, VICTIM, ACTED)
    tape.event(Happening.ENDPOINT, SUCCESSOR, ACTED + 0.5, ready="true", serving="true", terminating="false")
    if of == "dead":
        tape.shows_targets(SHOWN, echo_b=0)
        tape.event(Happening.DIED, VICTIM, DIED)
    else:
        tape.event(Happening.POD_GONE, VICTIM, ACTED + 0.3)
        tape.event(Happening.TARGET_REMOVED, VICTIM, ACTED + 0.4, gateway=GATEWAY)
        tape.settles(removal_of(VICTIM), ACTED + 0.45)
    left = DIED if of == "dead" else ACTED + 0.05
    residents = every_pod_gets(tape, "resident", 2, 0.1)
    for client in every_pod_gets(tape, "in-flight", 1, 0.3) if of == "dead" else ():
        if client.pod == VICTIM:
            tape.visit(client, DIED - 0.1, path="/?delay=2", method="POST", took=0.12)
            cut = replace(tape.exchanges[-1], outcome=Answered(502, (), None))  # its pod died, and it is not sent again
            tape.exchanges[-1] = cut
    for beat in range(int((LAST - 0.5) / 0.15)):
        for number, client in enumerate(residents):
            at = 0.5 + beat * 0.15 + number * 0.005
            if at >= left:
                tape.rotation = ["echo-a", "echo-c", SUCCESSOR] if at > ACTED + 0.6 else ["echo-a", "echo-c"]
            tape.visit(client, at, method=("GET", "POST")[beat // 2 % 2])
    history = tape.history()
    received = [Sighting(VICTIM, exchange.request_id, exchange.sent) for exchange in history.arm("in-flight")[-1:]]
    return replace(history, sightings=(*history.sightings, *received)) if of == "dead" else history
