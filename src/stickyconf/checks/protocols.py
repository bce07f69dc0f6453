"""Affinity beyond short requests over HTTP/1.1: large bodies, shared connections, WebSockets, streams of events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf

from stickyconf.checks.declared import check
from stickyconf.checks.evidence import (
    Evidence,
    control_did_not_spread,
    incomplete,
    judge_staying,
    one_pod_opened,
    pods_reached,
    stale_workers,
    tested_too_little,
    unconverged,
    unknown_outcomes,
)
from stickyconf.checks.readiness import lapses
from stickyconf.model import Event, Exchange, Finding, Happening, History, Measure, Ruling

CONTROL = "control"
SECURE, SECURE_CONTROL = "secure", "secure-control"
"""Sessions over TLS, and strangers; the first is the host name's label, too."""

ECHOED = "Echo-Received"  # the workload's digest of what it received


def _pinned(history: History, arm: str) -> Evidence:
    """Look whether the sessions of an arm stay, and whether one that does not would have been seen."""
    quiet = _before_the_drain(history)
    evidence = Evidence(doubts=[*incomplete(history, [arm]), *unconverged(quiet)])
    off = judge_staying(quiet, history.sessions(arm), evidence)
    evidence.doubts += [*one_pod_opened(history, [arm]), *unknown_outcomes(history.arm(arm))]
    evidence.measures += [Measure("sessions", len(history.sessions(arm))), Measure("requests off their pod", off)]
    return evidence


def _before_the_drain(history: History) -> History:
    """Return what had happened until a pod was deleted: every session was opened, and visited, before that."""
    act = min((event.when for event in history.happened(Happening.DELETED)), default=inf)
    return replace(history, events=tuple(event for event in history.events if event.when < act))


@check("PRO-01", arms=(SECURE, SECURE_CONTROL))
def sessions_stay_over_tls(history: History) -> Ruling:
    """A session keeps its pod over TLS, with another handshake for each request.

    The client verifies the certificate that it gets for the name it asks for (SNI) by the case's own authority.
    Exposure: strangers were spread through the same listener, and every request went over TLS. A worker of the gateway
    that gives a new session no cookie there, once the budget for workers is used up, violates.
    """
    if refused := history.happened(Happening.UNSUPPORTED, "tls"):
        return Ruling.not_applicable(f"the gateway is not reached over TLS here: {refused[0].detail['reason']}")
    evidence, stale = _pinned(history, SECURE), stale_workers(history, SECURE)
    evidence.violations += stale.violations
    evidence.doubts += stale.doubts
    evidence.doubts += [*control_did_not_spread(history, SECURE_CONTROL), *tested_too_little(history, [SECURE])]
    plain = [one for one in history.arm(SECURE, SECURE_CONTROL) if not one.gateway.startswith("https://")]
    evidence.doubts += [Finding("a request over TLS", one.told(), (one.seq,)) for one in plain]
    return evidence.ruling()


@check("PRO-06", arms=(CONTROL, "large"))
def large_bodies_arrive_whole(history: History) -> Ruling:
    """A session stays on its pod with request and response bodies of 1 MB, which arrive as they were sent.

    Exposure: as for AFF-01; of every request that was served the digests of both bodies are known.
    """
    evidence = _pinned(history, "large")
    evidence.doubts += [*control_did_not_spread(history, CONTROL), *tested_too_little(history, ["large"])]
    carried = {event.subject: event.detail for event in history.happened(Happening.CARRIED)}
    size = int(history.setup.plan.get("large.bytes", 0))
    if size < 1_000_000:
        evidence.doubts.append(Finding("bodies of 1 MB", f"{size} bytes were planned"))
    for exchange in history.arm("large"):
        if not exchange.pod or not exchange.answer:
            continue
        detail, received = carried.get(exchange.request_id), exchange.answer.header(ECHOED)
        if detail is None or int(detail["bytes"]) < size:
            evidence.doubts.append(Finding(f"a body of {size} bytes", exchange.told(), (exchange.seq,)))
        elif received != detail["sent"]:
            told = f"{exchange.told()}, which received another: {received}"
            evidence.violations.append(Finding(f"the body {detail['sent']} to arrive", told, (exchange.seq,)))
        elif detail["returned"] != detail["sent"]:
            told = f"{exchange.told()}, and what came back was another: {detail['returned']}"
            evidence.violations.append(Finding(f"the body {detail['sent']} to come back", told, (exchange.seq,)))
    return evidence.ruling()


@check("PRO-02", arms=("multiplexed", "coalesced"))
def sessions_share_a_connection(history: History) -> Ruling:
    """Sessions mixed on one HTTP/2 connection stay on their pods, and none reaches another host's application.

    Exposure: all went over one connection, HTTP/2 was spoken, sessions were on several pods, and the other application
    answered on that connection as well.
    """
    refused = history.happened(Happening.UNSUPPORTED, "http2")
    if refused:
        return Ruling.not_applicable(f"the gateway does not speak HTTP/2 here: {refused[0].detail['reason']}")
    evidence = _pinned(history, "multiplexed")
    evidence.doubts += [*incomplete(history, ["coalesced"]), *unknown_outcomes(history.arm("coalesced"))]
    evidence.doubts += tested_too_little(history, ["multiplexed"])
    own, others = history.arm("multiplexed"), history.arm("coalesced")
    judge_staying(_before_the_drain(history), history.sessions("coalesced"), evidence)
    for exchange in [*own, *others]:
        if exchange.pod and (exchange.pod in history.setup.pods) is (exchange.arm == "coalesced"):
            expected = f"a request for {exchange.host} to reach the application of that host"
            evidence.violations.append(Finding(expected, exchange.told(), (exchange.seq,)))
    connections = {exchange.connection for exchange in [*own, *others] if exchange.answer}
    if len(connections) != 1:
        evidence.doubts.append(Finding("all sessions on one connection", f"they were on {len(connections)}"))
    if protocols := {exchange.protocol for exchange in [*own, *others] if exchange.answer} - {"HTTP/2"}:
        spoken = ", ".join(protocol or "not known" for protocol in sorted(protocols))
        evidence.doubts.append(Finding("HTTP/2", spoken))
    return evidence.ruling()


@check("PRO-03", arms=("socket",))
def a_socket_is_pinned_and_outlives_a_drain(history: History) -> Ruling:
    """The 101 response sets the cookie, an upgrade with it reaches its pod, and messages go on through a drain.

    Exposure: upgrades without the cookie reached several pods; a socket was open on the pod that ended, and a message
    on it was answered after the gateway had been seen to drain that pod, while preStop held it.
    """
    evidence = _pinned(history, "socket")
    cookie = history.setup.cookie
    for exchanges in history.sessions("socket").values():
        for exchange in exchanges:
            if exchange.answer and exchange.answer.status != 101:
                evidence.violations.append(Finding("101 Switching Protocols", exchange.told(), (exchange.seq,)))
        first = exchanges[0]
        if first.pod and first.answer and not first.answer.set_cookies(cookie):
            told = f"{first.told()}, and set none"
            evidence.violations.append(Finding(f"the 101 response to set {cookie}", told, (first.seq,)))
        evidence.doubts += [
            Finding(f"the second upgrade to carry {cookie}", later.told(), (later.seq,))
            for later in exchanges[1:]
            if not later.carried(cookie)
        ]
    released = {event.subject: event.when for event in history.happened(Happening.RELEASED)}
    judge_messages(history, "socket", lambda one, said: f"{one.pod} {said}", released, evidence)
    evidence.doubts += _drained_beside(history, released)
    return evidence.ruling()


def judge_messages(
    history: History,
    arm: str,
    expected: Callable[[Exchange, str], str],
    ended: dict[str, float],
    evidence: Evidence,
) -> None:
    """Look at what came on the channels of an arm: another answer and a cut violate, unless the pod had ended."""
    opened = {exchange.request_id: exchange for exchange in history.arm(arm)}
    lapsed = lapses(history)
    for event in history.happened(Happening.MESSAGE):
        one = opened.get(event.subject)
        if one is None or one.pod is None:
            continue
        wanted = expected(one, event.detail["said"])
        if not event.detail["heard"]:
            evidence.doubts.append(Finding(f"{wanted} on {event.subject}", "nothing in time", (one.seq,)))
        elif event.detail["heard"] != wanted:
            evidence.violations.append(Finding(f"{wanted} on {event.subject}", event.detail["heard"], (one.seq,)))
    for event in history.happened(Happening.CUT):
        one = opened.get(event.subject)
        if one is None or one.pod is None or event.when > ended.get(one.pod, inf):
            continue
        told = Finding(f"{event.subject} on {one.pod} to stay open", f"it was cut: {event.detail['why']}", (one.seq,))
        gone = [lapse for lapse in lapsed.get(one.pod, ()) if lapse.since < event.when]
        (evidence.doubts if gone and one.pod not in ended else evidence.violations).append(told)


def _drained_beside(history: History, released: dict[str, float]) -> list[Finding]:
    """Return doubts unless a message was answered on the ending pod while the gateway drained it, before SIGTERM."""
    deleted = history.happened(Happening.DELETED)
    if not deleted or deleted[0].subject not in released:
        return [Finding("a pod to be drained beside the sockets", "none was")]
    pod, act = deleted[0].subject, deleted[0].when
    early = [event for event in history.happened(Happening.SIGTERM, pod) if event.when < released[pod] - 0.05]
    if early:
        return [Finding(f"preStop to hold {pod} until it was released", f"SIGTERM came at {early[0].when:.2f} s")]
    drained = [event.when for event in _shown_drained(history, pod) if event.when > act]
    if not drained:
        return [Finding(f"the gateway to drain {pod}", "it was not seen to")]
    opened = {exchange.request_id for exchange in history.arm("socket") if exchange.pod == pod}
    heard = [
        event
        for event in history.happened(Happening.MESSAGE)
        if event.subject in opened and min(drained) < event.when < released[pod]
    ]
    return [] if heard else [Finding(f"a message on {pod} while it drained", "there was none")]


def _shown_drained(history: History, pod: str) -> Sequence[Event]:
    """Return when a gateway replica showed the pod at weight 0, or no longer."""
    zero = [event for event in history.happened(Happening.TARGET, pod) if event.detail["weight"] == "0"]
    return [*zero, *history.happened(Happening.TARGET_REMOVED, pod)]


@check("PRO-04", arms=("stream", "change"))
def a_stream_is_not_cut(history: History) -> Ruling:
    """A stream of events of a pinned session goes on through a change of the configuration beside it.

    Exposure: the change was seen in an answer of its own, and afterwards events came on every stream, on several pods.
    """
    evidence = _pinned(history, "stream")
    judge_messages(history, "stream", lambda one, said: str(one.pod), {}, evidence)
    created = [event for event in history.happened(Happening.CHANGED) if event.detail["how"] == "created"]
    live = [one.received for one in history.arm("change") if one.pod and created and one.sent > created[0].when]
    if not live:
        evidence.doubts.append(Finding("a change to be seen in an answer of its own", "none was"))
        return evidence.ruling()
    streams = [exchange for exchange in history.arm("stream") if "events=" in exchange.path and exchange.pod]
    last = {event.subject: event.when for event in history.happened(Happening.MESSAGE)}
    quiet = [one for one in streams if last.get(one.request_id, 0.0) <= live[0]]
    if quiet:
        evidence.doubts.append(Finding("events on every stream after the change", f"none came on {len(quiet)}"))
    if len(pods_reached(streams)) < 2:
        evidence.doubts.append(Finding("streams from at least 2 pods", f"from {len(pods_reached(streams))}"))
    return evidence.ruling()
