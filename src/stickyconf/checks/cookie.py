"""The cookie itself: that it is set, what it looks like, and that it means the pod which set it."""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl, unquote, urlsplit

from stickyconf.checks.declared import EVERY_ARM, check
from stickyconf.checks.evidence import (
    MOST_FINDINGS,
    Evidence,
    incomplete,
    lone_refusal,
    opener,
    pods_reached,
    settling_measures,
    stale_workers,
    unconverged,
    unknown_outcomes,
)
from stickyconf.model import Exchange, Finding, Happening, History, Measure, Ruling, SetCookie, Unknown
from stickyconf.model.cookies import path_matches
from stickyconf.stats import MISSED, witness_sample_size

STATUSES = (200, 204, 302, 401, 404, 500)
"""What a workload may answer a first request with; the cookie has to come with each."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@check("CKE-01", arms=("visitor",))
def first_response_sets_one_cookie(history: History) -> Ruling:
    """The response to a request without the cookie carries exactly one Set-Cookie of the configured name.

    A worker of the gateway that does not act on the policy within its budget violates, too.
    """
    firsts = _first_answers(history, "visitor")
    evidence = Evidence(
        stale_workers(history).violations,
        _doubts(history, "visitor"),
        [Measure("first responses", len(firsts)), *settling_measures(history)],
    )
    for exchange in firsts:
        count = len(_issued(exchange, history))
        if count != 1:
            evidence.violations.append(
                Finding(
                    f"exactly one Set-Cookie {history.setup.cookie} on a first response",
                    f"{count} on {exchange.told()}",
                    (exchange.seq,),
                )
            )
    return evidence.ruling()


@check("CKE-02", arms=EVERY_ARM)
def path_is_the_configured_one(history: History) -> Ruling:
    """The cookie's Path attribute is the policy's cookiePath."""
    wanted = history.setup.cookie_path

    def fault(cookie: SetCookie) -> str:
        path = cookie.attribute("path")
        return "" if path == wanted else f"Path={path}" if path is not None else "no Path"

    return _every_cookie(history, f"Path={wanted}", fault).ruling()


@check("CKE-03", arms=EVERY_ARM)
def is_a_session_cookie(history: History) -> Ruling:
    """The cookie has neither Expires nor Max-Age, so that it ends with the client's session."""

    def fault(cookie: SetCookie) -> str:
        given = [
            f"{name}={cookie.attribute(name)}" for name in ("Expires", "Max-Age") if cookie.attribute(name) is not None
        ]
        return ", ".join(given)

    return _every_cookie(history, "neither Expires nor Max-Age", fault).ruling()


@check("CKE-04", arms=EVERY_ARM)
def value_survives_a_jar(history: History) -> Ruling:
    """The value is non-empty and comes back unchanged from another cookie jar.

    Which characters a value is made of is a SHOULD NOT of RFC 6265, section 4.1.1: a measure.
    """
    evidence = _every_cookie(
        history, "a non-empty value", lambda cookie: "" if cookie.value.strip('"') else f"the value {cookie.value!r}"
    )
    beyond = sorted({cookie.value for cookie in _all_issued(history) if not cookie.legal_value})
    evidence.measures.append(Measure("values with other characters than cookie-octets", len(beyond)))
    if beyond:
        evidence.measures.append(Measure("the first of them", repr(beyond[0])))
    doubts, kept = evidence.doubts, 0
    for session, exchanges in history.sessions("library-jar").items():
        issued = _issued(exchanges[0], history)
        if len(issued) != 1 or len(exchanges) < 2:
            doubts.append(Finding(f"session {session} to get a cookie and to go on", "it did not"))
            continue
        if not path_matches(urlsplit(exchanges[1].path).path, issued[0].attribute("path") or "/"):
            doubts.append(Finding("the cookie's Path to cover the request", f"{issued[0].attribute('path')}"))
            continue
        name, value = issued[0].name, issued[0].value
        if exchanges[1].carried(name, value):
            kept += 1
            continue
        sent = "; ".join(exchanges[1].cookie_fields) or "nothing"
        told = Finding(f"a jar to send back {name}={value}", f"it sent {sent}", (exchanges[0].seq, exchanges[1].seq))
        # A jar keeps a Secure cookie from plain HTTP (section 5.4): that it was not sent says nothing about its value.
        withheld = issued[0].attribute("secure") is not None and not exchanges[1].carried(name)
        (doubts if withheld else evidence.violations).append(told)
    if not history.arm("library-jar"):
        doubts.append(Finding("sessions with a library's jar", "none"))
    evidence.measures.append(Measure("values a library's jar kept", kept))
    return evidence.ruling()


@check("CKE-05", arms=("visitor",))
def cookie_names_the_pod_that_served(history: History) -> Ruling:
    """The request after the one that got the cookie, carrying it, reaches the same pod.

    Exposure: the cookies came from at least 2 pods, and so many were followed that ones that name any pod would show.
    """
    evidence, openers, followed = Evidence(doubts=_doubts(history, "visitor")), [], 0
    for session, exchanges in history.sessions("visitor").items():
        first = opener(exchanges)
        second = next((exchange for exchange in exchanges if first and exchange.sent > first.sent), None)
        if first is None or second is None or not second.carried(history.setup.cookie):
            evidence.doubts.append(Finding(f"session {session} to come back with its cookie", "it did not"))
            continue
        if isinstance(second.outcome, Unknown) or second.seq == lone_refusal(history):
            continue  # one of the doubts already
        openers.append(first)
        followed += 1
        if second.pod != first.pod:
            evidence.violations.append(
                Finding(f"the cookie set by {first.pod} to lead back to it", second.told(), (first.seq, second.seq))
            )
    pods = max(2, len(history.setup.pods))
    needed = witness_sample_size(1 - 1 / pods, MISSED)
    if len(pods_reached(openers)) < 2 or followed < needed:
        evidence.doubts.append(
            Finding(f"{needed} cookies, set by at least 2 pods", f"{followed}, set by {len(pods_reached(openers))}")
        )
    evidence.measures.append(Measure("cookies followed", followed))
    return evidence.ruling()


@check("CKE-07", arms=("application",))
def application_cookies_survive(history: History) -> Ruling:
    """The application's own Set-Cookie fields all arrive, unchanged and in order, beside the gateway's.

    Fields that the request did not ask for, such as those of a plugin, are allowed. Exposure: responses with the
    gateway's cookie beside exactly one of the application's, and beside several.
    """
    evidence, beside = Evidence(doubts=_doubts(history, "application")), Counter[str]()
    for exchange in history.arm("application"):
        if exchange.answer is None or exchange.pod is None:
            continue
        wanted = [value for name, value in parse_qsl(urlsplit(exchange.path).query) if name == "set-cookie"]
        names = {_name(field) for field in wanted}
        arrived = [
            value
            for name, value in exchange.answer.headers
            if name.lower() == "set-cookie" and (value in wanted or _name(value) in names)
        ]
        if wanted and _issued(exchange, history):
            beside["one" if len(wanted) == 1 else "several"] += 1
        if arrived != wanted:
            evidence.violations.append(
                Finding(f"the application's cookies {wanted}", f"{arrived} on {exchange.told()}", (exchange.seq,))
            )
    evidence.doubts += [
        Finding(f"responses with the gateway's cookie beside {number} of the application's", "none")
        for number in ("one", "several")
        if not beside[number]
    ]
    evidence.measures += [
        Measure("responses with cookies of both", beside.total()),
        Measure("of these, with one of the application's", beside["one"]),
    ]
    return evidence.ruling()


@check("CKE-09", arms=("status",))
def cookie_is_set_on_every_status(history: History) -> Ruling:
    """A first response carries the cookie whatever status the workload answers with."""
    evidence, seen = Evidence(doubts=_doubts(history, "status")), Counter[int]()
    for exchange in _first_answers(history, "status"):
        wanted = dict(parse_qsl(urlsplit(exchange.path).query)).get("status")
        if exchange.answer is None or str(exchange.answer.status) != wanted:
            evidence.doubts.append(Finding(f"the workload's {wanted} to arrive", exchange.told(), (exchange.seq,)))
            continue
        seen[exchange.answer.status] += 1
        if not _issued(exchange, history):
            evidence.violations.append(
                Finding(f"the cookie {history.setup.cookie} on a first {wanted}", "none", (exchange.seq,))
            )
    evidence.doubts += [
        Finding(f"a first response with the status {status}", "none") for status in STATUSES if not seen[status]
    ]
    evidence.measures += [Measure(f"first responses {status}", count) for status, count in sorted(seen.items())]
    return evidence.ruling()


@check("CKE-06", arms=("visitor",))
def reissue_observed(history: History) -> Ruling:
    """Count the responses that set the cookie again although the request carried a valid one."""
    again, same, asked = 0, 0, 0
    for exchanges in history.sessions("visitor").values():
        for exchange in exchanges:
            if exchange.pod and exchange.carried(history.setup.cookie):
                asked += 1
                issued = _issued(exchange, history)
                again += bool(issued)
                same += any(exchange.carried(cookie.name, cookie.value) for cookie in issued)
    return _observed(
        asked,
        Measure("responses to a valid cookie", asked),
        Measure("of these, set it again", again),
        Measure("of these, with the same value", same),
    )


@check("CKE-08", arms=EVERY_ARM)
def attributes_observed(history: History) -> Ruling:
    """Record Secure, HttpOnly and SameSite as they are spelt, and attributes no browser knows."""
    cookies = _all_issued(history)
    if not cookies:
        return _observed(0)
    spelt = Counter(name if not value else f"{name}={value}" for cookie in cookies for name, value in cookie.attributes)
    unknown = sorted({name for cookie in cookies for name in cookie.unknown_attributes})
    listed = ", ".join(f"{name} on {count} of {len(cookies)}" for name, count in sorted(spelt.items()))
    return _observed(
        len(cookies),
        Measure("attributes", listed or "none"),
        Measure("misspelt or unknown attributes", ", ".join(unknown) or "none"),
    )


@check("CKE-11", arms=EVERY_ARM)
def value_format_observed(history: History) -> Ruling:
    """Record what the value looks like, what it identifies, and whether it discloses a pod's address."""
    pairs = [
        (issued.value, exchange.pod)
        for exchange in history.exchanges
        if exchange.pod and not exchange.carried(history.setup.cookie)
        for issued in _issued(exchange, history)
    ]
    values = [value.strip('"') for value, _ in pairs]
    if not values:
        return _observed(0)
    per_pod = {pod: {value for value, owner in pairs if owner == pod} for _, pod in pairs}
    distinct = len(set(values))
    shared = all(len(own) == 1 for own in per_pod.values())
    whose = (
        "one per pod"
        if shared and distinct == len(per_pod)
        else "one per client"
        if distinct == len(values)
        else "mixed"
    )
    lengths = sorted({len(value) for value in values})
    addresses = {_host(event.detail.get("address", "")) for event in history.happened(Happening.TARGET)} - {""}
    return _observed(
        len(values),
        Measure("values seen", len(values)),
        Measure("distinct values", distinct),
        Measure("a value is", whose),
        Measure("length", f"{lengths[0]} to {lengths[-1]}" if len(lengths) > 1 else f"{lengths[0]}", "characters"),
        Measure("quoted", "yes" if any(value.startswith('"') for value, _ in pairs) else "no"),
        Measure("UUID", "yes" if all(_UUID.fullmatch(value) for value in values) else "no"),
        Measure("discloses a pod's address", "yes" if any(_discloses(v, addresses) for v in values) else "not found"),
    )


def _discloses(value: str, addresses: Iterable[str]) -> bool:
    texts = [value, unquote(value)]
    try:
        decoded = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
        texts.append(decoded.decode("latin-1"))
    except (binascii.Error, ValueError):
        texts.append("")  # not base64: nothing more to look at
    return any(address in text for address in addresses for text in texts)


def _host(address: str) -> str:
    """Return the host of "ip:port" or "[ip]:port"."""
    return address.rpartition(":")[0].strip("[]")


def _name(field: str) -> str:
    return field.partition("=")[0].strip()


def _issued(exchange: Exchange, history: History) -> tuple[SetCookie, ...]:
    return exchange.answer.set_cookies(history.setup.cookie) if exchange.answer else ()


def _all_issued(history: History) -> list[SetCookie]:
    return [cookie for exchange in history.exchanges if exchange.pod for cookie in _issued(exchange, history)]


def _first_answers(history: History, arm: str) -> list[Exchange]:
    """Return the first exchange of each session of an arm that a pod answered."""
    return [exchanges[0] for exchanges in history.sessions(arm).values() if exchanges[0].pod]


def _doubts(history: History, arm: str) -> list[Finding]:
    exchanges = history.arm(arm)
    failed = [
        Finding("every request to be served by a pod", exchange.told(), (exchange.seq,))
        for exchange in exchanges
        if exchange.failed or (exchange.answer and exchange.pod is None)
    ]
    return [*failed[:MOST_FINDINGS], *incomplete(history, [arm]), *unknown_outcomes(exchanges), *unconverged(history)]


def _every_cookie(history: History, expected: str, fault: Callable[[SetCookie], str]) -> Evidence:
    """Look at every Set-Cookie of the configured name; without any there is nothing to judge, which is a doubt."""
    violations, judged = [], 0
    for exchange in history.exchanges:
        for cookie in _issued(exchange, history) if exchange.pod else ():
            judged += 1
            wrong = fault(cookie)
            if wrong:
                violations.append(
                    Finding(f"{expected} on the cookie {cookie.name}", f"{wrong} on {exchange.told()}", (exchange.seq,))
                )
    doubts = [] if judged else [Finding(f"cookies {history.setup.cookie} to look at", "none was set")]
    return Evidence(violations, [*doubts, *unconverged(history)], [Measure("cookies looked at", judged)])


def _observed(count: int, *measures: Measure) -> Ruling:
    """Rule on an observation: it conforms once something was observed, because it asks for nothing more."""
    doubts = [] if count else [Finding("something to observe", "nothing was there")]
    return Ruling.of((), doubts, measures)
