"""What the documentation pages say a reader will see, looked for in what their commands printed."""

from __future__ import annotations

import re

from stickyconf.checks.declared import check
from stickyconf.checks.evidence import Evidence, unconverged
from stickyconf.model import Event, Finding, Happening, History, Measure, Ruling, parse_set_cookie
from stickyconf.stats import OutOfRotation, SeveralPods

SCALED_TO = 3
"""What the pages scale the echo Deployment to."""

STICKY, DRAINED = "sticky", "weight 0"
"""What is waited for before a command: the policy is in force; the pod that ends gets no new session."""

_POD = re.compile(r"Running on Pod (\S+)\.")
_SET_COOKIE = re.compile(r"^(?:< )?set-cookie: (.*?)\r?$", re.IGNORECASE | re.MULTILINE)


@check("DOC-01", design=SeveralPods(alpha=1e-7))
def sticky_page_holds(history: History, design: SeveralPods) -> Ruling:
    """The sticky-session how-to: a cookie is set, five requests with it reach one pod, requests without it spread.

    The page's own five requests without a cookie would miss a spread by chance in 1 of 81 tries on random placement,
    so that a longer step that the suite adds (``spread``) decides.
    """
    evidence, steps = _followed(
        history, "pods", "check-annotation", "initial-request", "repeat-requests", "without-cookie", "spread"
    )
    if "pods" in steps:
        listed = _text(steps, "pods")
        pods = [line for line in listed.splitlines() if re.match(r"echo-\S+\s+1/1\s+Running", line)]
        if len(pods) != SCALED_TO:
            evidence.violations.append(
                Finding(f"{SCALED_TO} echo pods running, as the page lists", listed.strip() or "nothing")
            )
    if "check-annotation" in steps and _text(steps, "check-annotation") != "sticky-session-policy":
        evidence.violations.append(Finding("the annotation sticky-session-policy", _text(steps, "check-annotation")))
    if "initial-request" in steps:
        _judge_cookie(history, steps["initial-request"], evidence)
    repeated = _POD.findall(_text(steps, "repeat-requests"))
    if "repeat-requests" in steps and (len(repeated) != 5 or len(set(repeated)) != 1):
        evidence.violations.append(Finding("5 requests with the cookie on one pod", f"{repeated}"))
    without = _POD.findall(_text(steps, "without-cookie"))
    if "without-cookie" in steps and len(without) != 5:
        evidence.violations.append(Finding("5 requests without the cookie to be served", f"{without}"))
    without += _POD.findall(_text(steps, "spread"))
    needed = design.samples(SCALED_TO)
    if len(without) < needed:
        evidence.doubts.append(Finding(f"{needed} requests without the cookie", f"{len(without)}"))
    elif len(set(without)) < 2:
        evidence.violations.append(Finding("requests without the cookie on different pods", f"only on {without[0]}"))
    evidence.measures.append(Measure("pods without the cookie", len(set(without))))
    return evidence.ruling()


@check("DOC-02", design=OutOfRotation(replaced=False))
def drain_page_holds(history: History, design: OutOfRotation) -> Ruling:
    """The drain how-to: through kubectl scale 3 -> 2 an active session continues, and new sessions go to the rest.

    Exposure: sessions were open on every pod, the last step began while preStop held the pod that goes, and so many
    new sessions were opened that one still in the rotation would have got some.
    """
    evidence, steps = _followed(
        history, "request", "open-sessions", "scale-down", "terminating", "continue-sessions", "new-sessions"
    )
    if "request" in steps:
        _judge_cookie(history, steps["request"], evidence)
    untold = []  # what leaves open who moved, and why
    if not history.happened(Happening.CONVERGED, DRAINED):
        untold.append(Finding("the gateway to show the change before new sessions are opened", "it did not"))
    before, after = _by_session(_text(steps, "open-sessions")), _by_session(_text(steps, "continue-sessions"))
    ending = {line.split()[0] for line in _text(steps, "terminating").splitlines() if line.strip()}
    if len(ending) != 1 or len(set(before.values())) < SCALED_TO:
        untold.append(
            Finding(
                f"sessions on {SCALED_TO} pods, one of them terminating",
                f"sessions on {len(set(before.values()))}, terminating: {sorted(ending)}",
            )
        )
    if {"scale-down", "new-sessions"} <= steps.keys():
        took, hold = steps["new-sessions"].when - steps["scale-down"].when, history.setup.tempo["hold"]
        if took >= hold:
            untold.append(Finding(f"the last step to begin within {hold:g} s of the scaling", f"{took:.1f} s"))
    if untold:
        evidence.doubts += untold
        return evidence.ruling()
    [victim] = ending
    for session, pod in before.items() if "continue-sessions" in steps else ():
        if after.get(session) != pod:
            what = "terminating" if pod == victim else "untouched"
            evidence.violations.append(
                Finding(f"session {session} to continue on {pod} ({what})", f"{after.get(session, 'no answer')}")
            )
    fresh = _POD.findall(_text(steps, "new-sessions"))
    if victim in fresh:
        evidence.violations.append(
            Finding(
                f"new sessions only on the remaining pods, not on {victim}",
                f"{fresh.count(victim)} of {len(fresh)} there",
            )
        )
    needed = design.samples(SCALED_TO)
    if len(fresh) < needed:
        evidence.doubts.append(Finding(f"{needed} new sessions to be served", f"{len(fresh)}"))
    evidence.measures += [Measure("sessions continued", len(before)), Measure("new sessions", len(fresh))]
    return evidence.ruling()


def _followed(history: History, *needed: str) -> tuple[Evidence, dict[str, Event]]:
    """Take the steps that ended well, and doubt each of the ``needed`` ones that was not run.

    A command of the page itself that fails is a violation, one that the suite added is a doubt; so is any that hung.
    """
    ran = {event.subject: event for event in history.happened(Happening.RAN)}
    evidence = Evidence(doubts=unconverged(history), measures=[Measure("commands run", len(ran))])
    for name, event in ran.items():
        if event.detail["exit"] != "0":
            said = (event.detail["stderr"] or event.detail["stdout"]).strip()[-300:]
            finding = Finding(
                f"the step {name} to succeed: {event.detail['command'].strip()}", f"exit {event.detail['exit']}: {said}"
            )
            definite = event.detail["verbatim"] == "true" and event.detail["exit"] != "timeout"
            (evidence.violations if definite else evidence.doubts).append(finding)
    evidence.doubts += [Finding(f"the step {name} to be run", "it was not") for name in needed if name not in ran]
    return evidence, {name: event for name, event in ran.items() if event.detail["exit"] == "0"}


def _text(steps: dict[str, Event], name: str) -> str:
    return steps[name].detail["stdout"] if name in steps else ""


def _judge_cookie(history: History, step: Event, evidence: Evidence) -> None:
    text = step.detail["stdout"] + step.detail["stderr"]  # curl -v says the headers on its standard error
    cookies = [
        cookie
        for cookie in map(parse_set_cookie, _SET_COOKIE.findall(text))
        if cookie and cookie.name == history.setup.cookie
    ]
    if len(cookies) != 1 or not cookies[0].value or cookies[0].attribute("path") != "/":
        shown = _SET_COOKIE.findall(text)
        evidence.violations.append(
            Finding(f"Set-Cookie: {history.setup.cookie}=...; Path=/", f"{shown or 'no Set-Cookie'}")
        )
    if not _POD.search(text):
        evidence.violations.append(Finding("the name of the pod in the response", "none"))


def _by_session(text: str) -> dict[str, str]:
    """Read lines "<session> Running on Pod <name>."."""
    return {line.split()[0]: match[1] for line in text.splitlines() if (match := _POD.search(line))}
