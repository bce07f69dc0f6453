"""A pod that answers 503 for a while under health checks, as a conforming gateway would be seen to take it."""

from __future__ import annotations

from stickyconf.model import Happening, History
from tests.histories.conforming import every_pod_gets
from tests.histories.tape import PODS, Dialect, Tape

ILL = "echo-a"
BEGAN, OUT, WELL, BACK, DUE = 1.0, 1.5, 3.0, 4.0, 5.0
BOUND = DUE - WELL


def recovery(dialect: Dialect | None = None, *, newcomers: int = 60) -> History:
    """A pod answers 503 three times and is out: its sessions move. It answers 200 and gets new sessions again."""
    tape = Tape(dialect=dialect)
    tape.plan |= {"ill.answers": 3, "recovery.seconds": BOUND}
    clients = every_pod_gets(tape, "resident", 2, 0.1)
    tape.event(Happening.ANSWERING, ILL, BEGAN, status="503")
    tape.settles(ILL, OUT + 0.5)
    tape.event(Happening.ANSWERING, ILL, WELL, status="200")
    for beat in range(20):
        for number, client in enumerate(clients):
            at = 0.5 + beat * 0.2 + number * 0.01
            tape.rotation = [pod for pod in PODS if pod != ILL] if OUT < at < BACK else list(PODS)
            exchange = tape.visit(client, at, status=503 if client.pod == ILL and BEGAN < at < OUT else 200)
            assert exchange.pod
    tape.rotation = list(PODS)
    for number in range(newcomers):
        tape.visit(tape.open("newcomer"), DUE + 0.1 + number * 0.01, keeps=False)
    return tape.history()
