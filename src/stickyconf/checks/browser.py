"""Affinity in a real browser."""

from __future__ import annotations

from itertools import pairwise

from stickyconf.checks.declared import check
from stickyconf.checks.evidence import (
    Evidence,
    incomplete,
    judge_staying,
    one_pod_opened,
    served_sessions,
    tested_too_little,
    unconverged,
    unknown_outcomes,
)
from stickyconf.model import Finding, History, Measure, Ruling

BROWSER = "browser"


@check("AFF-07", arms=(BROWSER,))
def a_browser_keeps_its_pod(history: History) -> Ruling:
    """A browser keeps the cookie by itself, sends it with whatever a page asks for, and stays on its first pod.

    Exposure: cookie stores that were empty led to at least 2 pods, and requests of a page were under way side by side.
    """
    sessions, cookie = history.sessions(BROWSER), history.setup.cookie
    evidence = Evidence(doubts=[*incomplete(history, [BROWSER]), *unconverged(history)])
    off = judge_staying(history, sessions, evidence)
    for session, exchanges in served_sessions(history, BROWSER).items():
        later = [exchange for exchange in exchanges[1:] if exchange.sent > exchanges[0].received]
        lacking = [exchange.seq for exchange in later if not exchange.carried(cookie)]
        if lacking:
            told = f"{len(lacking)} of {len(later)} went without"
            evidence.violations.append(Finding(f"the browser of {session} to send {cookie}", told, tuple(lacking[:20])))
        if not any(one.received > other.sent for one, other in pairwise(later)):
            evidence.doubts.append(Finding(f"requests of {session} side by side", "each ended before the next began"))
    evidence.doubts += [*one_pod_opened(history, [BROWSER]), *unknown_outcomes(history.arm(BROWSER))]
    evidence.doubts += tested_too_little(history, [BROWSER])
    evidence.measures += [Measure("browser contexts", len(sessions)), Measure("requests off their pod", off)]
    return evidence.ruling()
