"""Sessions beside what is changed around them: routes and Services, their own route, annotation and policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import inf

from stickyconf.checks.declared import check
from stickyconf.checks.ending import residents
from stickyconf.checks.evidence import (
    Evidence,
    judge_staying,
    pods_reached,
    served_sessions,
    strays,
    tested_too_little,
    unconverged,
    unknown_outcomes,
)
from stickyconf.checks.moves import without_a_session
from stickyconf.checks.spread import unsticky_traffic
from stickyconf.model import Event, Exchange, Finding, Happening, History, Measure, Ruling, Sessions
from stickyconf.stats import Spread

CHANGE_HEADER = "x-change"
ROUTE = "HTTPRoute/echo"
INSERTED = "inserted"


@check("LIF-07", arms=("resident", "change"))
def unrelated_changes_move_nobody(history: History) -> Ruling:
    """No session moves when other routes, Services and plugins are added and removed.

    Exposure: each change was seen in an answer of its own, and every session was visited after the last was there, and
    after the last had gone.
    """
    created, deleted = _changed(history, "created"), _changed(history, "deleted")
    edited = _edited(history)
    before = edited.when if edited else inf
    created = {name: event for name, event in created.items() if event.when < before}
    deleted = {name: event for name, event in deleted.items() if event.when < before}
    evidence = Evidence(doubts=unconverged(history))
    if not created or not deleted:
        evidence.doubts.append(Finding("routes to be added and removed", f"{len(created)}, {len(deleted)} were"))
        return evidence.ruling()
    there = [_answered(history, name, event.when) for name, event in created.items()]
    gone = [_unanswered(history, name, event.when) for name, event in deleted.items()]
    for what, moments in (("to answer", there), ("to be gone", gone)):
        unseen = sum(moment is None for moment in moments)
        if unseen:
            evidence.doubts.append(Finding(f"each of {len(moments)} changes {what}", f"{unseen} were not seen to"))
    sessions = {name: [e for e in own if e.sent < before] for name, own in residents(history).items()}
    _judge_residents(history, {name: own for name, own in sessions.items() if own}, evidence)
    first = min(event.when for event in deleted.values())
    live, over = (max((moment for moment in moments if moment), default=inf) for moments in (there, gone))
    _require_visits(sessions, live, first, "while every change was live", evidence)
    _require_visits(sessions, over, before, "after every change had gone", evidence)
    evidence.measures += [Measure("routes added", len(created)), Measure("routes removed", len(deleted))]
    return evidence.ruling()


@check("LIF-08", arms=("resident", "change"))
def an_edited_route_moves_nobody(history: History) -> Ruling:
    """No session moves when a rule is put before the one that it uses.

    Exposure: the new rule was seen in an answer of its own, and every session was visited after that.
    """
    edited = _edited(history)
    evidence = Evidence(doubts=unconverged(history))
    if edited is None:
        evidence.doubts.append(Finding(f"{ROUTE} to be edited", "it was not"))
        return evidence.ruling()
    live = _answered(history, INSERTED, edited.when, host="")
    if live is None:
        evidence.doubts.append(Finding("the inserted rule to answer", "it was not seen to"))
    sessions = {name: list(_around(own, edited.when)) for name, own in residents(history).items()}
    _judge_residents(history, {name: own for name, own in sessions.items() if own}, evidence)
    _require_visits(sessions, inf if live is None else live, inf, "after the inserted rule had answered", evidence)
    return evidence.ruling()


def _changed(history: History, how: str) -> dict[str, Event]:
    """Return the other routes that were created, or deleted, by name."""
    return {
        event.subject.partition("/")[2]: event
        for event in history.happened(Happening.CHANGED)
        if event.detail["how"] == how and event.subject != ROUTE
    }


def _edited(history: History) -> Event | None:
    return next((e for e in history.happened(Happening.CHANGED, ROUTE) if e.detail["how"] == "edited"), None)


def _around(exchanges: Sequence[Exchange], moment: float) -> Iterator[Exchange]:
    """Yield what a session sent after a moment, and before that its last request that a pod had served by then."""
    before = [exchange for exchange in exchanges if exchange.pod and exchange.received < moment]
    yield from before[-1:]
    yield from (exchange for exchange in exchanges if before and exchange.sent > before[-1].sent)


def _answered(history: History, name: str, since: float, host: str = "*") -> float | None:
    """Return when a change was first seen in an answer; None if it never was."""
    return next(
        (
            exchange.received
            for exchange in history.arm("change")
            if exchange.sent > since
            and exchange.answer
            and exchange.pod
            and exchange.answer.header(CHANGE_HEADER) == name
            and (host == "*" or exchange.host in (host, history.setup.host))
        ),
        None,
    )


def _unanswered(history: History, name: str, since: float) -> float | None:
    """Return when the gateway first had no route for a change any more; None if that was never seen."""
    hosts = {f"{name}.{history.setup.host}"}
    return next(
        (
            exchange.received
            for exchange in history.arm("change")
            if exchange.sent > since and exchange.host in hosts and exchange.answer and exchange.pod is None
        ),
        None,
    )


def _judge_residents(history: History, sessions: Sessions, evidence: Evidence) -> None:
    """Look for sessions that moved or failed; exposure: every pod held one from the start."""
    visits = [exchange for exchanges in sessions.values() for exchange in exchanges]
    judge_staying(history, sessions, evidence)
    first = min((event.when for event in history.happened(Happening.CHANGED)), default=inf)
    evidence.doubts += [*without_a_session(history, first), *unknown_outcomes(visits)]
    evidence.measures.append(Measure("sessions that stayed", len(sessions)))


def _require_visits(sessions: Sessions, since: float, until: float, when: str, evidence: Evidence) -> None:
    """Note as a doubt if a session was not visited in this time."""
    unvisited = [name for name, own in sessions.items() if not any(since < e.sent < until for e in own)]
    if unvisited or not sessions:
        found = f"{len(unvisited)} were not, among them {unvisited[0]}" if unvisited else "there was none"
        evidence.doubts.append(Finding(f"every session to be visited {when}", found))


@check("LIF-06", arms=("attached", "detached", "again"), design=Spread(alpha=1e-8))
def annotation_can_be_taken_away_and_given_back(history: History, design: Spread) -> Ruling:
    """Without the annotation no cookie is set and old ones do not pin; once it is set again, sessions are pinned.

    Exposure: the same clients were pinned before, and sent their old cookies in between and afterwards.
    """
    evidence = unsticky_traffic(history, "detached", design)
    evidence.doubts += [
        *_unpinned(history, "attached"),
        *_cookieless(history, "detached", history.setup.cookie),
        *_cookieless(history, "again", history.setup.cookie),
        *tested_too_little(history, ["again"]),
        *unknown_outcomes(history.arm("again")),
        *_not_between(history, Happening.ANNOTATED, "attached", "detached", lambda e: not e.detail["annotation"]),
        *_not_between(history, Happening.ANNOTATED, "detached", "again", lambda e: bool(e.detail["annotation"])),
    ]
    judge_staying(history, history.sessions("again"), evidence)
    if not any(exchange.pod for exchange in history.arm("again")):
        evidence.doubts.append(Finding("sessions once the annotation is set again", "none was served"))
    before = {session: exchanges[0].pod for session, exchanges in served_sessions(history, "attached").items()}
    back = sum(before.get(name) == own[0].pod for name, own in served_sessions(history, "again").items())
    evidence.measures.append(Measure("sessions that came back to their first pod", back))
    return evidence.ruling()


@check("CKE-10", arms=("old", "old-name", "new-name"), design=Spread(alpha=1e-8))
def a_renamed_cookie_takes_over(history: History, design: Spread) -> Ruling:
    """Once the policy's cookie is renamed, new clients get the new name, which pins, and the old one pins no more.

    Exposure: the old name pinned before, its cookies were sent afterwards, and new clients came to several pods.
    """
    evidence = unsticky_traffic(history, "old-name", design)
    renamed = [event for event in history.happened(Happening.CHANGED) if event.detail.get("cookie")]
    if not renamed:
        evidence.doubts.append(Finding("the cookie to be renamed", "it was not"))
        return evidence.ruling()
    name = renamed[0].detail["cookie"]
    new = replace(history, setup=replace(history.setup, cookie=name))
    sessions = history.sessions("new-name")
    judge_staying(history, sessions, evidence)
    for session, exchanges in sessions.items():
        first = exchanges[0]
        if first.pod and first.answer and not first.answer.set_cookies(name):
            evidence.violations.append(Finding(f"{session} to get the cookie {name}", first.told(), (first.seq,)))
    evidence.doubts += [
        *_unpinned(history, "old"),
        *_cookieless(history, "old-name", history.setup.cookie),
        *tested_too_little(new, ["new-name"]),
        *unknown_outcomes(history.arm("new-name")),
        *_not_between(history, Happening.CHANGED, "old", "old-name", lambda e: e in renamed),
        *_not_between(history, Happening.CHANGED, "old", "new-name", lambda e: e in renamed),
    ]
    if len(pods_reached(own[0] for own in sessions.values())) < 2:
        evidence.doubts.append(Finding("new clients on at least 2 pods", "fewer"))
    return evidence.ruling()


def _unpinned(history: History, arm: str) -> list[Finding]:
    """Return doubts if the cookies of an arm were not shown to pin: sessions that moved, or too few requests."""
    moved = [Finding(f"sessions pinned in the arm {arm}", found.actual) for found in strays(history.sessions(arm))]
    return [*moved[:1], *tested_too_little(history, [arm]), *unknown_outcomes(history.arm(arm))]


def _cookieless(history: History, arm: str, cookie: str) -> list[Finding]:
    """Return a doubt if requests of an arm came without the cookie."""
    without = [exchange for exchange in history.arm(arm) if not exchange.carried(cookie)]
    return [Finding(f"every request of the arm {arm} to carry {cookie}", f"{len(without)} did not")] if without else []


def _not_between(
    history: History, what: Happening, earlier: str, later: str, wanted: Callable[[Event], bool]
) -> list[Finding]:
    """Return a doubt if nothing of this kind happened after the requests of one arm and before those of another."""
    last = max((exchange.received for exchange in history.arm(earlier)), default=0.0)
    first = min((exchange.sent for exchange in history.arm(later)), default=last)
    if any(last <= event.when <= first for event in history.happened(what) if wanted(event)):
        return []
    return [Finding(f"the change between the arms {earlier} and {later}", "it was not seen there")]
