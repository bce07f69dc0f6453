"""Any history the types allow, likely or not, for properties that hold for all of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from stickyconf.checks import all_checks
from stickyconf.checks.refusals import LACKING, REFUSED
from stickyconf.model import Answered, Event, Exchange, Happening, History, Outcome, Refused, Setup, Unknown
from tests.histories import affinity, annotation, cookie, drain, drain_page, policies, spread, sticky_page
from tests.histories.conforming import PROGRAMMED
from tests.histories.ends import bereft, rotation
from tests.histories.forgery import forgery
from tests.histories.rush import rush
from tests.histories.tape import GATEWAY, PODS, logged

ARMS = tuple(
    dict.fromkeys(arm for check in all_checks().values() for arm in (*check.arms, "probe", "library-jar") if arm != "*")
)
"""Every arm that some check reads, the arm of probes, and that of a jar, which is read among all."""
NAMED = (*REFUSED, LACKING, f"Service/{LACKING}", f"httproute.sticky.{REFUSED[0]}.0", f"KongUpstreamPolicy/{LACKING}")
SUBJECTS = (
    *PODS,
    "echo-d",
    "how-to",
    "cookie-path-left-out",
    "http2",
    "weight 0",
    "HTTPRoute/echo",
    "HTTPRoute/other-00",
    "httproute.sticky.echo.0",
)
STEPS = ("pods", "initial-request", "repeat-requests", "spread", "terminating", "open-sessions", "new-sessions")
PATHS = ("/", "/cart", "/?status=404", "/?status=teapot", "/?set-cookie=a%3D1", "/?status=&set-cookie=", "/app/x")

words = st.text(max_size=8)
moments = st.floats(0, 10, allow_nan=False)
pods = st.sampled_from((*PODS, "echo-d", "echo-stranger"))
set_cookies = st.builds(
    "{}={}{}".format,
    st.sampled_from(("session_id", "app", "", "session_id2")),
    words,
    st.sampled_from(
        ("", "; Path=/", "; path=/app; HttpOnly", "; Max-Age=--5", "; Expires", ";;=;", "; Path=/; Secure")
    ),
)
headers = st.lists(st.tuples(st.sampled_from(("Set-Cookie", "set-cookie", "Date")), set_cookies | words), max_size=3)
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Answered, st.integers(100, 599), headers.map(tuple), pods | st.none()),
    st.builds(Refused, words),
    st.builds(Unknown, words),
)
cookie_fields = st.lists(
    st.sampled_from(("session_id=at-echo-a", "a=b; session_id=x; c", "theme=dark", "", ";;", "session_id", "=")),
    max_size=3,
)
specs = st.sampled_from(
    (
        "null",
        "{}",
        '{"stickySessions": null}',
        '{"stickySessions": {"cookiePath": "/app"}}',
        '{"algorithm": "sticky-sessions", "hash_on": "none"}',
    )
)
statuses = st.sampled_from(("null", "{}", json.dumps(PROGRAMMED), '{"ancestors": [{}, {"conditions": [{}]}]}'))
numbers = st.sampled_from(("0", "1", "100"))
flags = st.sampled_from(("true", "false"))

# What the recorder writes with each kind of event.
DETAILS: dict[Happening, dict[str, st.SearchStrategy[str]]] = {
    Happening.APPLIED: {"submitted": specs, "stored": specs},
    Happening.REJECTED: {"code": st.sampled_from(("400", "403", "422")), "reason": words, "message": words},
    Happening.RAN: {
        "command": words,
        "verbatim": flags,
        "exit": st.sampled_from(("0", "1", "timeout")),
        "stdout": words | st.sampled_from(("s1 Running on Pod echo-a.\n", " \n", "set-cookie: session_id=1; Path=/\n")),
        "stderr": words,
    },
    Happening.ENDPOINT: {"ready": flags, "serving": flags, "terminating": flags, "service": words},
    Happening.CONNECTED: {"peer": words},
    Happening.PODS_READY: {"pods": st.lists(pods, max_size=4).map(json.dumps)},
    Happening.UPSTREAM: {"gateway": st.sampled_from((GATEWAY, "other")), "upstream": specs},
    Happening.TARGET: {"gateway": st.sampled_from((GATEWAY, "other")), "weight": numbers, "address": words},
    Happening.TARGET_REMOVED: {"gateway": st.sampled_from((GATEWAY, "other"))},
    Happening.UNCONVERGED: {"budget": words, "last": words},
    Happening.MISSED: {"budget": words, "last": words},
    Happening.SILENT: {"seconds": words},
    Happening.DEVIATED: {"opened": words, "told": words},
    Happening.TALLIED: {
        **dict.fromkeys(("requests", "strays", "failures", "unknown", "fewest"), numbers),
        "control": st.dictionaries(pods, st.integers(0, 40), max_size=3).map(json.dumps),
    },
    Happening.SETTLED: {"seconds": st.sampled_from(("0.012", "7.100"))},
    Happening.UNSETTLED: {
        "asked": words,
        "connections": numbers,
        "seconds": st.sampled_from(("10.012", "7.100")),
        "last": words,
        "request": words,
    },
    Happening.UNSUPPORTED: {"reason": words},
    Happening.STATUS: {"status": statuses},
    Happening.ANNOTATED: {"annotation": words},
    Happening.CLUSTER_EVENT: {"type": words, "reason": words, "message": words},
    Happening.READINESS: {"passes": flags},
    Happening.ANSWERING: {"status": st.sampled_from(("503", "200"))},
    Happening.CHANGED: {"how": st.sampled_from(("created", "edited", "deleted")), "cookie": words},
}


@st.composite
def events(draw: st.DrawFn) -> Event:
    what = draw(st.sampled_from(Happening))
    subject = draw(st.sampled_from(STEPS if what is Happening.RAN else SUBJECTS))
    detail = draw(st.fixed_dictionaries(DETAILS.get(what, {})))
    return Event(what, subject, draw(moments), detail)


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    arm, sent = draw(st.sampled_from(ARMS)), draw(moments)
    return Exchange(
        seq=0,
        arm=arm,
        session=f"{arm}-{draw(st.integers(0, 2))}",
        connection=draw(st.sampled_from(("", "one", "two"))),
        gateway=draw(words),
        sent=sent,
        received=sent + draw(st.floats(0, 5, allow_nan=False)),
        protocol=draw(st.sampled_from(("", "HTTP/1.1", "HTTP/2"))),
        method=draw(st.sampled_from(("GET", "HEAD", "PATCH"))),
        path=draw(st.sampled_from(PATHS)),
        request_id=draw(words),
        cookie_fields=tuple(draw(cookie_fields)),
        outcome=draw(outcomes),
        host=draw(words),
    )


setups = st.builds(
    Setup,
    name=words,
    started=words,
    suite=words,
    target=words,
    implementation=words,
    versions=st.dictionaries(words, words, max_size=2),
    namespace=words,
    host=words,
    cookie=st.just("session_id"),
    cookie_path=st.sampled_from(("/", "/app")),
    policy=st.dictionaries(words, words | st.integers() | st.dictionaries(words, words, max_size=1), max_size=2),
    drain=st.booleans(),
    pods=st.sampled_from(((), PODS[:1], PODS[:2], PODS, (*PODS, "echo-d"))),
    gateways=st.sampled_from(((), (GATEWAY,), (GATEWAY, "other"))),
    seed=st.integers(),
    tempo=st.fixed_dictionaries({"sync": moments, "hold": moments, "grace": moments}),
    plan=st.dictionaries(
        st.sampled_from([f"{arm}.requests" for arm in ARMS]), st.floats(0, 9, allow_nan=False), max_size=3
    ),
    lateness=moments,
)


def history_of(setup: Setup, made: list[Exchange], happened: list[Event]) -> History:
    """Put these into one order, numbered as the recorder numbers them."""
    ordered = sorted(made, key=lambda exchange: exchange.sent)
    numbered = tuple(replace(exchange, seq=number) for number, exchange in enumerate(ordered, start=1))
    return History(setup, numbered, tuple(sorted(happened, key=lambda event: event.when)), logged(numbered))


histories: st.SearchStrategy[History] = st.builds(
    history_of, setups, st.lists(exchanges(), max_size=12), st.lists(events(), max_size=8)
)

CONFORMING = (
    *(affinity(), cookie(), spread(), annotation(), policies(), sticky_page(), drain_page()),
    *(drain(), drain(by="scale"), drain(support=False), rotation(), rush(), forgery()),
    *(bereft(of="removed"), bereft(of="killed"), bereft(of="dead")),
)


@st.composite
def spoilt_histories(draw: st.DrawFn) -> History:
    """A conforming history in which anything may have become of a few exchanges and events."""
    history = draw(st.sampled_from(CONFORMING))
    made: list[Any] = list(history.exchanges)
    for exchange in draw(st.lists(exchanges(), max_size=6)) if made else ():
        number = draw(st.integers(0, len(made) - 1))
        kept = {"arm": made[number].arm, "session": made[number].session} if draw(st.booleans()) else {}
        made[number] = replace(exchange, sent=made[number].sent, received=made[number].received, **kept)
    happened = [event for event in history.events if draw(st.integers(0, 9))] + draw(st.lists(events(), max_size=2))
    return history_of(history.setup, made, happened)
