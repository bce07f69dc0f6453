"""The endpoints of one Service change beside the sessions of another, and a conforming gateway follows."""

from __future__ import annotations

from stickyconf.model import Happening, History
from tests.histories.conforming import every_pod_gets
from tests.histories.tape import PODS, Dialect, Tape

SLICE, NAME = "EndpointSlice/churned", "httproute.sticky.churned.0"


def churn(dialect: Dialect | None = None) -> History:
    """Nine changes half a second apart, then eleven that are waited for, with a request after each."""
    tape = Tape(dialect=dialect)
    clients = every_pod_gets(tape, "resident", 2, 0.1)
    tape.event(Happening.CHANGED, SLICE, 0.4, how="edited", pod="echo-a")
    for number in range(19):
        pod, at = PODS[number % 3], 0.5 + number * 0.5
        tape.event(Happening.CHANGED, SLICE, at, how="edited", pod=pod)
        if number >= 8:
            tape.event(Happening.CONVERGED, NAME, at + 0.2, sticky="true", pod=pod)
        tape.rotation = [pod]
        tape.visit(tape.open("churning"), at + 0.3, keeps=False)
        tape.rotation = list(PODS)
        for turn, client in enumerate(clients):
            tape.visit(client, at + 0.35 + turn * 0.01)
    return tape.history()
