"""The documentation's pages as a reader would have seen them come out."""

from __future__ import annotations

from stickyconf.model import Happening, History
from tests.histories.tape import PODS, Tape

COOKIE_LINE = "Set-Cookie: session_id=01234567-89ab-cdef-0123-456789abcdef; Path=/"


def served(*pods: str) -> str:
    """Return what grep finds in the echo workload's answers."""
    return "".join(f"Running on Pod {pod}.\n" for pod in pods)


def by_session(pods: dict[str, str]) -> str:
    """Return one line a session, as the suite's own steps print them."""
    return "".join(f"{session} Running on Pod {pod}.\n" for session, pod in pods.items())


def _ran(tape: Tape, step: str, when: float, stdout: str, *, stderr: str = "", verbatim: bool = True) -> None:
    command = f"the command of {step}"
    said = {"command": command, "stdout": stdout, "stderr": stderr, "exit": "0", "verbatim": str(verbatim).lower()}
    tape.event(Happening.RAN, step, when, **said)


def sticky_page() -> History:
    """The how-to "Manage sticky sessions"."""
    tape = Tape()
    _ran(tape, "scale-up", 0.0, "deployment.apps/echo scaled\n")
    listed = "".join(f"{pod}   1/1     Running   0          5s\n" for pod in PODS)
    _ran(tape, "pods", 1.0, f"NAME     READY   STATUS    RESTARTS   AGE\n{listed}")
    _ran(tape, "check-annotation", 2.0, "sticky-session-policy")
    verbose = f"> GET /echo HTTP/1.1\n< HTTP/1.1 200 OK\r\n< {COOKIE_LINE}\r\n< \r\n"
    _ran(tape, "initial-request", 3.0, served("echo-a"), stderr=verbose)
    _ran(tape, "repeat-requests", 4.0, served(*["echo-b"] * 5))
    _ran(tape, "without-cookie", 5.0, served("echo-a", "echo-b", "echo-c", "echo-a", "echo-b"))
    _ran(tape, "spread", 6.0, served(*PODS * 10), verbatim=False)
    return tape.history()


OPENED = {f"s{number}": PODS[number % 3] for number in range(9)}


def drain_page() -> History:
    """The how-to "Configure sticky sessions with drain support"; echo-c is the one that goes."""
    tape = Tape(drain=True)
    _ran(tape, "request", 0.0, f"HTTP/1.1 200 OK\r\n{COOKIE_LINE}\r\n\r\n{served('echo-a')}")
    _ran(tape, "open-sessions", 0.1, by_session(OPENED), verbatim=False)
    _ran(tape, "scale-down", 1.0, "deployment.apps/echo scaled\n")
    tape.event(Happening.CONVERGED, "weight 0", 1.5)
    _ran(tape, "terminating", 1.6, "echo-c   1/1     Terminating   0          1m\n", verbatim=False)
    _ran(tape, "continue-sessions", 1.8, by_session(OPENED), verbatim=False)
    _ran(tape, "new-sessions", 2.5, served(*PODS[:2] * 18), verbatim=False)
    return tape.history()
