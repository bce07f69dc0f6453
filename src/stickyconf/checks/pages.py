"""What the documentation pages say a reader will see, looked for in what their commands printed."""

from __future__ import annotations

import re

from stickyconf.checks.evidence import Evidence, unconverged
from stickyconf.model import Event, Finding, Happening, History, Measure, Ruling, parse_set_cookie

_POD = re.compile(r"Running on Pod (\S+)\.")
_SET_COOKIE = re.compile(r"^(?:< )?set-cookie: (.*?)\r?$", re.IGNORECASE | re.MULTILINE)


def sticky_page_holds(history: History) -> Ruling:
    """The sticky-session how-to: a cookie is set, five requests with it reach one pod, requests without it spread.

    The page's own five requests without a cookie would miss a spread by chance in 1 of 81 tries on random placement,
    so that a longer step of ours (``spread``) decides.
    """
    evidence, steps = _followed(history)
    pods = [line for line in _text(steps, "pods").splitlines() if re.match(r"echo-\S+\s+1/1\s+Running", line)]
    if len(pods) != 3:
        evidence.broken.append(
            Finding("3 echo pods running, as the page lists", _text(steps, "pods").strip() or "nothing")
        )
    if _text(steps, "check-annotation") != "sticky-session-policy":
        evidence.broken.append(Finding("the annotation sticky-session-policy", _text(steps, "check-annotation")))
    _judge_cookie(history, steps.get("initial-request"), evidence)
    repeated = _POD.findall(_text(steps, "repeat-requests"))
    if len(repeated) != 5 or len(set(repeated)) != 1:
        evidence.broken.append(Finding("5 requests with the cookie on one pod", f"{repeated}"))
    without = _POD.findall(_text(steps, "without-cookie"))
    if len(without) != 5:
        evidence.broken.append(Finding("5 requests without the cookie to be served", f"{without}"))
    spread = {*without, *_POD.findall(_text(steps, "spread"))}
    if len(spread) < 2:
        evidence.broken.append(Finding("requests without the cookie on different pods", f"only on {sorted(spread)}"))
    evidence.measures.append(Measure("pods without the cookie", len(spread)))
    return evidence.ruling()


def drain_page_holds(history: History) -> Ruling:
    """The drain how-to: through kubectl scale 3 -> 2 an active session continues, and new sessions go to the rest."""
    evidence, steps = _followed(history)
    _judge_cookie(history, steps.get("request"), evidence)
    before, after = _by_session(_text(steps, "open-sessions")), _by_session(_text(steps, "continue-sessions"))
    ending = {line.split()[0] for line in _text(steps, "terminating").splitlines() if line.strip()}
    if len(ending) != 1 or len(set(before.values())) < 3:
        evidence.doubts.append(
            Finding(
                "sessions on 3 pods, one of them terminating",
                f"sessions on {len(set(before.values()))}, terminating: {sorted(ending)}",
            )
        )
        return evidence.ruling()
    [victim] = ending
    for session, pod in before.items():
        if after.get(session) != pod:
            what = "terminating" if pod == victim else "untouched"
            evidence.broken.append(
                Finding(f"session {session} to continue on {pod} ({what})", f"{after.get(session, 'no answer')}")
            )
    fresh = _POD.findall(_text(steps, "new-sessions"))
    if victim in fresh:
        evidence.broken.append(
            Finding(
                f"new sessions only on the remaining pods, not on {victim}",
                f"{fresh.count(victim)} of {len(fresh)} there",
            )
        )
    if not fresh:
        evidence.broken.append(Finding("new sessions to be served", "none was"))
    if not any(event.subject == "weight 0" for event in history.happened(Happening.CONVERGED)):
        evidence.doubts.append(Finding("the gateway to show the change before new sessions are opened", "it did not"))
    evidence.measures += [Measure("sessions continued", len(before)), Measure("new sessions", len(fresh))]
    return evidence.ruling()


def _followed(history: History) -> tuple[Evidence, dict[str, Event]]:
    """Take the page's steps; one of its own commands that fails is a counter-example, one of ours a doubt."""
    steps = {event.subject: event for event in history.happened(Happening.RAN)}
    evidence = Evidence(doubts=unconverged(history), measures=[Measure("commands run", len(steps))])
    if not steps:
        evidence.doubts.append(Finding("the page's commands to be run", "none was"))
    for name, event in steps.items():
        if event.detail["exit"] != "0":
            said = (event.detail["stderr"] or event.detail["stdout"]).strip()[-300:]
            finding = Finding(
                f"the step {name} to succeed: {event.detail['command'].strip()}", f"exit {event.detail['exit']}: {said}"
            )
            (evidence.broken if event.detail["verbatim"] == "true" else evidence.doubts).append(finding)
    return evidence, steps


def _text(steps: dict[str, Event], name: str) -> str:
    return steps[name].detail["stdout"] if name in steps else ""


def _judge_cookie(history: History, step: Event | None, evidence: Evidence) -> None:
    text = step.detail["stdout"] + step.detail["stderr"] if step else ""
    cookies = [
        cookie
        for cookie in map(parse_set_cookie, _SET_COOKIE.findall(text))
        if cookie and cookie.name == history.setup.cookie
    ]
    if len(cookies) != 1 or not cookies[0].value or cookies[0].attribute("path") != "/":
        shown = _SET_COOKIE.findall(text)
        evidence.broken.append(
            Finding(f"Set-Cookie: {history.setup.cookie}=...; Path=/", f"{shown or 'no Set-Cookie'}")
        )
    if not _POD.search(text):
        evidence.broken.append(Finding("the name of the pod in the response", "none"))


def _by_session(text: str) -> dict[str, str]:
    """Read lines "<session> Running on Pod <name>."."""
    return {line.split()[0]: match[1] for line in text.splitlines() if (match := _POD.search(line))}
