"""What a conforming gateway was seen to do while routes, the annotation or the policy changed."""

from __future__ import annotations

from stickyconf.model import Happening, History
from tests.histories.conforming import every_pod_gets
from tests.histories.tape import Dialect, Session, Tape

HOST = "sticky.stickyconf.test"
CREATED, DELETED, EDITED, END = 1.0, 2.0, 3.0, 4.0
OTHERS = ("other-00", "other-01", "inserted")


def beside(dialect: Dialect | None = None) -> History:
    """Two routes come and go, and a rule is put before the sessions' own, while they visit."""
    tape = Tape(dialect=dialect)
    clients = every_pod_gets(tape, "resident", 2, 0.1)
    for beat in range(26):
        for number, client in enumerate(clients):
            tape.visit(client, 0.4 + beat * 0.14 + number * 0.01)
    for number, name in enumerate(OTHERS):
        tape.event(Happening.CHANGED, f"HTTPRoute/{name}", CREATED, how="created")
        _answers(tape, name, CREATED + 0.2 + number * 0.01, f"{name}.{HOST}")
    for name in OTHERS[:2]:
        tape.event(Happening.CHANGED, f"HTTPRoute/{name}", DELETED, how="deleted")
        tape.unrouted(tape.open("change"), DELETED + 0.2, f"{name}.{HOST}")
    tape.event(Happening.CHANGED, "HTTPRoute/echo", EDITED, how="edited")
    _answers(tape, "inserted", EDITED + 0.2, HOST)
    tape.event(Happening.CHANGED, "HTTPRoute/inserted", END, how="deleted")
    return tape.history()


def _answers(tape: Tape, name: str, at: float, host: str) -> None:
    tape.visit(tape.open("change"), at, host=host, headers=(("x-change", name),), keeps=False)


def reattached(dialect: Dialect | None = None, *, clients: int = 10, requests: int = 4) -> History:
    """The same ten clients under the policy, without the annotation (so many of them, so often), and with it again."""
    tape = Tape(dialect=dialect)
    sessions = _open(tape, "attached", 10)
    pods = [session.pod for session in sessions]
    tape.event(Happening.ANNOTATED, "Service/echo", 1.0, annotation="")
    tape.sticky = False
    end = _round(tape, sessions[:clients], "detached", 1.3, requests)
    tape.event(Happening.ANNOTATED, "Service/echo", end, annotation="konghq.com/upstream-policy=sticky-session-policy")
    tape.sticky = True
    for session, pod in zip(sessions, pods, strict=True):
        session.pod = pod
    _round(tape, sessions, "again", end + 0.3, 4)
    return tape.history()


def renamed(dialect: Dialect | None = None, *, clients: int = 10, requests: int = 4) -> History:
    """The policy's cookie gets another name; ten clients send the old one then, and ten new ones come."""
    tape = Tape(dialect=dialect)
    sessions = _open(tape, "old", 10)
    old = {session.name: session.value for session in sessions}
    tape.event(Happening.CHANGED, "KongUpstreamPolicy/policy", 1.0, how="edited", cookie="renamed_id")
    tape.cookie = "renamed_id"
    tape.plan |= {"old-name.sessions": clients, "old-name.requests": requests}
    at = 1.3
    for _ in range(requests):
        for session in sessions[:clients]:
            session.arm, session.pod, own = "old-name", "", f"session_id={old[session.name]}"
            tape.visit(session, at, cookie_fields=lambda _, own=own: (own,))
            at += 0.01
    tape.lockstep("new-name", at + 0.1, sessions=10, requests=4)
    return tape.history()


def _open(tape: Tape, arm: str, count: int) -> list[Session]:
    sessions = [tape.open(arm) for _ in range(count)]
    _round(tape, sessions, arm, 0.1, 4)
    return sessions


def _round(tape: Tape, sessions: list[Session], arm: str, at: float, requests: int) -> float:
    """Let these sessions send so many requests each as a part of the experiment of its own; return when it ended."""
    tape.plan |= {f"{arm}.sessions": len(sessions), f"{arm}.requests": requests}
    for _ in range(requests):
        for session in sessions:
            session.arm = arm
            tape.visit(session, at)
            at += 0.01
    return at + 0.1
