"""Controller and gateway are replaced and scaled, as a conforming system would be seen to take it."""

from __future__ import annotations

import json
from dataclasses import replace

from stickyconf.model import Happening, History
from tests.histories.conforming import every_pod_gets
from tests.histories.tape import UPSTREAM, Dialect, Session, Tape

BEGAN, ENDED, PUSHED = 1.0, 2.0, 2.5
UPGRADING, UPGRADED, PUSHED_AGAIN, LAST = 4.0, 5.0, 5.5, 7.0
REPLICAS = ("http://10.1.0.1:8000", "http://10.1.0.2:8000", "http://10.1.0.3:8000")


def controller(dialect: Dialect | None = None) -> History:
    """The controller is restarted, later upgraded, and pushes a change after each."""
    tape = Tape(dialect=dialect)
    _residents(tape)
    for began, ended, pushed, by in ((BEGAN, ENDED, PUSHED, "restart"), (UPGRADING, UPGRADED, PUSHED_AGAIN, "upgrade")):
        tape.event(Happening.DELETED, f"Controller/{by}", began)
        _replaced(tape, "Controller", ended, by)
        tape.event(Happening.CONVERGED, f"httproute.sticky.{by}.0", pushed, sticky="true")
    return tape.history()


def gateway(dialect: Dialect | None = None) -> History:
    """One gateway becomes three, each of them another release later; strangers come afterwards."""
    tape = Tape(dialect=dialect)
    residents = _residents(tape)
    tape.event(Happening.SCALED, "Gateway/scale", BEGAN, replicas="3")
    for number, url in enumerate(REPLICAS[1:]):
        for turn, resident in enumerate(residents[:2]):
            client = tape.open("direct")
            client.pod, client.value = resident.pod, resident.value
            at = ENDED + number * 0.2 + turn * 0.05
            _at(tape, client, url, at)
            _at(tape, tape.open("direct"), url, at + 0.02, keeps=False)
    tape.plan |= {"crossing.sessions": 6, "crossing.requests": 4}
    for number in range(6):
        client, first = tape.open("crossing"), number % 3
        for turn, url in enumerate((*REPLICAS[first:], *REPLICAS[: first + 1])):
            _at(tape, client, url, PUSHED + number * 0.1 + turn * 0.01)
    tape.event(Happening.DELETED, "Gateway/upgrade", UPGRADING)
    _replaced(tape, "Gateway", UPGRADED, "upgrade")
    tape.event(Happening.CONVERGED, UPSTREAM, UPGRADED + 0.2, sticky="true")
    tape.lockstep("stranger", UPGRADED + 0.3, sessions=12, requests=1, cookies="discard")
    return tape.history()


def _residents(tape: Tape) -> list[Session]:
    residents = every_pod_gets(tape, "resident", 2, 0.1)
    for beat in range(int((LAST - 0.6) / 0.15)):
        for number, client in enumerate(residents):
            tape.visit(client, 0.6 + beat * 0.15 + number * 0.005)
    return residents


def _at(tape: Tape, client: Session, url: str, at: float, *, keeps: bool = True) -> None:
    tape.visit(client, at, keeps=keeps)
    tape.exchanges[-1] = replace(tape.exchanges[-1], gateway=url)


def _replaced(tape: Tape, part: str, when: float, by: str) -> None:
    names = {"before": ("one", "two"), "after": ("three", "four")}
    tags = {"before": "1", "after": "2" if by == "upgrade" else "1"}
    pods = {side: json.dumps(dict.fromkeys(some, f"image:{tags[side]}")) for side, some in names.items()}
    tape.event(Happening.REPLACED, part, when, by=by, **pods)
