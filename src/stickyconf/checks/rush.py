"""Many clients at the same moment: new sessions beside heavy pinned load, and first requests all at once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from stickyconf.checks.declared import check
from stickyconf.checks.evidence import (
    Evidence,
    control_did_not_spread,
    incomplete,
    judge_staying,
    most_at_once,
    pods_reached,
    tested_too_little,
    unconverged,
    unknown_outcomes,
)
from stickyconf.checks.spread import judge_shares
from stickyconf.model import Exchange, Finding, History, Measure, Ruling
from stickyconf.stats import Share

BUSY = 4
"""Pinned requests that one pod certainly works on while a session is placed, for it to count as placed beside load."""

AT_ONCE = 20
"""First requests that are under way at the same moment."""


@check("SPR-03", arms=("load", "newcomer"), design=Share(alpha=1e-7))
def pinned_load_does_not_steer_placement(history: History, design: Share) -> Ruling:
    """New sessions are placed by the targets' weights while one pod is busy with pinned requests: an exact test.

    Judged, and counted as exposure, are the sessions that were opened while the busy pod worked on BUSY of them, and on
    more than there were new sessions under way: with fewer, the load would be no reason to place them elsewhere.
    """
    load, newcomers = history.arm("load"), history.arm("newcomer")
    evidence = Evidence(
        doubts=[*incomplete(history, ["newcomer"]), *unknown_outcomes(newcomers), *unconverged(history)]
    )
    pinned = [exchange for exchange in load if exchange.carried(history.setup.cookie)]
    [(busy, served)] = pods_reached(pinned).most_common(1) or [("", 0)]
    load_seconds = history.setup.plan.get("load.seconds", 0.0)
    at_work = [_at_work(one, load_seconds) for one in pinned if one.pod == busy]
    sent, received = sorted(one.sent for one in newcomers), sorted(one.received for one in newcomers)
    beside = []
    for newcomer in newcomers:
        rivals = bisect_left(sent, newcomer.received) - bisect_right(received, newcomer.sent)
        worked_on = sum(begun <= newcomer.sent and newcomer.received <= done for begun, done in at_work)
        if not newcomer.carried(history.setup.cookie) and worked_on >= max(BUSY, rivals):
            beside.append(newcomer)
    evidence.measures += [Measure("pinned requests on the busy pod", served), Measure("the busy pod", busy or "none")]
    judge_shares(history, pods_reached(beside), design, evidence)
    return evidence.ruling()


def _at_work(load: Exchange, seconds: float) -> tuple[float, float]:
    """Return from when to when a pod that takes ``seconds`` for a request was certainly at work on it.

    It began after the request was sent and was done before the response arrived, and no more is known.
    """
    return max(load.sent, load.received - seconds), min(load.received, load.sent + seconds)


@check("SPR-05", arms=("arrival",))
def simultaneous_first_requests_are_served(history: History) -> Ruling:
    """Of first requests sent at the same time each is served and gets a cookie, and each cookie pins from then on.

    Exposure: AT_ONCE of them were under way at one moment, more than one pod served them, and so many requests
    followed that a gateway without sticky sessions would have been seen.
    """
    sessions = history.sessions("arrival")
    evidence = Evidence(
        [],
        [
            *control_did_not_spread(history, "arrival"),
            *incomplete(history, ["arrival"]),
            *tested_too_little(history, ["arrival"]),
            *unknown_outcomes(history.arm("arrival")),
            *unconverged(history),
        ],
    )
    judge_staying(history, sessions, evidence)
    firsts = [exchanges[0] for exchanges in sessions.values()]
    for first in firsts:
        answer = first.answer
        if answer and (first.pod is None or answer.status >= 500):
            evidence.violations.append(Finding("every first request to be served", first.told(), (first.seq,)))
        elif answer and not answer.set_cookies(history.setup.cookie):
            expected = f"the cookie {history.setup.cookie} with every first response"
            evidence.violations.append(Finding(expected, f"none: {first.told()}", (first.seq,)))
    most = most_at_once((first.sent, first.received) for first in firsts)
    if most < AT_ONCE:
        evidence.doubts.append(Finding(f"{AT_ONCE} first requests under way at the same moment", f"{most}"))
    evidence.measures += [Measure("first requests", len(firsts)), Measure("of these, at the same moment", most)]
    return evidence.ruling()
