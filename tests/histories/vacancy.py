"""A Service that is scaled to 0 and back, as a conforming gateway would be seen to take it."""

from __future__ import annotations

import json
from dataclasses import replace

from stickyconf.checks.vacancy import HELD, NEIGHBOUR, RETURNED, VACANT
from stickyconf.model import Answered, Happening, History
from tests.histories.conforming import every_pod_gets
from tests.histories.edits import arranged
from tests.histories.tape import ADDRESSES, GATEWAY, UPSTREAM, Dialect, Session, Tape

BEFORE, AFTER, OTHER = ("echo-a", "echo-b"), ("echo-c", "echo-d"), "neighbour-x"
HOST = "neighbour.sticky.stickyconf.test"
SCALED, ENDING, AT_ZERO, RELEASED, LEFT, TAKEN, BACK, END = 1.0, 1.1, 1.4, 3.0, 3.5, 4.0, 5.0, 6.0


def vacancy(dialect: Dialect | None = None) -> History:
    """Two pods drain at once and go; another application takes an address of theirs; two others come."""
    tape = Tape(dialect=dialect, drain=True)
    tape.rotation = list(BEFORE)
    tape.shows_targets(0.0, echo_a=1, echo_b=1)
    residents = every_pod_gets(tape, "resident", 2, 0.1)
    _visits(tape, residents, 0.4, SCALED)
    _pods_end(tape)
    tape.pinned_only, tape.rotation = BEFORE, []
    _visits(tape, residents, SCALED, RELEASED)
    for number in range(3):
        _answers_503(tape, tape.open(HELD), 2.0 + number * 0.01)
        _answers_503(tape, tape.open(VACANT), LEFT + 0.2 + number * 0.01)
    _taken(tape)
    for beat in range(4):
        for number, client in enumerate(residents):
            _answers_503(tape, client, TAKEN + 0.3 + beat * 0.1 + number * 0.01)
    tape.event(Happening.SCALED, "Deployment/echo", BACK - 0.3, replicas="2")
    tape.event(Happening.PODS_READY, "Deployment/echo", BACK, pods=json.dumps(AFTER))
    for pod in AFTER:
        tape.event(Happening.ENDPOINT, pod, BACK, ready="true", serving="true", terminating="false")
    tape.shows_targets(BACK, echo_c=1, echo_d=1)
    tape.event(Happening.CONVERGED, UPSTREAM, BACK + 0.1, sticky="true")
    tape.pinned_only, tape.rotation = (), list(AFTER)
    for number, client in enumerate(residents):
        client.pod = ""  # its cookie leads nowhere any more
        tape.visit(client, BACK + 0.2 + number * 0.01)
    tape.lockstep(RETURNED, END, sessions=9, requests=5)
    return arranged(tape.history(), pods=BEFORE)


def _visits(tape: Tape, clients: list[Session], start: float, end: float) -> None:
    for beat in range(int((end - start - 0.1) / 0.2)):
        for number, client in enumerate(clients):
            tape.visit(client, start + 0.05 + beat * 0.2 + number * 0.01)


def _pods_end(tape: Tape) -> None:
    tape.event(Happening.SCALED, "Deployment/echo", SCALED, replicas="0")
    for pod in BEFORE:
        tape.event(Happening.TERMINATING, pod, ENDING)
    tape.shows_targets(AT_ZERO, echo_a=0, echo_b=0)
    for pod in BEFORE:
        tape.event(Happening.RELEASED, pod, RELEASED)
        tape.event(Happening.SIGTERM, pod, RELEASED + 0.1)
        tape.event(Happening.POD_GONE, pod, RELEASED + 0.3)
        tape.event(Happening.TARGET_REMOVED, pod, LEFT, gateway=GATEWAY)


def _taken(tape: Tape) -> None:
    address = ADDRESSES["echo-a"].partition(":")[0]
    tape.event(Happening.PODS_READY, "Deployment/neighbour", TAKEN, pods=json.dumps([OTHER]), address=address)
    tape.settles(NEIGHBOUR, TAKEN + 0.5, asked="reach the neighbour")
    client, tape.rotation = tape.open(NEIGHBOUR), [OTHER]
    for at in (TAKEN + 0.1, TAKEN + 0.8):
        tape.visit(client, at, host=HOST)
    tape.rotation = []


def _answers_503(tape: Tape, client: Session, at: float) -> None:
    """Let the gateway answer by itself; the client keeps the cookie that it has."""
    own, value, tape.rotation = client.pod, client.value, ["nowhere"]
    exchange = tape.visit(client, at)
    tape.exchanges[-1] = replace(exchange, outcome=Answered(503, (), None))
    client.pod, client.value, tape.rotation = own, value, []
