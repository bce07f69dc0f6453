"""A Service without a pod that takes new sessions, or without any, and what comes of the addresses of its pods."""

from __future__ import annotations

import json
from collections import Counter
from math import inf

from stickyconf.checks.declared import check
from stickyconf.checks.ending import everywhere, residents
from stickyconf.checks.evidence import (
    Evidence,
    incomplete,
    judge_staying,
    lone_refusal,
    refusal_doubt,
    served_sessions,
    tested_too_little,
    unconverged,
    unknown_outcomes,
)
from stickyconf.checks.moves import without_a_session
from stickyconf.checks.readiness import lapses
from stickyconf.model import Event, Exchange, Finding, Happening, History, Measure, Ruling

HELD, VACANT, RETURNED, NEIGHBOUR = "held", "vacant", "returned", "neighbour"


@check("DRN-09", arms=("resident", HELD))
def last_draining_pods_keep_their_sessions(history: History) -> Ruling:
    """When every pod is terminating, pinned sessions are still served by theirs. What a new client gets is measured.

    Exposure: every pod held a session, all of them were seen terminating and at weight 0, and each session visited
    then.
    """
    evidence = Evidence(doubts=unconverged(history))
    scaled, moments = _scaled(history, 0), _ends(history)
    if history.setup.drain is not True or scaled is None or len(moments) < len(history.setup.pods):
        seen = f"drain support {history.setup.drain}, {len(moments)} of {len(history.setup.pods)} pods terminating"
        evidence.doubts.append(Finding("every pod to terminate, with drain support on", seen))
        return evidence.ruling()
    since, until = max(moments), _held_until(history, scaled.when)
    at_zero = [everywhere(history, pod, scaled.when, removed_counts=False) for pod in history.setup.pods]
    settled = max((moment for moment in at_zero if moment is not None), default=inf) if None not in at_zero else inf
    sessions = residents(history)
    for session, exchanges in sessions.items():
        own = [e for e in exchanges if since < e.sent and e.received < until]
        evidence.violations += [
            Finding(
                f"session {session} to stay on {exchanges[0].pod}, terminating but serving as every pod",
                exchange.told(),
                (exchanges[0].seq, exchange.seq),
            )
            for exchange in own
            if exchange.unserved or exchange.pod not in (None, exchanges[0].pod)
        ]
        evidence.doubts += unknown_outcomes(own)
        if not any(exchange.sent > settled for exchange in own):
            evidence.doubts.append(Finding(f"visits of {session} while every pod was at weight 0", "none"))
    evidence.doubts += without_a_session(history, scaled.when)
    strangers = [exchange for exchange in history.arm(HELD) if since < exchange.sent and exchange.received < until]
    said = Counter(_outcome(exchange) for exchange in strangers)
    told = ", ".join(f"{what} {count} times" for what, count in sorted(said.items())) or "nobody came"
    evidence.measures.append(Measure("what new clients got", told))
    return evidence.ruling()


def _outcome(exchange: Exchange) -> str:
    if exchange.answer is None:
        return "no answer"
    return f"{exchange.answer.status} by {'a pod' if exchange.pod else 'the gateway'}"


@check("LIF-09", arms=(VACANT, RETURNED))
def scaling_to_zero_and_back_works(history: History) -> Ruling:
    """With no pod left the gateway answers 503; when pods are back, new sessions are opened and pinned.

    Exposure: pods were there before, none of them was left in cluster and gateway meanwhile, and others were ready
    then.
    """
    evidence = Evidence(doubts=[*unconverged(history), *incomplete(history, [RETURNED])])
    back = [e for e in history.happened(Happening.PODS_READY) if e.subject != f"Deployment/{NEIGHBOUR}"]
    scaled, left = _scaled(history, 0), _left(history)
    vacant, returned = history.arm(VACANT), history.sessions(RETURNED)
    if scaled is None or not back or not vacant:
        evidence.doubts.append(Finding("the Service to be scaled to 0 and back, and visited in between", "it was not"))
        return evidence.ruling()
    if left is None or not left < vacant[0].sent or not vacant[-1].received < back[-1].when:
        evidence.doubts.append(Finding("no pod left in cluster and gateway while it was visited", "that was not seen"))
    else:
        lone = lone_refusal(history)
        evidence.doubts += [refusal_doubt(exchange) for exchange in vacant if exchange.seq == lone]
        evidence.violations += [
            Finding("503 from a gateway without a pod to send to", exchange.told(), (exchange.seq,))
            for exchange in vacant
            if exchange.unserved and exchange.seq != lone and _outcome(exchange) != "503 by the gateway"
        ]
        evidence.doubts += [
            Finding("no pod to be there", exchange.told(), (exchange.seq,)) for exchange in vacant if exchange.pod
        ]
    judge_staying(history, served_sessions(history, RETURNED), evidence)
    _judge_served(history, set(json.loads(back[-1].detail["pods"])), evidence)
    for session, exchanges in returned.items():
        first = exchanges[0]
        if first.pod and first.answer and not first.answer.set_cookies(history.setup.cookie):
            evidence.violations.append(Finding(f"{session} to get a cookie once pods are back", "none", (first.seq,)))
    every = [*vacant, *history.arm(RETURNED)]
    evidence.doubts += [*unknown_outcomes(every), *tested_too_little(history, [RETURNED])]
    evidence.measures += [Measure("requests without a pod", len(vacant)), Measure("sessions afterwards", len(returned))]
    return evidence.ruling()


def _judge_served(history: History, pods: set[str], evidence: Evidence) -> None:
    """Look whether each request of the sessions afterwards was served; if a pod was not ready throughout, in doubt."""
    unserved = [exchange for exchange in history.arm(RETURNED) if exchange.unserved]
    found = [Finding("requests to be served once pods are back", e.told(), (e.seq,)) for e in unserved]
    lone, lapsed = (
        lone_refusal(history),
        [lapse for pod, own in lapses(history).items() if pod in pods for lapse in own],
    )
    if lapsed or (lone is not None and [exchange.seq for exchange in unserved] == [lone]):
        evidence.doubts += [*found, *(Finding("pods that stay ready", lapse.told()) for lapse in lapsed)]
    else:
        evidence.violations += found


@check("LIF-10", arms=("resident", NEIGHBOUR))
def a_reused_address_inherits_no_session(history: History) -> Ruling:
    """When an address that a pod had is given to another workload, no session of the first is served by the second.

    It counts from when every worker of the gateway reached the other workload, and so knew that the pod had gone, or
    from when the time for that was over. Exposure: all of them reached it, it served at the address, and sessions of
    the pod that had it sent their cookies then.
    """
    evidence = Evidence(doubts=unconverged(history))
    taken = history.happened(Happening.PODS_READY, f"Deployment/{NEIGHBOUR}")
    before = {
        event.detail["address"].rpartition(":")[0]: event.subject
        for event in history.happened(Happening.TARGET)
        if event.subject in history.setup.pods
    }
    if not taken or not before:
        evidence.doubts.append(Finding("another workload after the Service's own", "there was none"))
        return evidence.ruling()
    address, others = taken[0].detail["address"], set(json.loads(taken[0].detail["pods"]))
    if address not in before:
        return Ruling.not_applicable(
            f"the cluster gave the other workload {address}, which none of the pods had; it takes a network that gives"
            " a pod the address it asks for, as Calico does"
        )
    over = (Happening.SETTLED, Happening.UNSETTLED, Happening.UNCONVERGED)
    since = min((event.when for what in over for event in history.happened(what, NEIGHBOUR)), default=taken[0].when)
    if not history.happened(Happening.SETTLED, NEIGHBOUR):
        evidence.doubts.append(Finding("every worker of the gateway to reach the other workload", "that was not seen"))
    served = [exchange.sent for exchange in history.arm(NEIGHBOUR) if exchange.pod in others]
    until = max(served, default=0.0)
    own = residents(history, on=before[address])
    early = [e for e in history.arm("resident") if taken[0].when < e.sent <= since and e.pod in others]
    late = [exchange for exchange in history.arm("resident") if exchange.sent > since]
    evidence.violations += [
        Finding(f"no session of a pod that had {address} on {exchange.pod}", exchange.told(), (exchange.seq,))
        for exchange in late
        if exchange.pod in others
    ]
    cookie = history.setup.cookie
    telling = sum(
        since < exchange.sent < until and exchange.carried(cookie, _value(exchanges[0], cookie))
        for exchanges in own.values()
        for exchange in exchanges
    )
    if not telling:
        expected = f"cookies of {before[address]} while the other workload served at its address"
        evidence.doubts.append(Finding(expected, "none was sent"))
    evidence.doubts += unknown_outcomes(late)
    evidence.measures += [
        Measure("old cookies while the address was another's", telling),
        Measure("sessions there before every worker knew", len(early)),
    ]
    return evidence.ruling()


def _value(first: Exchange, cookie: str) -> str:
    """Return the value that the first answer of a session set; one that nobody sends if it set none."""
    issued = first.answer.set_cookies(cookie) if first.answer else ()
    return issued[-1].value if issued else "\n"


def _scaled(history: History, replicas: int) -> Event | None:
    wanted = (e for e in history.happened(Happening.SCALED) if e.detail.get("replicas") == str(replicas))
    return next(wanted, None)


def _ends(history: History) -> list[float]:
    """Return when each pod of the set-up that was seen terminating was seen so first."""
    first: dict[str, float] = {}
    for event in history.happened(Happening.TERMINATING):
        first.setdefault(event.subject, event.when)
    return [when for pod, when in first.items() if pod in history.setup.pods]


def _held_until(history: History, acted: float) -> float:
    """Return until when every pod was certainly held: the first release, SIGTERM or end, or the hold itself."""
    ends = (Happening.RELEASED, Happening.SIGTERM, Happening.POD_GONE)
    seen = [e.when for what in ends for e in history.happened(what) if e.subject in history.setup.pods]
    return min([*seen, acted + history.setup.tempo["hold"]])


def _left(history: History) -> float | None:
    """Return when the last pod of the set-up had left cluster and every gateway; None if that was not seen."""
    moments: list[float] = []
    for pod in history.setup.pods:
        gone = [event.when for event in history.happened(Happening.POD_GONE, pod)]
        removed = history.happened(Happening.TARGET_REMOVED, pod)
        gateways = {event.detail["gateway"] for event in removed}
        if not gone or gateways < set(history.setup.gateways):
            return None
        moments += [gone[0], *(event.when for event in removed)]
    return max(moments, default=None)
