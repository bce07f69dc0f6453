"""Sessions while controller and gateway are restarted, upgraded and scaled: nobody of their clients notices."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import inf

from stickyconf.checks.declared import check
from stickyconf.checks.ending import residents
from stickyconf.checks.evidence import (
    Evidence,
    incomplete,
    judge_staying,
    one_pod_opened,
    opener,
    pods_reached,
    unconverged,
    unknown_outcomes,
)
from stickyconf.checks.moves import without_a_session
from stickyconf.model import (
    Event,
    Exchange,
    Finding,
    Happening,
    History,
    Measure,
    Refused,
    Ruling,
    Sessions,
    Unknown,
)

CONTROLLER, GATEWAY = "Controller/", "Gateway/"
"""How the subjects of acts on them begin; the act's name follows: restart, upgrade, or scale."""

DIRECT, CROSSING, STRANGER = "direct", "crossing", "stranger"
MOST_STRANGERS = 12
"""New sessions after the gateway's replicas were replaced; to reach two pods is what they are for."""


@check("ROB-04", arms=("resident",))
def controller_restart_is_not_noticed(history: History) -> Ruling:
    """The controller is restarted under load: no session moves, and no request fails.

    Exposure: every pod held a session, all were visited while the controller was replaced, and a change that was made
    afterwards reached the gateway.
    """
    return _unnoticed(history, CONTROLLER, "restart")


@check("UPG-01", arms=("resident",))
def controller_upgrade_is_not_noticed(history: History) -> Ruling:
    """The controller is upgraded under load: no session moves, and no request fails. Exposure: as for a restart."""
    return _unnoticed(history, CONTROLLER, "upgrade")


@check("UPG-02", arms=("resident",))
def gateway_upgrade_is_not_noticed(history: History) -> Ruling:
    """Every gateway replica is upgraded under load: no session moves, and no request fails.

    Exposure: every pod held a session, all were visited while the replicas were replaced by ones of another release.
    """
    return _unnoticed(history, GATEWAY, "upgrade")


def _unnoticed(history: History, part: str, by: str) -> Ruling:
    """Look at the residents from the moment that a part is replaced until something else is done to it."""
    evidence = Evidence(doubts=unconverged(history))
    refusals = [event for event in history.happened(Happening.UNSUPPORTED) if event.subject == f"{part}{by}"]
    if refusals:
        return Ruling.not_applicable(refusals[0].detail.get("reason", "it cannot be done here"))
    began = [event.when for event in history.happened(Happening.DELETED) if event.subject == f"{part}{by}"]
    replaced = [event for event in _replacements(history, part) if event.detail.get("by") == by]
    if not began or not replaced:
        evidence.doubts.append(Finding(f"the {_name(part)} to be replaced by a {by}", "it was not"))
        return evidence.ruling()
    until = _next_act(history, part, began[0])
    sessions = {
        session: [exchange for exchange in exchanges if exchange is exchanges[0] or began[0] <= exchange.sent < until]
        for session, exchanges in residents(history).items()
    }
    judge_staying(history, sessions, evidence)
    visits = [exchange for exchanges in sessions.values() for exchange in exchanges]
    evidence.doubts += [*without_a_session(history, began[0]), *unknown_outcomes(visits)]
    evidence.doubts += [
        *_not_replaced(replaced[0], by),
        *_not_visited(sessions, "while it was replaced", began[0], replaced[0].when),
        *_not_visited(sessions, "afterwards", replaced[0].when),
    ]
    if part == CONTROLLER:
        pushed = [one for one in history.happened(Happening.CONVERGED) if replaced[0].when < one.when < until]
        if not pushed:
            evidence.doubts.append(Finding(f"a change after the {by} to reach the gateway", "none was seen to"))
    evidence.measures += [
        Measure("replaced in", round(replaced[0].when - began[0], 2), "s"),
        Measure("requests meanwhile", sum(began[0] <= one.sent <= replaced[0].when for one in visits)),
        Measure("releases", f"{_images(replaced[0], 'before')} -> {_images(replaced[0], 'after')}"),
    ]
    return evidence.ruling()


def _name(part: str) -> str:
    return part.rstrip("/").lower()


def _replacements(history: History, part: str) -> list[Event]:
    return [event for event in history.happened(Happening.REPLACED) if event.subject == part.rstrip("/")]


def _next_act(history: History, part: str, after: float) -> float:
    acts = (event for event in history.happened(Happening.DELETED) if event.subject.startswith(part))
    return min((event.when for event in acts if event.when > after), default=inf)


def _pods(event: Event, when: str) -> dict[str, str]:
    """Return name -> image of the pods before or after a replacement."""
    pods = json.loads(event.detail.get(when, "{}"))
    return {str(name): str(image) for name, image in pods.items()} if isinstance(pods, dict) else {}


def _images(event: Event, when: str) -> str:
    return ", ".join(sorted(set(_pods(event, when).values()))) or "unknown"


def _not_replaced(event: Event, by: str) -> list[Finding]:
    """Return a doubt if a pod is still there, and after an upgrade also if its image is."""
    before, after = _pods(event, "before"), _pods(event, "after")
    stayed = sorted(before.keys() & after.keys())
    if stayed or not before or not after:
        actual = f"{', '.join(stayed)} stayed" if stayed else "none is known"
        return [Finding(f"every pod of the {event.subject.lower()} to be replaced", actual)]
    same = set(before.values()) & set(after.values())
    if by == "upgrade" and same:
        return [Finding(f"another release of the {event.subject.lower()}", f"{', '.join(sorted(same))} again")]
    return []


def _not_visited(sessions: Sessions, what: str, start: float, end: float = inf) -> list[Finding]:
    """Return a doubt for sessions without a visit in a time."""
    unvisited = [name for name, own in sessions.items() if not any(start < one.sent < end for one in own)]
    if sessions and not unvisited:
        return []
    found = f"{len(unvisited)} were not, among them {unvisited[0]}" if unvisited else "there was none"
    return [Finding(f"every session to be visited {what}", found)]


@check("ROB-05", arms=("resident", STRANGER))
def cookie_outlives_the_gateway(history: History) -> Ruling:
    """Every gateway replica is replaced: an old cookie leads to the same pod.

    A connection that ends without an answer, gets none in time, or finds another server, is counted, not judged: it may
    have been to a replica that is taken away. If no pod served the session again after a time-out, that is a doubt.
    Exposure: no replica is left of those before, every session was visited afterwards with the cookie that it had
    before, and new sessions reached more than one pod.
    """
    evidence = Evidence(doubts=unconverged(history))
    replaced = _replacements(history, GATEWAY)
    if not replaced:
        evidence.doubts.append(Finding("every gateway replica to be replaced", "they were not"))
        return evidence.ruling()
    cookie, when = history.setup.cookie, replaced[0].when
    began = min((e.when for e in history.happened(Happening.DELETED) if e.subject.startswith(GATEWAY)), default=0.0)
    sessions = {
        session: [one for one in exchanges if one is exchanges[0] or (one.sent > when and one.carried(cookie))]
        for session, exchanges in residents(history).items()
    }
    lost = {one.seq for own in sessions.values() for one in own if _lost(one, own)}
    sessions = {name: [one for one in own if one.seq not in lost] for name, own in sessions.items()}
    judge_staying(history, sessions, evidence)
    visits = [exchange for exchanges in sessions.values() for exchange in exchanges]
    strangers = history.arm(STRANGER)
    reached = pods_reached(exchange for exchange in strangers if exchange.sent > when)
    if len(reached) < 2:
        evidence.doubts.append(Finding("new sessions on at least 2 pods afterwards", f"on {len(reached)}"))
    evidence.doubts += [*_not_replaced(replaced[0], "restart"), *_not_visited(sessions, "with its old cookie", when)]
    evidence.doubts += [*without_a_session(history, began), *unknown_outcomes([*visits, *strangers])]
    evidence.measures.append(Measure("sessions with a cookie of the gateways before", len(sessions)))
    evidence.measures.append(Measure("requests of theirs without an answer of the gateway", len(lost)))
    return evidence.ruling()


def _lost(exchange: Exchange, own: Sequence[Exchange]) -> bool:
    """Whether the gateway did not answer a request of a session, as far as that may be the network's doing."""
    if isinstance(exchange.outcome, Unknown):
        return any(one.pod and one.sent > exchange.sent for one in own)
    return isinstance(exchange.outcome, Refused) or exchange.foreign


@check("ROB-06", arms=(CROSSING,))
def replicas_honour_each_others_cookies(history: History) -> Ruling:
    """A cookie that one gateway replica set leads to the same pod through every other.

    Exposure: at least two replicas answered, each asked by its own address; sessions were opened at each, and on more
    than one pod.
    """
    evidence = Evidence(doubts=unconverged(history))
    refusals = [event for event in history.happened(Happening.UNSUPPORTED) if event.subject == f"{GATEWAY}scale"]
    if refusals:
        return Ruling.not_applicable(refusals[0].detail.get("reason", "it cannot be done here"))
    sessions = history.sessions(CROSSING)
    judge_staying(history, sessions, evidence)
    asked = {exchange.gateway for exchange in history.arm(CROSSING) if exchange.pod}
    opened = {first.gateway for exchanges in sessions.values() if (first := opener(exchanges))}
    if len(asked) < 2 or opened != asked:
        evidence.doubts.append(
            Finding("sessions opened at each of at least 2 gateway replicas", f"{len(opened)} of {len(asked)}")
        )
    bare = [e for own in sessions.values() for e in own[1:] if not e.carried(history.setup.cookie)]
    if bare:
        evidence.doubts.append(Finding("every request after a session's first to carry its cookie", bare[0].told()))
    evidence.doubts += [
        *incomplete(history, [CROSSING]),
        *one_pod_opened(history, [CROSSING]),
        *unknown_outcomes(history.arm(CROSSING)),
    ]
    evidence.measures.append(Measure("gateway replicas asked", len(asked)))
    return evidence.ruling()


@check("LIF-11", arms=("resident", DIRECT))
def new_replica_serves_from_the_first(history: History) -> Ruling:
    """The gateway is scaled up under traffic: no replica answers 404 or leads a session elsewhere once it takes part.

    Exposure: at least two new replicas were asked by their own addresses as soon as they were ready, with cookies that
    others had set, and every pod held a session.
    """
    evidence = Evidence(doubts=unconverged(history))
    refusals = [event for event in history.happened(Happening.UNSUPPORTED) if event.subject == f"{GATEWAY}scale"]
    if refusals:
        return Ruling.not_applicable(refusals[0].detail.get("reason", "it cannot be done here"))
    scaled = [event.when for event in history.happened(Happening.SCALED) if event.subject == f"{GATEWAY}scale"]
    if not scaled:
        evidence.doubts.append(Finding("the gateway to be scaled up", "it was not"))
        return evidence.ruling()
    until = _next_act(history, GATEWAY, scaled[0])
    judge_staying(history, _until(residents(history), until), evidence)
    homes, direct = _homes(history), history.arm(DIRECT)
    telling = 0
    for exchange in direct:
        home = next((pod for pair in exchange.cookie_pairs if (pod := homes.get(pair))), None)
        telling += bool(home and exchange.pod)
        if exchange.unserved or (home and exchange.pod and exchange.pod != home):
            wanted = f"a session of {home} to be led there" if home else "a new session to be served"
            found = Finding(f"{wanted} by a replica that is ready", exchange.told(), (exchange.seq,))
            (evidence.doubts if exchange.foreign else evidence.violations).append(found)
    asked = {exchange.gateway for exchange in direct}
    if len(asked) < 2 or not telling:
        few = f"{len(asked)} were, by {telling} requests"
        evidence.doubts.append(Finding("2 new replicas to be asked with cookies that others had set", few))
    evidence.doubts += [*without_a_session(history, scaled[0]), *unknown_outcomes(direct)]
    evidence.measures.append(Measure("requests to new replicas with cookies of others", telling))
    return evidence.ruling()


def _until(sessions: Sessions, moment: float) -> dict[str, list[Exchange]]:
    return {name: [one for one in exchanges if one.sent < moment] for name, exchanges in sessions.items()}


def _homes(history: History) -> dict[str, str]:
    """Return "name=value" of every cookie that a resident was given -> the pod that served the response."""
    cookie = history.setup.cookie
    return {
        f"{cookie}={issued.value}": exchange.pod
        for exchange in history.arm("resident")
        if exchange.answer and exchange.pod
        for issued in exchange.answer.set_cookies(cookie)
    }
