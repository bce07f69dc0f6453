"""Sessions that are as old as the run."""

from __future__ import annotations

from stickyconf.checks.declared import check
from stickyconf.checks.evidence import (
    Evidence,
    judge_staying,
    one_pod_opened,
    served_sessions,
    tested_too_little,
    unconverged,
)
from stickyconf.model import Finding, History, Measure, Ruling

AGE_SHOWN = "age at which every session was shown to be on its pod"
ELDER = "elder"


@check("AFF-10", arms=(ELDER,))
def sessions_do_not_age(history: History) -> Ruling:
    """Every answered request of a session reaches the pod that opened it, at whatever age.

    Other recordings may take the controller or the gateway away meanwhile: a request that fails says nothing here.
    Exposure: sessions on at least 2 pods, each served at the planned age, by requests that dealing in turn would have
    brought elsewhere.
    """
    sessions, planned = served_sessions(history, ELDER), history.setup.plan.get("elder.seconds", 0.0)
    evidence = Evidence(doubts=[*one_pod_opened(history, [ELDER]), *unconverged(history)])
    evidence.doubts += tested_too_little(history, [ELDER])
    off = judge_staying(history, sessions, evidence)
    ages = {name: own[-1].received - own[0].sent for name, own in sessions.items()}
    youngest = min(ages, key=ages.__getitem__, default="")
    shown = ages.get(youngest, 0.0)
    if not sessions or shown < planned:
        what = f"session {youngest} last answered at {shown:.1f} s" if sessions else "no session was served"
        evidence.doubts.append(Finding(f"every session to be served at an age of {planned:g} s", what))
    evidence.measures += [
        Measure(AGE_SHOWN, round(shown, 1), "s"),
        Measure("sessions", len(sessions)),
        Measure("requests served", sum(map(len, sessions.values()))),
        Measure("requests off their pod", off),
    ]
    return evidence.ruling()
