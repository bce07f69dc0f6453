"""Cookies that the gateway never issued: it replaces them, survives them, and does not follow them elsewhere."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from stickyconf.checks.declared import check
from stickyconf.checks.evidence import (
    Evidence,
    control_did_not_spread,
    incomplete,
    judge_staying,
    lone_refusal,
    pods_reached,
    refusal_doubt,
    strays,
    tested_too_little,
    unconverged,
    unknown_outcomes,
)
from stickyconf.model import Answered, Exchange, Finding, Happening, History, Measure, Ruling

WELL_FORMED, MALFORMED, OVERSIZE, LURED = "well-formed", "malformed", "oversize", "lured"


@check("ROB-01", arms=("forged", "pinned"))
def forged_value_is_replaced(history: History) -> Ruling:
    """A request whose cookie the gateway never issued is served by a ready pod, with a new cookie, and that one pins.

    Exposure: in the same run real cookies pinned, and without them requests spread.
    """
    sessions = history.sessions("forged")
    evidence = Evidence(
        [],
        [
            *control_did_not_spread(history, "pinned"),
            *_real_ones_do_not_pin(history),
            *incomplete(history, ["forged", "pinned"]),
            *tested_too_little(history, ["forged", "pinned"]),
            *unknown_outcomes(history.arm("forged", "pinned")),
            *unconverged(history),
        ],
        [Measure("sessions begun with a forged cookie", len(sessions))],
    )
    judge_staying(history, sessions, evidence)
    for session, exchanges in sessions.items():
        first = exchanges[0]
        sent = first.cookie_fields[0] if first.cookie_fields else "no cookie"
        if not first.carried(history.setup.cookie):
            evidence.doubts.append(Finding(f"session {session} to begin with a forged cookie", sent, (first.seq,)))
        elif isinstance(first.outcome, Answered):
            evidence.violations += _unlike_a_new_session(first, history, sent)
    return evidence.ruling()


def _real_ones_do_not_pin(history: History) -> list[Finding]:
    found = strays(history.sessions("pinned"))
    return [Finding("real cookies to pin", f"{len(found)} requests did not reach their pod")] if found else []


def _unlike_a_new_session(first: Exchange, history: History, sent: str) -> list[Finding]:
    """Return what the answer to a session's first request lacks: a ready pod, success, and a cookie of its own."""
    cited, cookie = (first.seq,), history.setup.cookie
    if first.pod not in history.setup.pods:
        return [Finding(f"{sent} to be answered by a ready pod", first.told(), cited)]
    issued = first.answer.set_cookies(cookie) if first.answer else ()
    if not issued:
        return [Finding(f"a new cookie in place of {sent}", f"none: {first.told()}", cited)]
    if first.carried(cookie, issued[-1].value):
        return [Finding(f"a new cookie in place of {sent}", f"the same again: {first.told()}", cited)]
    return []


@check("ROB-02", arms=(MALFORMED, OVERSIZE, WELL_FORMED))
def malformed_value_breaks_nothing(history: History) -> Ruling:
    """Whatever a Cookie field holds, the request is answered, and not 5xx; what is too long may be refused.

    A refusal is an answer 4xx, or a connection that is closed before all of it was sent.
    Exposure: a request without a cookie was served before the first of them, and was sent after each; one that is not
    served then is a violation too, for the gateway has to serve on.
    """
    odd, well_formed = history.arm(MALFORMED, OVERSIZE), history.arm(WELL_FORMED)
    evidence = Evidence(doubts=[*unknown_outcomes([*odd, *well_formed]), *unconverged(history)])
    for arm in (MALFORMED, OVERSIZE, WELL_FORMED):
        planned, sent = history.setup.plan.get(f"{arm}.sessions", 1), len(history.arm(arm))
        if sent < planned:
            evidence.doubts.append(Finding(f"{planned:g} requests of the arm {arm}", f"{sent}"))
    first, last = (odd[0].sent, odd[-1].sent) if odd else (0.0, 0.0)
    lone = lone_refusal(history)
    evidence.violations += [
        Finding(f"the value {_named(exchange)} to be answered, and not 5xx", exchange.told(), (exchange.seq,))
        for exchange in odd
        if _broke(exchange) and exchange.seq != lone
    ]
    evidence.violations += [
        Finding("the gateway to serve on", exchange.told(), (exchange.seq,))
        for exchange in well_formed
        if exchange.sent > first and exchange.unserved and exchange.seq != lone
    ]
    evidence.doubts += [refusal_doubt(exchange) for exchange in (*odd, *well_formed) if exchange.seq == lone]
    if not any(exchange.pod for exchange in well_formed if exchange.sent < first):
        evidence.doubts.append(Finding("a request without a cookie to be served before the first value", "none"))
    if not any(exchange.sent > last for exchange in well_formed):
        evidence.doubts.append(Finding("a request without a cookie after the last value", "none"))
    told = [
        f"{_named(exchange)} {exchange.answer.status if exchange.answer else 'connection closed'}"
        for exchange in odd
        if exchange.answer or exchange.failed
    ]
    evidence.measures.append(Measure("answers", ", ".join(told) or "none"))
    return evidence.ruling()


def _broke(exchange: Exchange) -> bool:
    """Whether a value broke something: a 5xx, or no answer to what is not too long to be read."""
    if exchange.answer:
        return exchange.answer.status >= 500
    return exchange.failed and (exchange.arm != OVERSIZE or exchange.unconnected)


def _named(exchange: Exchange) -> str:
    """Return what a malformed value is called: the scenario says it in the query."""
    return parse_qs(urlsplit(exchange.path).query).get("value", ["?"])[0]


@check("ROB-03", arms=("neighbour", LURED))
def forged_address_is_never_dialled(history: History) -> Ruling:
    """Whatever address a cookie names, the gateway connects to targets of the upstream only.

    The address is that of another application, which takes down every connection and every request. Exposure: the
    gateway reached it on that application's own route, before the forged cookies and after them, so it could have.
    """
    own, lured = history.arm("neighbour"), history.arm(LURED)
    evidence = Evidence(
        doubts=[*incomplete(history, [LURED]), *unknown_outcomes(lured), *unconverged(history)],
        measures=[Measure("forged cookies that name the neighbour", len(lured))],
    )
    neighbours = set(pods_reached(own))
    ids = {exchange.request_id: exchange for exchange in lured}
    seen = {sighting.request_id for sighting in history.sightings if sighting.pod in neighbours} & set(ids)
    evidence.violations += [
        Finding(
            f"{exchange.cookie_fields[0] if exchange.cookie_fields else 'its cookie'} to lead nowhere else",
            f"the request arrived at the neighbour: {exchange.told()}",
            (exchange.seq,),
        )
        for identifier, exchange in ids.items()
        if identifier in seen
    ]
    before = [exchange for exchange in own if exchange.pod and lured and exchange.received <= lured[0].sent]
    after = [exchange for exchange in own if lured and exchange.sent >= lured[-1].received]
    if not before or not any(exchange.pod for exchange in after):
        evidence.doubts.append(
            Finding("the gateway to reach the neighbour on its own route, before and after", "it was not seen to")
        )
    connections = [event for event in history.happened(Happening.CONNECTED) if event.subject in neighbours]
    if not connections:
        evidence.doubts.append(Finding("the neighbour to record what connects to it", "it did not"))
    # Each request of its own after them may have come on a connection of its own; more there cannot be.
    late = [event for event in connections if lured and event.when > lured[0].sent]
    if len(late) > len(after):
        evidence.violations.append(
            Finding(
                f"no connection to the neighbour but the {len(after)} at most of its own route",
                f"{len(late)}, the first from {late[0].detail['peer']}",
                tuple(exchange.seq for exchange in lured[:1]),
            )
        )
    evidence.measures.append(Measure("connections to the neighbour, its own route's included", len(connections)))
    return evidence.ruling()
