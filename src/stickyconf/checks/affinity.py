"""Affinity while the set of ready pods does not change."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from stickyconf.checks.declared import check
from stickyconf.checks.evidence import (
    Evidence,
    control_did_not_spread,
    incomplete,
    judge_missed,
    judge_staying,
    most_at_once,
    one_pod_opened,
    pods_reached,
    served_sessions,
    tested_too_little,
    unconverged,
    unknown_outcomes,
)
from stickyconf.model import Event, Exchange, Finding, Happening, History, Measure, Refused, Ruling, Sessions
from stickyconf.stats import OneInMany, Reach

CONTROL = "control"
PINNED_SESSIONS, PINNED_REQUESTS = 31, 20
"""What the case of AFF-01 plans, and its check requires. 31 is no multiple of 3: see ``tested_too_little``."""

RARE_STRAYS = tuple(OneInMany(planned=PINNED_SESSIONS * (PINNED_REQUESTS - 1), one_in=rate) for rate in (20, 43))

DECOY = "x"
"""What is put before the cookie's name to have that of another, which ends in the same way."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@check("AFF-01", arms=(CONTROL, "pinned"), design=RARE_STRAYS)
def one_pod_per_session(history: History) -> Ruling:
    """Every answered request of a session reaches the pod that opened it.

    Exposure: at least 2 ready pods, a cookieless control that spread, the planned number of requests in sessions that
    at least 2 pods opened, and enough of them with the cookie that a gateway without sticky sessions would have been
    seen. A session whose pod was not ready throughout proves nothing.
    """
    return _affinity(history, "pinned").ruling()


def _affinity(history: History, *arms: str) -> Evidence:
    exchanges = history.arm(*arms)
    evidence = Evidence()
    off = judge_staying(history, history.sessions(*arms), evidence)
    evidence.doubts += [
        *control_did_not_spread(history, CONTROL),
        *incomplete(history, arms),
        *one_pod_opened(history, arms),
        *tested_too_little(history, arms),
        *unknown_outcomes(exchanges),
        *unconverged(history),
    ]
    evidence.measures += [
        Measure("sessions", len(history.sessions(*arms))),
        Measure("requests", len(exchanges)),
        Measure("requests off their pod", off),
    ]
    return evidence


@check("AFF-02", arms=(CONTROL, "fresh", "kept"))
def pinned_however_connected(history: History) -> Ruling:
    """A session keeps its pod over a fresh TCP connection per request, and over one kept-alive connection."""
    evidence = _affinity(history, "fresh", "kept")
    for session, exchanges in history.sessions("fresh").items():
        connections = [exchange.connection for exchange in exchanges if exchange.answer]
        if len(set(connections)) < len(connections):
            evidence.doubts.append(
                Finding(f"a new connection a request of {session}", f"{len(set(connections))} were made")
            )
    for session, exchanges in history.sessions("kept").items():
        connections = [exchange.connection for exchange in exchanges if exchange.answer]
        if not any(one == other for one, other in pairwise(connections)):
            evidence.doubts.append(
                Finding(f"session {session} to reuse its connection", "every request made a new one")
            )
    return evidence.ruling()


@check("AFF-03", arms=(CONTROL, "parallel"))
def parallel_requests_share_a_pod(history: History) -> Ruling:
    """Requests of one session that are under way at the same time reach its pod."""
    evidence = _affinity(history, "parallel")
    for session, exchanges in history.sessions("parallel").items():
        if not any(one.received > other.sent for one, other in pairwise(exchanges)):
            evidence.doubts.append(Finding(f"overlapping requests in {session}", "each ended before the next was sent"))
    return evidence.ruling()


@check("AFF-04", arms=(CONTROL, "roaming"))
def every_method_and_path_is_pinned(history: History) -> Ruling:
    """A session keeps its pod across methods and paths under the route."""
    evidence = _affinity(history, "roaming")
    served = [exchange for exchange in history.arm("roaming") if exchange.pod]
    used = {exchange.method for exchange in served}
    evidence.doubts += [
        Finding(f"{method} to be served", "no such request was") for method in METHODS if method not in used
    ]
    if len({exchange.path for exchange in served}) < 3:
        evidence.doubts.append(Finding("at least 3 paths", "fewer were served"))
    return evidence.ruling()


@check("AFF-05", arms=(CONTROL, "crowd"), design=Reach(alpha=1e-7))
def crowd_keeps_its_pods(history: History, design: Reach) -> Ruling:
    """Of at least 100 sessions open at the same time each keeps its pod, and every ready pod holds some."""
    evidence = _affinity(history, "crowd")
    sessions, pods = history.sessions("crowd"), history.setup.pods
    evidence.doubts += _together(sessions, at_least=100)
    held = pods_reached(exchanges[0] for exchanges in served_sessions(history, "crowd").values())
    needed = design.samples(len(pods))
    if held.total() < needed:
        evidence.doubts.append(Finding(f"{needed} sessions, so that no pod stays empty by chance", f"{held.total()}"))
    else:
        missed = {pod: Finding(f"{pod} to hold some of {held.total()} sessions", "none") for pod in pods}
        judge_missed(history, {pod: finding for pod, finding in missed.items() if pod not in held}, evidence)
    evidence.measures += [Measure(f"sessions on {pod}", held[pod]) for pod in sorted(held)]
    return evidence.ruling()


def _together(sessions: Sessions, at_least: int) -> list[Finding]:
    """Return a doubt if fewer sessions than that were open (first sent, last not yet received) at one moment."""
    most = most_at_once((exchanges[0].sent, exchanges[-1].received) for exchanges in sessions.values())
    return [] if most >= at_least else [Finding(f"{at_least} sessions open at the same time", f"{most} at the most")]


PLACES = ("cookie-first", "cookie-middle", "cookie-last")
SPLIT = "cookie-split"


@check("AFF-06", arms=(CONTROL, *PLACES))
def cookie_pins_wherever_it_stands(history: History) -> Ruling:
    """The cookie pins first, in the middle and last among others, one of which has a name that ends like its own.

    Exposure: that other cookie has the value that the session cookie of another pod has.
    """
    return _among_others(history, PLACES).ruling()


@check("AFF-06", arms=(CONTROL, SPLIT))
def split_cookie_pins(history: History) -> Ruling:
    """The cookie pins among others over HTTP/2, each in a Cookie field of its own.

    If the gateway speaks HTTP/2 neither over TLS nor on its plain port, this cannot be asked.
    """
    if not history.arm(SPLIT) and (refused := history.happened(Happening.UNSUPPORTED, "http2")):
        over_tls = [*history.happened(Happening.UNSUPPORTED, "tls")]
        over_tls += history.happened(Happening.UNSUPPORTED, "http2-over-tls")
        reasons = [refused[0].detail["reason"], *(f"over TLS: {one.detail['reason']}" for one in over_tls[:1])]
        return Ruling.not_applicable(f"Cookie fields that HTTP/2 splits cannot be sent: {'; '.join(reasons)}")
    return _among_others(history, (SPLIT,)).ruling()


def _among_others(history: History, arms: Sequence[str]) -> Evidence:
    evidence, cookie = _affinity(history, *arms), history.setup.cookie
    for arm in arms:
        carrying = [exchange for exchange in history.arm(arm) if exchange.carried(cookie)]
        placed = sum(_stands(exchange, arm, cookie) for exchange in carrying)
        if placed < len(carrying):
            evidence.doubts.append(
                Finding(f"requests of {arm} to carry the cookie there among others", f"{placed} of {len(carrying)} did")
            )
        mistakable = sum(any(pair.startswith(f"{DECOY}{cookie}=") for pair in e.cookie_pairs) for e in carrying)
        if mistakable < len(carrying):
            wanted = f"requests of {arm} to carry a cookie {DECOY}{cookie} with another pod's value"
            evidence.doubts.append(Finding(wanted, f"{mistakable} of {len(carrying)} did"))
    return evidence


def _stands(exchange: Exchange, arm: str, cookie: str) -> bool:
    """Whether the cookie stands among others at the place that the arm's name says."""
    own = [pair.startswith(f"{cookie}=") for pair in exchange.cookie_pairs]
    if len(own) < 2 or own.count(True) != 1:
        return False
    if arm == "cookie-split":
        return exchange.protocol == "HTTP/2" and len(exchange.cookie_fields) == len(own)
    place = own.index(True)
    return {"cookie-first": place == 0, "cookie-middle": 0 < place < len(own) - 1, "cookie-last": own[-1]}[arm]


@check("AFF-09", arms=(CONTROL, "resident", "passerby"))
def residents_stay_while_others_come_and_go(history: History) -> Ruling:
    """Sessions do not move while other clients open sessions and leave."""
    passersby = served_sessions(history, "passerby")
    residents = history.arm("resident")
    first, last = (residents[0].sent, residents[-1].sent) if residents else (0.0, 0.0)
    between = sum(first < exchanges[0].sent and exchanges[-1].received < last for exchanges in passersby.values())
    planned = history.setup.plan.get("passerby.sessions", 1)
    evidence = _affinity(history, "resident")
    if between < planned:
        evidence.doubts.append(Finding(f"{planned:g} sessions to come and go meanwhile", f"{between} did"))
    evidence.measures.append(Measure("sessions that came and went", between))
    return evidence.ruling()


KONNECT = "Konnect/"
"""How the subject begins under which is recorded what a controller said of its reports."""

REPORTED = "Successfully synced configuration to Konnect"
"""What KIC logs of a report that arrived."""


@check("KON-01", arms=(CONTROL, "pinned"))
def sticky_while_reporting_to_konnect(history: History) -> Ruling:
    """Sessions stay on their pods while the controller reports to a control plane of Konnect.

    Exposure: as for AFF-01, and the controller said that a report had arrived.
    """
    if refused := history.happened(Happening.UNSUPPORTED, "konnect"):
        return Ruling.not_applicable(refused[0].detail["reason"])
    evidence = _affinity(history, "pinned")
    said = [event.detail["status"] for event in history.events if _tells_of_konnect(event)]
    if not any(REPORTED in one for one in said):
        evidence.doubts.append(Finding("a report to Konnect to arrive", "; ".join(said) or "none was looked for"))
    return evidence.ruling()


def _tells_of_konnect(event: Event) -> bool:
    return event.what is Happening.STATUS and event.subject.startswith(KONNECT)


FEW, MANY = ("cookies-50", "cookies-50-h2"), ("cookies-100", "cookies-100-h2")
"""Clients with 50 cookies of 4 KB in all, and with 100 of 8 KB, over HTTP/1.1 and HTTP/2."""


@check("AFF-11", arms=(CONTROL, *FEW, *MANY))
def cookie_pins_among_many(history: History) -> Ruling:
    """The cookie pins as the last of 50 of 4 KB in all, and as the last of 100 of 8 KB if such requests are served.

    A gateway may refuse the latter; how many it did is a measure. HTTP/2 is left out if the gateway does not speak it.
    """
    spoken = slice(1) if history.happened(Happening.UNSUPPORTED, "http2") else slice(2)
    refused = {exchange.seq for exchange in history.arm(*MANY) if _turned_away(exchange, history.setup.cookie)}
    served = [arm for arm in MANY[spoken] if not refused & {exchange.seq for exchange in history.arm(arm)}]
    evidence = _affinity(history, *FEW[spoken], *served)
    for arm in (*FEW[spoken], *MANY[spoken]):
        size = max((len("; ".join(exchange.cookie_fields)) for exchange in history.arm(arm)), default=0)
        count = max((len(exchange.cookie_pairs) for exchange in history.arm(arm)), default=0)
        turned = len(refused & {exchange.seq for exchange in history.arm(arm)})
        evidence.measures.append(Measure(f"{arm}: cookies, bytes, requests refused", f"{count}, {size}, {turned}"))
        wanted = int(arm.split("-")[1])
        if count < wanted:
            evidence.doubts.append(Finding(f"requests of {arm} with {wanted} cookies", f"{count} at the most"))
    for arm in MANY[spoken]:
        if arm not in served:
            kept = {name: [e for e in own if e.seq not in refused] for name, own in history.sessions(arm).items()}
            judge_staying(history, {name: own for name, own in kept.items() if own}, evidence)
    return evidence.ruling()


def _turned_away(exchange: Exchange, cookie: str) -> bool:
    """Whether the gateway refused a request with the cookie, as one that is too large: by 4xx, or by a reset."""
    status = exchange.answer.status if exchange.answer and exchange.pod is None else 0
    return exchange.carried(cookie) and (isinstance(exchange.outcome, Refused) or 400 <= status < 500)
