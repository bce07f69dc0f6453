"""Edits of a history, one line each: which exchanges, and what is different about them.

``edited(affinity(), nth("pinned", 14), reaches("echo-c"))`` is the same history, but for the 15th pinned request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from stickyconf.model import Answered, Event, Exchange, Happening, History, Refused, Unknown
from tests.histories.tape import logged

Pick = Callable[[History], Iterable[Exchange]]
Change = Callable[[Exchange], Exchange]


def edited(history: History, pick: Pick, *changes: Change) -> History:
    """Change the picked exchanges; ValueError where nothing was picked, so that no edit is an edit of nothing."""
    chosen = {exchange.seq for exchange in pick(history)}
    if not chosen:
        raise ValueError("this edit changes nothing")
    exchanges = []
    for exchange in history.exchanges:
        for change in changes if exchange.seq in chosen else ():
            exchange = change(exchange)
        exchanges.append(exchange)
    return replace(history, exchanges=tuple(exchanges), sightings=logged(tuple(exchanges)))


# Which.


def every(*arms: str, where: Callable[[Exchange], bool] = lambda _: True) -> Pick:
    """Pick the exchanges of these arms (of all, where none is named) that are like this."""
    return lambda history: [e for e in history.exchanges if (not arms or e.arm in arms) and where(e)]


def nth(arm: str, number: int, where: Callable[[Exchange], bool] = lambda _: True) -> Pick:
    """Pick the exchange of this number, counted from 0, in an arm."""
    return lambda history: [[e for e in history.arm(arm) if where(e)][number]]


def openings(arm: str) -> Pick:
    """Pick the first exchange of each session of an arm."""
    return lambda history: [exchanges[0] for exchanges in history.sessions(arm).values()]


def follow_ups(arm: str) -> Pick:
    """Pick all but the first exchange of each session of an arm."""
    return lambda history: [e for exchanges in history.sessions(arm).values() for e in exchanges[1:]]


def visits_of(arm: str, pod: str, where: Callable[[Exchange], bool] = lambda _: True) -> Pick:
    """Pick the exchanges of the sessions of an arm that were opened on a pod."""
    return lambda history: [e for own in history.sessions(arm).values() if own[0].pod == pod for e in own if where(e)]


def between(start: float, end: float) -> Callable[[Exchange], bool]:
    """Whether an exchange was sent in this time."""
    return lambda exchange: start < exchange.sent < end


# What is different.


def reaches(pod: str) -> Change:
    """Let another pod serve it."""
    return lambda exchange: replace(exchange, outcome=replace(_answer(exchange), pod=pod))


def by_gateway(status: int) -> Change:
    """Let the gateway answer it by itself."""
    return lambda exchange: replace(exchange, outcome=Answered(status, (), None))


def by_somebody_else(exchange: Exchange) -> Exchange:
    """Let another server than the gateway answer it."""
    return replace(exchange, outcome=Answered(404, (("server", "elsewhere"),), None))


def refused(exchange: Exchange) -> Exchange:
    """Let it fail below HTTP."""
    return replace(exchange, outcome=Refused("ReadError: connection reset"))


def unconnected(exchange: Exchange) -> Exchange:
    """Let its connection be refused, so that the gateway never had it."""
    return replace(exchange, outcome=Refused("ConnectError: connection refused"))


def unknown(exchange: Exchange) -> Exchange:
    """Let nobody know what came of it."""
    return replace(exchange, outcome=Unknown("ReadTimeout after 15 s"))


def answered(status: int) -> Change:
    """Let the pod answer with another status."""
    return lambda exchange: replace(exchange, outcome=replace(_answer(exchange), status=status))


def setting(field: str) -> Change:
    """Add a Set-Cookie field to the response."""
    return lambda exchange: _with_headers(exchange, (*_answer(exchange).headers, ("Set-Cookie", field)))


def meant_for(request_id: str) -> Change:
    """Let the answer say that it is to another request."""
    return lambda exchange: _with_headers(exchange, (*_answer(exchange).headers, ("Echo-Request-Id", request_id)))


def without_cookie(name: str = "session_id") -> Change:
    """Drop the Set-Cookie fields of this name from the response."""
    return lambda exchange: _with_headers(
        exchange, [header for header in _answer(exchange).headers if not header[1].startswith(f"{name}=")]
    )


def rewriting(old: str, new: str) -> Change:
    """Replace a text in the response's headers."""
    return lambda exchange: _with_headers(
        exchange, [(key, value.replace(old, new)) for key, value in _answer(exchange).headers]
    )


def sending(*cookie_fields: str) -> Change:
    """Let the request carry these Cookie fields."""
    return lambda exchange: replace(exchange, cookie_fields=cookie_fields)


def having(**fields: Any) -> Change:
    """Give the exchange other fields."""
    return lambda exchange: replace(exchange, **fields)


def _answer(exchange: Exchange) -> Answered:
    if not isinstance(exchange.outcome, Answered):
        raise TypeError(f"{exchange.told()}: only an answer can be edited")
    return exchange.outcome


def _with_headers(exchange: Exchange, headers: Iterable[tuple[str, str]]) -> Exchange:
    return replace(exchange, outcome=replace(_answer(exchange), headers=tuple(headers)))


# Histories, events, set-up.


def without(history: History, what: Happening, subject: str | None = None) -> History:
    """Leave out events of one kind."""
    kept = tuple(event for event in history.events if event not in history.happened(what, subject))
    if len(kept) == len(history.events):
        raise ValueError("this edit changes nothing")
    return replace(history, events=kept)


def plus(history: History, what: Happening, subject: str, when: float, **detail: str) -> History:
    """Add an event."""
    events = sorted((*history.events, Event(what, subject, when, detail)), key=lambda event: event.when)
    return replace(history, events=tuple(events))


def lapsing(history: History, pod: str, since: float = 1.0, until: float = 2.0) -> History:
    """Let a pod's endpoint not be ready for a while."""
    down = plus(history, Happening.ENDPOINT, pod, since, ready="false", serving="false", terminating="false")
    return plus(down, Happening.ENDPOINT, pod, until, ready="true", serving="true", terminating="false")


def shifted(history: History, what: Happening, by: float, subject: str | None = None) -> History:
    """Move events of one kind in time."""
    moved = {id(event) for event in history.happened(what, subject)}
    events = [replace(event, when=event.when + by) if id(event) in moved else event for event in history.events]
    return replace(history, events=tuple(sorted(events, key=lambda event: event.when)))


def told(history: History, what: Happening, subject: str | None = None, **detail: str) -> History:
    """Change details of events of one kind."""
    if not history.happened(what, subject):
        raise ValueError("this edit changes nothing")
    return replace(
        history,
        events=tuple(
            replace(event, detail={**event.detail, **detail})
            if event.what is what and subject in (None, event.subject)
            else event
            for event in history.events
        ),
    )


def only(history: History, pick: Pick) -> History:
    """Keep the picked exchanges only."""
    exchanges = tuple(pick(history))
    return replace(history, exchanges=exchanges, sightings=logged(exchanges))


def lacking(history: History, *arms: str) -> History:
    """Leave out arms of the experiment."""
    return only(history, every(where=lambda exchange: exchange.arm not in arms))


def arranged(history: History, **setup: Any) -> History:
    """Give the history another set-up."""
    return replace(history, setup=replace(history.setup, **setup))


def planned(history: History, **plan: float) -> History:
    """Change the plan: ``pinned_requests=9`` is what was planned as pinned.requests."""
    named = {name.replace("__", "-").replace("_", ".", 1): value for name, value in plan.items()}
    return arranged(history, plan={**history.setup.plan, **named})


def unconverged(history: History) -> History:
    """Let a change never have arrived on the gateway."""
    return plus(history, Happening.UNCONVERGED, "httproute.sticky.echo.0", 0.05, budget="programmed", last="nothing")


def unsettled(history: History, pick: Pick, subject: str, *changes: Change, asked: str = "act on it") -> History:
    """Let an exchange be one that a worker answered which was still behind when it had had all its time."""
    [late] = pick(history)
    history = edited(history, lambda _: [late], having(arm="probe"), *changes)
    return without_agreement(history, subject, late.received, asked=asked, request=late.request_id)


def without_agreement(
    history: History, subject: str, when: float, *, asked: str = "act on it", request: str = ""
) -> History:
    """Let so many connections in a row not have agreed; without a request, for another reason than a worker behind."""
    detail = {"workers": "4", "connections": "75", "seconds": "10.250", "last": "0 of 75 connections in row 9"}
    return plus(history, Happening.UNSETTLED, subject, when, asked=asked, request=request, **detail)
