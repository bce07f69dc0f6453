"""One conforming history for each kind of experiment the suites make, small enough to be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from stickyconf.checks.affinity import METHODS
from stickyconf.checks.cookie import STATUSES
from stickyconf.checks.policy_api import HOW_TO, LEFT_OUT_PATH
from stickyconf.model import Happening, History
from tests.histories.tape import GATEWAY, UPSTREAM, Dialect, Tape

HOLD = 3.0  # the tape's preStop
OTHERS = ("theme=dark", "xsession_id=at-echo-elsewhere")
APPLICATION_COOKIES = ("app=1; Path=/; HttpOnly", "cart=a%20b; Max-Age=60", 'quoted="x y"; Path=/shop')


def affinity(dialect: Dialect | None = None) -> History:
    """Sessions that stay: pinned, over fresh and kept connections, in parallel, roaming, many, beside others."""
    tape = Tape(dialect=dialect)
    at = tape.lockstep("control", 0.0, sessions=10, requests=1, cookies="discard")
    at = tape.lockstep("pinned", at, sessions=7, requests=5)
    at = tape.lockstep("kept", at, sessions=4, requests=6)
    tape.plan |= {"fresh.sessions": 4, "fresh.requests": 6}
    fresh = [tape.open("fresh") for _ in range(4)]
    for number in range(24):
        tape.visit(fresh[number % 4], at + number * 0.01)
    at = _parallel(tape, at + 1)
    at = _roaming(tape, at)
    at = tape.lockstep("crowd", at, sessions=121, requests=2)
    at = _among_others(tape, at)
    at = _come_and_go(tape, at)
    _among_many(tape, at)
    return tape.history()


def _parallel(tape: Tape, at: float) -> float:
    tape.plan |= {"parallel.sessions": 4, "parallel.requests": 8}
    for number in range(4):
        client = tape.open("parallel")
        tape.visit(client, at + number)
        for burst in range(7):
            tape.visit(client, at + number + 0.1 + burst * 0.001, path="/?delay=0.02", took=0.03)
    return at + 4


def _roaming(tape: Tape, at: float) -> float:
    tape.plan |= {"roaming.sessions": 4, "roaming.requests": 3 * len(METHODS)}
    clients = [tape.open("roaming") for _ in range(4)]
    for path in ("/", "/cart", "/cart/items/7?page=2"):
        for method in METHODS:
            for client in clients:
                tape.visit(client, at, method=method, path=path, connection=client.name)
                at += 0.01
    return at + 1


def _among_others(tape: Tape, at: float) -> float:
    placed = {
        "cookie-first": lambda own: (f"{own}; {OTHERS[0]}; {OTHERS[1]}",),
        "cookie-middle": lambda own: (f"{OTHERS[0]}; {own}; {OTHERS[1]}",),
        "cookie-last": lambda own: (f"{OTHERS[0]}; {OTHERS[1]}; {own}",),
        "cookie-split": lambda own: (OTHERS[0], own, OTHERS[1]),
    }
    for arm, fields in placed.items():
        tape.plan |= {f"{arm}.sessions": 4, f"{arm}.requests": 5}
        clients = [tape.open(arm) for _ in range(4)]
        for number in range(20):
            protocol = "HTTP/2" if arm == "cookie-split" else "HTTP/1.1"
            tape.visit(clients[number % 4], at, cookie_fields=fields, protocol=protocol)
            at += 0.01
    return at + 1


def _among_many(tape: Tape, at: float) -> None:
    """50 cookies, and 100, the session's own the last of them, over HTTP/1.1 and HTTP/2."""
    for arm in ("cookies-50", "cookies-50-h2", "cookies-100", "cookies-100-h2"):
        tape.plan |= {f"{arm}.sessions": 2, f"{arm}.requests": 8}
        clients = [tape.open(arm) for _ in range(2)]
        others = "; ".join(f"c{number}=v" for number in range(int(arm.split("-")[1]) - 1))
        for number in range(16):
            protocol = "HTTP/2" if arm.endswith("h2") else "HTTP/1.1"
            fields = lambda own, before=others: (f"{before}; {own}",)  # noqa: E731 - it stands beside the others
            tape.visit(clients[number % 2], at, cookie_fields=fields, protocol=protocol)
            at += 0.01


def _come_and_go(tape: Tape, at: float) -> float:
    tape.plan |= {"resident.sessions": 4, "resident.requests": 5, "passerby.sessions": 8, "passerby.requests": 2}
    residents = [tape.open("resident") for _ in range(4)]
    for turn in range(5):
        for client in residents:
            tape.visit(client, at, connection=client.name)
            at += 0.01
        for _ in range(2 if turn < 4 else 0):
            passerby = tape.open("passerby")
            tape.visit(passerby, at)
            tape.visit(passerby, at + 0.01)
            at += 0.02
    return at + 1


def cookie(dialect: Dialect | None = None, *, name: str = "session_id", path: str = "/") -> History:
    """First responses and what comes back: a jar of ours, a library's, cookies of the application, every status."""
    tape = Tape(dialect=dialect, cookie=name, cookie_path=path)
    tape.shows_targets(0.0, echo_a=1, echo_b=1, echo_c=1)
    at = tape.lockstep("visitor", 0.1, sessions=16, requests=3, path=path)
    at = tape.lockstep("library-jar", at, sessions=2, requests=2, path=path)
    tape.plan |= {"application.sessions": 2, "application.requests": 2}
    for fields in (APPLICATION_COOKIES, APPLICATION_COOKIES[:1]):
        client = tape.open("application")
        for _ in range(2):
            asked = path + "?" + "&".join(f"set-cookie={quote(field)}" for field in fields)
            tape.visit(client, at, path=asked, application=fields)
            at += 0.01
    tape.plan |= {"status.sessions": len(STATUSES), "status.requests": 2}
    for status in STATUSES:
        client = tape.open("status")
        tape.visit(client, at, path=f"{path}?status={status}", status=status)
        tape.visit(client, at + 0.01, path=path)
        at += 0.02
    return tape.history()


def spread(dialect: Dialect | None = None, sessions: int = 186) -> History:
    """Nothing but sessions of one request each, over three pods of the same weight."""
    tape = Tape(dialect=dialect)
    tape.shows_targets(0.0, echo_a=1, echo_b=1, echo_c=1)
    tape.lockstep("control", 0.1, sessions=sessions, requests=1, cookies="discard")
    return tape.history()


def annotation(dialect: Dialect | None = None, *, sessions: int = 7, requests: int = 5) -> History:
    """The same clients before and after the Service is annotated."""
    tape = Tape(dialect=dialect)
    tape.sticky = False
    _shows_upstream(tape, 0.0, algorithm="round-robin")
    at = tape.lockstep("before", 0.1, sessions=sessions, requests=requests, connections="fresh")
    tape.event(Happening.STATUS, "KongUpstreamPolicy/sticky-session-policy", at - 0.01, status="{}")
    tape.event(Happening.ANNOTATED, "Service/echo", at, annotation="konghq.com/upstream-policy=sticky-session-policy")
    tape.event(Happening.CONVERGED, UPSTREAM, at + 0.3, sticky="true")
    tape.sticky = True
    _shows_upstream(
        tape,
        at + 0.3,
        algorithm="sticky-sessions",
        sticky_sessions_cookie="session_id",
        sticky_sessions_cookie_path="/",
    )
    end = tape.lockstep("after", at + 0.4, sessions=sessions, requests=requests)
    tape.event(Happening.STATUS, "KongUpstreamPolicy/sticky-session-policy", end, status=json.dumps(PROGRAMMED))
    return tape.history()


PROGRAMMED: Mapping[str, Any] = {
    "ancestors": [
        {
            "ancestorRef": {"group": "core", "kind": "Service", "namespace": "sticky", "name": "echo"},
            "conditions": [{"type": "Accepted", "status": "True"}, {"type": "Programmed", "status": "True"}],
        }
    ]
}


def _shows_upstream(tape: Tape, when: float, **fields: str) -> None:
    upstream = json.dumps({"name": UPSTREAM, "hash_on": "none"} | fields)
    tape.event(Happening.UPSTREAM, UPSTREAM, when, gateway=GATEWAY, upstream=upstream)


SPEC: Mapping[str, Any] = {
    "algorithm": "sticky-sessions",
    "hashOn": {"input": "none"},
    "stickySessions": {"cookie": "session_id", "cookiePath": "/"},
}
REFUSAL = "spec.algorithm: Unsupported value: supported values: round-robin, least-connections, sticky-sessions"


def policies() -> History:
    """Policies submitted to an API server that admits what it should and refuses the rest."""
    tape = Tape()
    left_out = SPEC | {"stickySessions": {"cookie": "session_id"}}
    of_its_own = SPEC | {"stickySessions": {"cookie": "session_id", "cookiePath": "/app"}}
    admitted = {HOW_TO: (SPEC, SPEC), LEFT_OUT_PATH: (left_out, SPEC), "cookie-path-of-its-own": (of_its_own,) * 2}
    for number, (name, (submitted, stored)) in enumerate(admitted.items()):
        tape.event(Happening.APPLIED, name, number, submitted=json.dumps(submitted), stored=json.dumps(stored))
    for number, name in enumerate(("algorithm-unknown", "algorithm-empty"), start=3):
        tape.event(Happening.REJECTED, name, number, submitted="{}", code="422", reason="Invalid", message=REFUSAL)
    return tape.history()


# The drain's moments, in seconds: deletion asked for, seen, shown at weight 0; released, SIGTERM, gone, removed; the
# last visits.
ACTED, TERMINATING, SHOWN, RELEASED, SIGTERM, GONE, REMOVED, END = 2.0, 2.05, 2.3, 4.9, 5.1, 5.7, 5.9, 8.0
SETTLED = 2.5  # when every worker of the gateway had the change
VICTIM, SUCCESSOR = "echo-b", "echo-d"


def drain(dialect: Dialect | None = None, *, support: bool = True, by: str = "delete") -> History:
    """One pod ends under traffic, with drain support or without it; deleted it is replaced, scaled down it is not."""
    tape = Tape(dialect=dialect, drain=support)
    tape.plan |= {"resident.beat": 0.08, "newcomer.beat": 0.04, "after.requests": 5}
    tape.shows_targets(0.0, echo_a=1, echo_b=1, echo_c=1)
    _pod_ends(tape, support, by)
    residents, long_ones = every_pod_gets(tape, "resident", 2, 0.1), every_pod_gets(tape, "in-flight", 1, 0.3)
    for client in long_ones:
        tape.visit(client, 1.0, path="/?delay=5", took=5.0)
        tape.visit(client, 1.001, path="/?delay=5", took=5.0, method="POST")
    leaves = SIGTERM if support else SHOWN  # from when on the gateway sends the pod's sessions elsewhere
    visits: list[tuple[float, Any, int]] = [
        (0.5 + beat * 0.08 + number * 0.01, client, beat)
        for beat in range(94)
        for number, client in enumerate(residents)
    ]
    visits += [(0.5 + beat * 0.04, None, 2 * beat) for beat in range(188)]
    for number in range(27):
        keeper, came = tape.open("keeper"), 0.55 + number * 0.25
        back = (came + 0.255, 7.7 + number * 0.004, 7.85 + number * 0.004)
        visits += [(at, keeper, 4 * turn) for turn, at in enumerate((came, *back))]
    for at, client, turn in sorted(visits, key=lambda visit: visit[0]):
        tape.rotation = ["echo-a", "echo-c"] if at > SHOWN else ["echo-a", "echo-b", "echo-c"]
        tape.rotation += [SUCCESSOR] if by == "delete" and at > SHOWN + 0.5 else []
        tape.pinned_only = (VICTIM,) if at < leaves else ()
        who = client or tape.open("newcomer")
        # Fresh and kept connections, GET and POST, in turn.
        method, connection = ("GET", "POST")[turn // 2 % 2], f"{who.name}-{turn // 2}"
        tape.visit(who, at, method=method, connection=connection)
    return tape.history()


def every_pod_gets(tape: Tape, arm: str, count: int, at: float) -> list[Any]:
    """Open sessions of an arm until every pod holds so many, and return them all."""
    clients: list[Any] = []
    while min([sum(client.pod == pod for client in clients) for pod in tape.rotation]) < count:
        clients.append(tape.open(arm))
        tape.visit(clients[-1], at + len(clients) * 0.005)
    return clients


def _pod_ends(tape: Tape, support: bool, by: str) -> None:
    if by == "delete":
        tape.event(Happening.DELETED, VICTIM, ACTED)
    else:
        tape.event(Happening.SCALED, "Deployment/echo", ACTED, replicas="2")
    tape.event(Happening.TERMINATING, VICTIM, TERMINATING)
    tape.event(Happening.ENDPOINT, VICTIM, TERMINATING + 0.01, ready="false", serving="true", terminating="true")
    if support:
        tape.shows_targets(SHOWN, echo_b=0)
        tape.event(Happening.TARGET_REMOVED, VICTIM, REMOVED, gateway=GATEWAY)
    else:
        tape.event(Happening.TARGET_REMOVED, VICTIM, SHOWN, gateway=GATEWAY)
    tape.settles(VICTIM, SETTLED)
    if by == "delete":
        tape.event(Happening.ENDPOINT, SUCCESSOR, SHOWN + 0.3, ready="true", serving="true", terminating="false")
        tape.shows_targets(SHOWN + 0.4, echo_d=1)
    tape.event(Happening.RELEASED, VICTIM, RELEASED)
    tape.event(Happening.SIGTERM, VICTIM, SIGTERM)
    tape.event(Happening.ENDPOINT_REMOVED, VICTIM, GONE - 0.01)
    tape.event(Happening.POD_GONE, VICTIM, GONE)
