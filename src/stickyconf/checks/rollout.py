"""Sessions through a rolling restart, in which every pod is replaced."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby, pairwise
from math import inf

from stickyconf.checks.declared import check
from stickyconf.checks.ending import residents
from stickyconf.checks.evidence import Evidence, lone_refusal, refusal_doubt, unconverged, unknown_outcomes
from stickyconf.checks.moves import without_a_session
from stickyconf.model import Exchange, Finding, Happening, History, Measure, Ruling

DEPLOYMENT = "Deployment/echo"


@check("DRN-13", arms=("resident",))
def rolling_update_fails_no_request(history: History) -> Ruling:
    """With drain support a rolling update fails no request, and a session leaves its pod only when that ends.

    Exposure: every pod held sessions and was replaced, and each session visited while its pod was terminating.
    """
    evidence = _begin(history)
    if history.setup.drain is not True:
        evidence.doubts.append(Finding("drain support on", f"it was {history.setup.drain}"))
        return evidence.ruling()
    lone = lone_refusal(history)
    for session, exchanges in residents(history).items():
        pod = exchanges[0].pod or ""
        ending, until = _first(history, Happening.TERMINATING, pod), _held_until(history, pod)
        for exchange in exchanges:
            if exchange.seq == lone:
                evidence.doubts.append(refusal_doubt(exchange))
            elif exchange.unserved or (exchange.answer and exchange.answer.status >= 500):
                evidence.violations.append(
                    Finding("every request to be served through the rolling update", exchange.told(), (exchange.seq,))
                )
            elif exchange.pod not in (None, pod) and exchange.received < until:
                expected = f"session {session} to stay on {pod} until it ends"
                evidence.violations.append(Finding(expected, exchange.told(), (exchanges[0].seq, exchange.seq)))
        if not any(ending < exchange.sent and exchange.received < until for exchange in exchanges):
            evidence.doubts.append(Finding(f"visits of {session} while {pod} was terminating and held", "none"))
    evidence.measures.append(Measure("requests", len(history.arm("resident"))))
    return evidence.ruling()


@check("LIF-04", arms=("resident",))
def rolling_restart_moves_no_session_needlessly(history: History) -> Ruling:
    """In a rolling restart a session leaves only pods that are replaced, each of them once.

    Exposure: every pod held sessions and was replaced, and each session was visited after that.
    """
    evidence, most = _begin(history), 0
    for session, exchanges in residents(history).items():
        stays = [list(group) for _, group in groupby((e for e in exchanges if e.pod), key=lambda e: e.pod)]
        left: set[str] = set()
        for stay, following in pairwise(stays):
            pod, arrived = str(stay[0].pod), following[0]
            if pod in left or _first(history, Happening.TERMINATING, pod) > arrived.received:
                expected = f"session {session} to leave only pods that are replaced, each once"
                evidence.violations.append(Finding(expected, _route(stays), (stay[-1].seq, arrived.seq)))
                break
            left.add(pod)
        most = max(most, len(stays) - 1)
    evidence.measures.append(Measure("moves of a session at the most", most))
    return evidence.ruling()


def _route(stays: Sequence[Sequence[Exchange]]) -> str:
    return " -> ".join(str(stay[0].pod) for stay in stays)


def _begin(history: History) -> Evidence:
    """Look whether every pod held a session and was replaced by another one, and each session was visited after it."""
    evidence = Evidence(doubts=[*unconverged(history), *unknown_outcomes(history.arm("resident"))])
    acted = next((event.when for event in history.happened(Happening.CHANGED, DEPLOYMENT)), None)
    ready = history.happened(Happening.PODS_READY, DEPLOYMENT)
    new = set(json.loads(ready[-1].detail["pods"])) - set(history.setup.pods) if ready else set()
    if acted is None or len(new) < len(history.setup.pods):
        found = f"{len(new)} new ones were ready" if acted is not None else "that was not asked for"
        evidence.doubts.append(Finding(f"{len(history.setup.pods)} pods to be replaced", found))
        return evidence
    gone = {pod: _first(history, Happening.POD_GONE, pod) for pod in history.setup.pods}
    evidence.doubts += [Finding(f"{pod} to be gone", "that was not seen") for pod, when in gone.items() if when == inf]
    evidence.doubts += without_a_session(history, acted)
    last = max(gone.values())
    unvisited = [name for name, own in residents(history).items() if own[-1].sent < last]
    if unvisited:
        evidence.doubts.append(
            Finding("every session to be visited after the last pod had gone", f"{unvisited[0]} was not")
        )
    evidence.measures.append(Measure("pods replaced", len(gone)))
    return evidence


def _held_until(history: History, pod: str) -> float:
    """Return until when a pod certainly served: until it was released, stopped or gone; never, if none was seen."""
    ends = (Happening.RELEASED, Happening.SIGTERM, Happening.POD_GONE)
    return min((_first(history, what, pod) for what in ends), default=inf)


def _first(history: History, what: Happening, subject: str) -> float:
    return min((event.when for event in history.happened(what, subject)), default=inf)
