"""Histories for the checks of the documentation's pages."""

from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories import drain_page, drawn, sticky_page
from tests.histories.edits import shifted, told, unconverged, without
from tests.histories.pages import COOKIE_LINE, OPENED, by_session, served

STICKY = sticky_page()
DRAIN = drain_page()
RAN = Happening.RAN


def without_cookie_reaching(*pods):
    """Let the page's five requests without a cookie, and ours after them, be served like this."""
    return told(told(STICKY, RAN, "without-cookie", stdout=served(*pods)), RAN, "spread", stdout=served(*pods * 6))


def failing(history, step, status="1"):
    return told(history, RAN, step, exit=status, stdout="", stderr="error: not found")


def broken_steps(history, *steps):
    """A command of the page that fails is the page's fault."""
    return {
        f"{step} fails": (failing(history, step), f"the step {step} to succeed: the command of {step} / exit 1: error")
        for step in steps
    }


def missing_steps(history, *steps):
    return {f"{step} was not run": (without(history, RAN, step), f"the step {step} to be run") for step in steps}


CASES = {
    "sticky_page_holds": Cases(
        drawn=drawn.page_without_cookie,
        accepts={
            "as the page says": STICKY,
            "five requests on one pod by chance, ours on all": told(
                STICKY, RAN, "without-cookie", stdout=served(*["echo-a"] * 5)
            ),
            "two of three pods, in as few requests as tell": told(
                told(STICKY, RAN, "without-cookie", stdout=served(*["echo-a"] * 5)),
                RAN,
                "spread",
                stdout=served(*["echo-b"] * 11),
            ),
            "a cookie with more attributes, its header in lower case": told(
                STICKY, RAN, "initial-request", stderr=f"< {COOKIE_LINE.lower()}; HttpOnly\r\n"
            ),
        },
        rejects={
            "two pods": (
                told(STICKY, RAN, "pods", stdout="echo-a 1/1 Running\necho-b 1/1 Running\necho-c 0/1 Pending\n"),
                "3 echo pods running",
            ),
            "no annotation": (told(STICKY, RAN, "check-annotation", stdout=""), "the annotation sticky-session-policy"),
            "no cookie": (told(STICKY, RAN, "initial-request", stderr="< HTTP/1.1 200 OK\r\n"), "no Set-Cookie"),
            "another cookie": (
                told(STICKY, RAN, "initial-request", stderr="< Set-Cookie: sid=1; Path=/\r\n"),
                "Set-Cookie: session_id=...; Path=/",
            ),
            "another path": (
                told(STICKY, RAN, "initial-request", stderr="< Set-Cookie: session_id=1; Path=/echo\r\n"),
                "Set-Cookie: session_id=...; Path=/",
            ),
            "an empty cookie": (
                told(STICKY, RAN, "initial-request", stderr="< Set-Cookie: session_id=; Path=/\r\n"),
                "Set-Cookie: session_id=...; Path=/",
            ),
            "an answer without a pod": (
                told(STICKY, RAN, "initial-request", stdout="no Route matched"),
                "name of the pod",
            ),
            "a session that strays": (
                told(STICKY, RAN, "repeat-requests", stdout=served("echo-a", "echo-a", "echo-b", "echo-a", "echo-a")),
                "5 requests with the cookie on one pod",
            ),
            "four answers": (
                told(STICKY, RAN, "repeat-requests", stdout=served(*["echo-a"] * 4)),
                "5 requests with the cookie on one pod",
            ),
            "four answers without the cookie": (
                told(STICKY, RAN, "without-cookie", stdout=served(*["echo-a"] * 4)),
                "5 requests without the cookie to be served",
            ),
            "no spread": (without_cookie_reaching(*["echo-a"] * 5), "on different pods / only on echo-a"),
            **broken_steps(STICKY, "scale-up", "pods", "check-annotation", "initial-request", "repeat-requests"),
        },
        doubts={
            **missing_steps(
                STICKY, "pods", "check-annotation", "initial-request", "repeat-requests", "without-cookie", "spread"
            ),
            "a step of ours fails": (failing(STICKY, "spread"), "the step spread to succeed"),
            "a command that hangs": (failing(STICKY, "pods", status="timeout"), "exit timeout"),
            "five requests only": (
                told(without_cookie_reaching(*["echo-a"] * 5), RAN, "spread", stdout=""),
                "16 requests without the cookie",
            ),
            "a change that never arrived": (unconverged(STICKY), "to arrive on every gateway replica"),
        },
    ),
    "drain_page_holds": Cases(
        drawn=drawn.page_new_sessions,
        accepts={
            "as the page says": DRAIN,
            "as few new sessions as tell": told(DRAIN, RAN, "new-sessions", stdout=served(*["echo-a"] * 35)),
            "empty lines beside the pod": told(DRAIN, RAN, "terminating", stdout="\necho-c 1/1 Terminating\n\n"),
        },
        rejects={
            "a session on the terminating pod that moves": (
                told(DRAIN, RAN, "continue-sessions", stdout=by_session(OPENED | {"s2": "echo-a"})),
                "session s2 to continue on echo-c (terminating) / echo-a",
            ),
            "a session on another pod that moves": (
                told(DRAIN, RAN, "continue-sessions", stdout=by_session(OPENED | {"s0": "echo-b"})),
                "session s0 to continue on echo-a (untouched) / echo-b",
            ),
            "a session that gets no answer": (
                told(
                    DRAIN, RAN, "continue-sessions", stdout=by_session({k: v for k, v in OPENED.items() if k != "s2"})
                ),
                "session s2 to continue on echo-c (terminating) / no answer",
            ),
            "a new session on the terminating pod": (
                told(DRAIN, RAN, "new-sessions", stdout=served(*["echo-a"] * 40, "echo-c")),
                "not on echo-c / 1 of 41 there",
            ),
            "no cookie": (told(DRAIN, RAN, "request", stdout=served("echo-a")), "no Set-Cookie"),
            **broken_steps(DRAIN, "request", "scale-down"),
        },
        doubts={
            **missing_steps(
                DRAIN, "request", "open-sessions", "scale-down", "terminating", "continue-sessions", "new-sessions"
            ),
            "a step of ours fails": (failing(DRAIN, "continue-sessions"), "the step continue-sessions to succeed"),
            "no pod terminating": (told(DRAIN, RAN, "terminating", stdout=""), "one of them terminating"),
            "two pods terminating": (
                told(DRAIN, RAN, "terminating", stdout="echo-b 1/1 Terminating\necho-c 1/1 Terminating\n"),
                "one of them terminating",
            ),
            "sessions on two pods": (
                told(DRAIN, RAN, "open-sessions", stdout=by_session({"s0": "echo-a", "s1": "echo-c"})),
                "sessions on 2, terminating",
            ),
            "few new sessions": (
                told(DRAIN, RAN, "new-sessions", stdout=served("echo-a")),
                "35 new sessions to be served",
            ),
            "a change the gateway never showed": (
                without(DRAIN, Happening.CONVERGED),
                "the gateway to show the change",
            ),
            "steps that took longer than the pod lived": (
                told(
                    shifted(DRAIN, RAN, 2, "new-sessions"),
                    RAN,
                    "continue-sessions",
                    stdout=by_session(OPENED | {"s2": "echo-a"}),
                ),
                "the last step to begin within 3 s",
            ),
        },
    ),
}
