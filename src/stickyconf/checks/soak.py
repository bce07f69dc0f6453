"""Thousands of sessions for minutes, judged by what was counted."""

from __future__ import annotations

import json
from itertools import pairwise

from stickyconf.checks.declared import check
from stickyconf.checks.evidence import (
    Evidence,
    incomplete,
    judge_staying,
    one_pod_opened,
    unconverged,
    unknown_outcomes,
)
from stickyconf.checks.readiness import lapses
from stickyconf.model import Event, Finding, Happening, History, Measure, Ruling

SOAK = "soak"
SLACK = 15.0
"""Seconds that may be missing between two tallies, which come every 10: the machine may be busy."""


@check("ROB-10", arms=(SOAK,))
def a_soak_loosens_no_session(history: History) -> Ruling:
    """Over thousands of sessions and minutes no request of a session leaves its pod, and none fails.

    Exposure: every session was opened on one of several pods and visited; the time was as long as planned; requests
    without a cookie were spread in every stretch of it. Single requests are counted, not kept, so the pods' own logs do
    not tell of them.
    """
    evidence = Evidence(doubts=[*incomplete(history, [SOAK]), *unconverged(history), *one_pod_opened(history, [SOAK])])
    evidence.doubts += unknown_outcomes(history.arm(SOAK))
    judge_staying(history, history.sessions(SOAK), evidence)
    tallies = history.happened(Happening.TALLIED, SOAK)
    _judge_counts(history, tallies, evidence)
    _judge_length(history, tallies, evidence)
    for number, tally in enumerate(tallies, start=1):
        control = json.loads(tally.detail["control"])
        if len(control) < 2 and (number < len(tallies) or sum(control.values()) >= SLACK):
            evidence.doubts.append(Finding(f"requests without a cookie spread in stretch {number}", f"{control}"))
    fewest = [int(event.detail["fewest"]) for event in history.happened(Happening.TALLIED, "visits")]
    if not fewest or fewest[0] < 1:
        evidence.doubts.append(Finding("every session to be visited", f"the fewest visits are {fewest}"))
    return evidence.ruling()


def _judge_counts(history: History, tallies: tuple[Event, ...], evidence: Evidence) -> None:
    counts = {name: sum(int(one.detail[name]) for one in tallies) for name in ("requests", "strays", "failures")}
    told = [f"{one.subject}, opened on {one.detail['opened']}, {one.detail['told']}" for one in _deviations(history)]
    findings = [
        Finding(f"no {name} among {counts['requests']} requests", f"{counts[name]}; first: {'; '.join(told[:3])}")
        for name in ("strays", "failures")
        if counts[name]
    ]
    excused = lapses(history)  # which of the requests it explains was not kept
    (evidence.doubts if excused else evidence.violations).extend(findings)
    if unknown := sum(int(one.detail["unknown"]) for one in tallies):
        evidence.doubts.append(Finding("every request to have a known outcome", f"{unknown} have none"))
    evidence.measures += [Measure(f"{name} in the soak", number) for name, number in counts.items()]


def _deviations(history: History) -> tuple[Event, ...]:
    return history.happened(Happening.DEVIATED)


def _judge_length(history: History, tallies: tuple[Event, ...], evidence: Evidence) -> None:
    planned = history.setup.plan.get("soak.minutes", 0.0) * 60
    last = max((exchange.received for exchange in history.arm(SOAK)), default=0.0)
    moments = [last, *(tally.when for tally in tallies)]
    lasted = moments[-1] - last
    evidence.measures.append(Measure("length of the soak", round(lasted, 1), "s"))
    if lasted < planned or not tallies:
        evidence.doubts.append(Finding(f"a soak of {planned:g} s", f"it lasted {lasted:.1f} s"))
    if any(later - earlier > 2 * SLACK for earlier, later in pairwise(moments)):
        evidence.doubts.append(Finding("a tally every 10 s", "there was none for longer"))
