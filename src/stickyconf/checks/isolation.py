"""Several Services and one client: each pins by its own cookie, and none by another's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from urllib.parse import urlsplit

from stickyconf.checks.declared import check
from stickyconf.checks.evidence import (
    Evidence,
    incomplete,
    judge_staying,
    lone_refusal,
    one_pod_opened,
    opener,
    refusal_doubt,
    served_sessions,
    strays,
    tested_too_little,
    unconverged,
    unknown_outcomes,
)
from stickyconf.checks.spread import unsticky_traffic
from stickyconf.model import Exchange, Finding, Happening, History, Measure, Ruling
from stickyconf.stats import MISSED, Spread, witness_sample_size

OWN, BASKET, PLAIN, TWIN, SHOP, AGAIN, ONCE = "/", "/basket", "/plain", "/twin", "/shop", "/again", "/once"
"""Paths of one host name. / leads to the Service under test, /again and /once too, by rules of another route; basket,
plain and twin are Services on the same pods with another policy, with none, and with the same; shop has pods of its
own, and the same policy."""

BASKET_COOKIE = "basket_id"
PAIR, SIBLING, SHARED, ALTERNATING = "pair", "sibling", "shared", "alternating"
OWNER, REPLAYED, REVISITED, WEIGHTED, MIXED = "owner", "replayed", "revisited", "weighted", "mixed"
BY_ROUTE, BY_INGRESS = "by-route", "by-ingress"


def _at(exchanges: Iterable[Exchange], path: str) -> list[Exchange]:
    return [exchange for exchange in exchanges if urlsplit(exchange.path).path == path]


def _begin(history: History, *arms: str) -> Evidence:
    """Return the doubts of every check here: changes that never arrived, and outcomes that are not known."""
    return Evidence(doubts=[*unconverged(history), *unknown_outcomes(history.arm(*arms))])


def _without_cookie(session: str, first: Exchange | None, cookie: str) -> list[Finding]:
    """Return a violation if what opened a session got no cookie of this name."""
    if first is None or (first.answer and first.answer.set_cookies(cookie)):
        return []
    return [Finding(f"session {session} to get the cookie {cookie} at {first.path}", first.told(), (first.seq,))]


@check("ISO-01", arms=(PAIR,))
def cookies_pin_independently(history: History) -> Ruling:
    """Two Services with different cookie names each keep their own session of a client whose jar holds both cookies.

    Exposure: so many requests, with both cookies, of clients whose two sessions are on different pods that one placed
    anew would have shown.
    """
    evidence = _begin(history, PAIR)
    own, basket = history.setup.cookie, BASKET_COOKIE
    telling = 0
    for session, exchanges in history.sessions(PAIR).items():
        parts = {(own, OWN): _at(exchanges, OWN), (basket, BASKET): _at(exchanges, BASKET)}
        judge_staying(history, {f"{session} at {path}": part for (_, path), part in parts.items()}, evidence)
        for (cookie, _), part in parts.items():
            evidence.violations += _without_cookie(session, opener(part), cookie)
        homes = {first.pod for part in parts.values() if (first := opener(part))}
        if len(homes) == len(parts):
            telling += sum(exchange.carried(own) and exchange.carried(basket) for exchange in exchanges)
    needed = _needed(history)
    if telling < needed:
        expected = f"{needed} requests with both cookies of clients whose two sessions are on different pods"
        evidence.doubts.append(Finding(expected, f"{telling}"))
    evidence.measures.append(Measure("requests with both cookies, to different pods", telling))
    return evidence.ruling()


def _needed(history: History) -> int:
    """Return so many requests that one placed at random would show, but for the probability MISSED."""
    return witness_sample_size(1 - 1 / max(2, len(history.setup.pods)), MISSED)


@check("ISO-02", arms=(ALTERNATING,))
def cookie_of_two_services_is_overwritten(history: History) -> Ruling:
    """Two Services share the cookie's name and path but no pod: each replaces the other's cookie, and none fails.

    Each time a client comes from the other Service it is placed anew, with a new cookie, and that one pins. Exposure:
    clients with the other Service's cookie came to each of the two.
    """
    evidence = _begin(history, ALTERNATING)
    evidence.doubts += incomplete(history, [ALTERNATING])
    cookie, switched, refused = history.setup.cookie, {OWN: 0, SHOP: 0}, lone_refusal(history)
    evidence.doubts += [refusal_doubt(exchange) for exchange in history.arm(ALTERNATING) if exchange.seq == refused]
    for session, exchanges in history.sessions(ALTERNATING).items():
        evidence.violations += [
            Finding(f"every request of session {session} to be served, and not 5xx", exchange.told(), (exchange.seq,))
            for exchange in exchanges
            if exchange.seq != refused and (exchange.unserved or (exchange.answer and exchange.answer.status >= 500))
        ]
        evidence.violations += _in_the_wrong_service(exchanges, history)
        for before, after in pairwise([exchange for exchange in exchanges if exchange.pod]):
            if before.path == after.path:
                judge_staying(history, {f"{session} at {after.path}": [before, after]}, evidence)
            elif after.carried(cookie):
                switched[after.path] = switched.get(after.path, 0) + 1
                evidence.violations += _not_replaced(session, after, cookie)
    for path in (OWN, SHOP):
        if not switched[path]:
            evidence.doubts.append(Finding(f"a client to come to {path} with the other Service's cookie", "none did"))
    evidence.measures.append(Measure("times that a client changed the Service", sum(switched.values())))
    return evidence.ruling()


def _in_the_wrong_service(exchanges: Iterable[Exchange], history: History) -> list[Finding]:
    """Return a violation for each exchange that a pod of the other Service served."""
    return [
        Finding(f"{exchange.path} to be served by a pod of its own Service", exchange.told(), (exchange.seq,))
        for exchange in exchanges
        if exchange.pod and (exchange.pod in history.setup.pods) != (urlsplit(exchange.path).path == OWN)
    ]


def _not_replaced(session: str, exchange: Exchange, cookie: str) -> list[Finding]:
    issued = exchange.answer.set_cookies(cookie) if exchange.answer else ()
    if issued and not exchange.carried(cookie, issued[-1].value):
        return []
    expected = f"session {session} to get a new cookie in place of the other Service's"
    return [Finding(expected, f"{'the old one again' if issued else 'none'}: {exchange.told()}", (exchange.seq,))]


@check("ISO-03", arms=(SHARED,))
def shared_pod_keeps_its_client(history: History) -> Ruling:
    """Two Services share the cookie's name and path, and the pods: a client stays on its pod through both.

    Exposure: clients on at least two pods, and so many requests that only the cookie can have kept there.
    """
    evidence = _begin(history, SHARED)
    sessions = history.sessions(SHARED)
    judge_staying(history, sessions, evidence)
    evidence.doubts += [
        *incomplete(history, [SHARED]),
        *tested_too_little(history, [SHARED]),
        *one_pod_opened(history, [SHARED]),
        *_not_visited(history, SHARED, TWIN),
    ]
    evidence.measures.append(Measure("clients of both Services", len(sessions)))
    return evidence.ruling()


def _not_visited(history: History, arm: str, path: str) -> list[Finding]:
    """Return a doubt if no request of an arm with the cookie was served at a path."""
    if any(exchange.pod and exchange.carried(history.setup.cookie) for exchange in _at(history.arm(arm), path)):
        return []
    return [Finding(f"a request of the arm {arm} to {path} with the cookie", "none")]


@check("ISO-04", arms=(SIBLING,), design=Spread(alpha=1e-8))
def sibling_without_policy_is_not_sticky(history: History, design: Spread) -> Ruling:
    """A Service without the policy, beside one with it, sets no cookie and spreads its requests, cookie or no cookie.

    Exposure: its clients had a session at the Service with the policy, and kept it meanwhile.
    """
    through = replace(history, exchanges=tuple(_at(history.exchanges, PLAIN)))
    evidence = unsticky_traffic(through, SIBLING, design)
    evidence.violations += [
        Finding(f"no cookie {BASKET_COOKIE} of a third Service", exchange.told(), (exchange.seq,))
        for exchange in through.arm(SIBLING)
        if exchange.answer and exchange.answer.set_cookies(BASKET_COOKIE)
    ]
    pinned = {session: _at(exchanges, OWN) for session, exchanges in history.sessions(SIBLING).items()}
    kept = [session for session, exchanges in pinned.items() if len(exchanges) > 1 and not strays({session: exchanges})]
    if len(kept) < len(pinned) or not kept:
        evidence.doubts.append(
            Finding("every client to keep its session at the Service with the policy", f"{len(kept)} did")
        )
    evidence.doubts += [*_not_visited(history, SIBLING, PLAIN), *unknown_outcomes(history.arm(SIBLING))]
    return evidence.ruling()


@check("ISO-05", "PRO-05", arms=(BY_ROUTE, BY_INGRESS))
def every_route_pins(history: History) -> Ruling:
    """A Service behind an HTTPRoute and an Ingress pins sessions through either.

    Exposure: through each, sessions on at least two pods, and so many requests that only a cookie can have kept there.
    """
    arms = (BY_ROUTE, BY_INGRESS)
    evidence = _begin(history, *arms)
    evidence.doubts += [*incomplete(history, arms), *tested_too_little(history, arms)]
    for arm in arms:
        sessions = history.sessions(arm)
        judge_staying(history, sessions, evidence)
        for session, exchanges in sessions.items():
            evidence.violations += _without_cookie(session, opener(exchanges), history.setup.cookie)
        evidence.doubts += one_pod_opened(history, [arm])
        evidence.measures.append(Measure(f"sessions {arm}", len(sessions)))
    return evidence.ruling()


NEWCOMERS = 30
"""New sessions after the weight has become 0: the backend had two pods of five, and more by its weight; so many would
all have missed it with a probability below MISSED."""


@check("ISO-06", arms=(WEIGHTED, "newcomer"))
def weighted_backends_keep_sessions(history: History) -> Ruling:
    """A rule weighs two backends: a session stays on its pod, even after its backend's weight has become 0.

    Exposure: sessions on pods of both, visits after the change, and NEWCOMERS new sessions of which none got there.
    """
    evidence = _begin(history, WEIGHTED, "newcomer")
    sessions = served_sessions(history, WEIGHTED)
    judge_staying(history, history.sessions(WEIGHTED), evidence)
    homes = [exchanges[0].pod in history.setup.pods for exchanges in sessions.values()]
    if len(set(homes)) < 2:
        evidence.doubts.append(Finding("sessions on pods of both backends", f"{len(homes)} on those of one"))
    changed = [event.when for event in history.happened(Happening.CONVERGED) if event.detail.get("shop") == "0"]
    if not changed:
        evidence.doubts.append(Finding("the weight of a backend to become 0", "it was not seen to"))
        return evidence.ruling()
    unvisited = [session for session, exchanges in sessions.items() if exchanges[-1].sent < changed[0]]
    if unvisited:
        evidence.doubts.append(Finding("every session to be visited after the change", f"{unvisited[0]} was not"))
    opened = [exchange for exchange in history.arm("newcomer") if exchange.sent > changed[0] and exchange.pod]
    evidence.violations += [
        Finding("no new session at the backend with weight 0", exchange.told(), (exchange.seq,))
        for exchange in opened
        if exchange.pod not in history.setup.pods
    ]
    if len(opened) < NEWCOMERS:
        evidence.doubts.append(Finding(f"{NEWCOMERS} new sessions after the change", f"{len(opened)}"))
    evidence.measures.append(Measure("sessions of the backend with weight 0", homes.count(False)))
    return evidence.ruling()


@check("ISO-07", arms=(f"{MIXED}-before", MIXED))
def conflicting_policies_are_announced(history: History) -> Ruling:
    """One rule has Services with different policies: a Warning event about one of them, or the route, says so.

    Exposure: traffic flowed before the second one was added. What traffic gets afterwards is measured.
    """
    evidence = _begin(history, f"{MIXED}-before")
    added = [event.when for event in history.happened(Happening.APPLIED) if event.subject == f"HTTPRoute/{MIXED}"]
    before = [exchange for exchange in history.arm(f"{MIXED}-before") if exchange.pod]
    if not added or not before:
        seen = f"{len(before)} requests served before it" if added else "it was not"
        evidence.doubts.append(Finding("a second policy to be added to a rule that served requests", seen))
        return evidence.ruling()
    said = [event for event in history.happened(Happening.CLUSTER_EVENT) if event.when >= added[0]]
    telling = [event for event in said if "policy" in event.detail.get("message", "").lower()]
    if not telling:
        heard = "; ".join(f"{event.subject}: {event.detail.get('message', '')}" for event in said) or "none"
        evidence.violations.append(Finding("a Warning event about the policies of one rule that differ", heard))
    evidence.measures += [
        Measure("what the event says", telling[0].detail["message"] if telling else "nothing"),
        Measure("what traffic got afterwards", _answers(history.arm(MIXED), history.setup.cookie)),
    ]
    return evidence.ruling()


def _answers(exchanges: Iterable[Exchange], cookie: str) -> str:
    """Return how requests were answered, a few words for each kind, with their number."""
    counts: dict[str, int] = {}
    for exchange in exchanges:
        answer = exchange.answer
        kind = f"{answer.status}{'' if answer.pod else ' of the gateway'}" if answer else "no answer"
        if answer and (answer.set_cookies(cookie) or answer.set_cookies(BASKET_COOKIE)):
            kind += " with a cookie"
        counts[kind] = counts.get(kind, 0) + 1
    return ", ".join(f"{count} x {kind}" for kind, count in counts.items()) or "not asked"


@check("ISO-08", arms=(OWNER, REPLAYED))
def cookie_opens_no_other_service(history: History) -> Ruling:
    """A cookie of one Service, presented to another, never leads to a pod of the first.

    Exposure: each was set by the first Service, and led its owner to the same pod afterwards; each of the two Services
    was asked with the other's.
    """
    evidence = _begin(history, OWNER, REPLAYED)
    owners, replayed = history.sessions(OWNER), history.arm(REPLAYED)
    evidence.violations += _in_the_wrong_service(replayed, history)
    evidence.doubts += [*incomplete(history, [OWNER]), *one_pod_opened(history, [OWNER])]
    lost = strays(owners)
    if lost:
        evidence.doubts.append(Finding("each cookie to lead its owner to its pod", lost[0].actual, lost[0].exchanges))
    last = max((exchange.sent for exchange in history.arm(OWNER)), default=0.0)
    for path in (OWN, SHOP):
        asked = [exchange for exchange in _at(replayed, path) if exchange.pod and exchange.sent < last]
        if not any(exchange.carried(history.setup.cookie) for exchange in asked):
            evidence.doubts.append(Finding(f"{path} to serve a request with the other Service's cookie", "it did not"))
    evidence.measures.append(Measure("cookies presented to the other Service", len(replayed)))
    return evidence.ruling()


@check("ISO-09", arms=(REVISITED,))
def scope_of_a_session_observed(history: History) -> Ruling:
    """One Service behind two routes, and two rules of one route: whether a session is the Service's or the rule's."""
    evidence = _begin(history, REVISITED)
    evidence.doubts += [*incomplete(history, [REVISITED]), *one_pod_opened(history, [REVISITED])]
    visits = served_sessions(history, REVISITED)
    for before, path, name in ((OWN, AGAIN, "another route"), (AGAIN, ONCE, "another rule of one route")):
        pairs = [(_at(own, before), _at(own, path)) for own in visits.values()]
        met = [(first[-1], then[0]) for first, then in pairs if first and then]
        kept = sum(first.pod == then.pod for first, then in met)
        renewed = sum(bool(then.answer and then.answer.set_cookies(history.setup.cookie)) for _, then in met)
        evidence.measures.append(Measure(f"sessions kept through {name}", f"{kept} of {len(met)}"))
        evidence.measures.append(Measure(f"cookies set again by {name}", f"{renewed} of {len(met)}"))
    return evidence.ruling()
