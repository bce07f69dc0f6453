"""Policies that a gateway does not take, as a conforming controller would be seen to deal with them."""

from __future__ import annotations

import json

from stickyconf.checks.refusals import LACKING, REFUSED
from stickyconf.model import Happening, History
from tests.histories.conforming import every_pod_gets
from tests.histories.tape import GATEWAY, PODS, UPSTREAM, Dialect, Tape

WITHOUT, GONE_AT = "null", 3.0
SCALED_AT = 2.0


def refusals(dialect: Dialect | None = None) -> History:
    """A policy without settings, then two with a wrong path, beside a Service that is scaled meanwhile."""
    tape = Tape(dialect=dialect)
    spec = json.dumps({"algorithm": "sticky-sessions"})
    tape.event(Happening.APPLIED, LACKING, 0.1, submitted=spec, stored=spec)
    _announced(tape, LACKING, 0.2, "sticky_sessions_cookie: required field missing")
    tape.event(Happening.STATUS, f"KongUpstreamPolicy/{LACKING}", 0.3, status="null")
    tape.plan |= {f"{LACKING}.sessions": 2, f"{LACKING}.requests": 2}
    for client in (tape.open(LACKING), tape.open(LACKING)):
        tape.unrouted(client, 0.4, "without-settings.sticky.stickyconf.test")
    residents = every_pod_gets(tape, "resident", 2, 0.5)
    for turn in range(25):
        for number, client in enumerate(residents):
            tape.visit(client, 0.7 + turn * 0.1 + number * 0.01)
    for name in REFUSED:
        tape.event(Happening.APPLIED, name, 1.0, submitted="{}", stored="{}")
        _announced(tape, name, 1.2, "sticky_sessions_cookie_path: should start with: /")
    tape.event(Happening.SCALED, "Deployment/echo", SCALED_AT, replicas="4")
    tape.event(Happening.PODS_READY, "Deployment/echo", 2.3, pods=json.dumps([*PODS, "echo-d"]))
    tape.event(Happening.CONVERGED, UPSTREAM, 2.5, sticky="true")
    for name in REFUSED:
        tape.event(Happening.CHANGED, f"KongUpstreamPolicy/{name}", GONE_AT, how="deleted")
    return tape.history()


def _announced(tape: Tape, name: str, when: float, message: str) -> None:
    said = {"type": "Warning", "reason": "KongConfigurationApplyFailed", "message": f"invalid {message}"}
    tape.event(Happening.CLUSTER_EVENT, f"Service/{name}", when, **said)
    tape.event(Happening.UPSTREAM, f"httproute.sticky.{name}.0", when + 0.05, gateway=GATEWAY, upstream=WITHOUT)
