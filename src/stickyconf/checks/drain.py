"""One pod ends under traffic. Every check reads the same moments (see ``ending``)."""

from __future__ import annotations

from itertools import groupby

from stickyconf.checks.ending import Ending, everywhere, newcomers, read_ending, residents
from stickyconf.checks.evidence import Evidence, strays, unconverged, unknown_outcomes
from stickyconf.model import Exchange, Finding, Happening, History, Measure, Ruling
from stickyconf.stats import reach_sample_size

MISSED_NEWCOMERS = 1e-6
"""The probability with which a pod that still gets new sessions may stay unnoticed."""


def pinned_sessions_stay_until_the_pod_stops(history: History) -> Ruling:
    """Drain on: a session pinned to the terminating pod is served by it as long as preStop holds.

    Exposure: every pod held a session before, and the victim served requests after the gateway had settled.
    """
    ending, evidence = _begin(history)
    if ending is None:
        return evidence.ruling()
    evidence.doubts += _every_pod_holds_a_session(history)
    served_late = 0
    for session, exchanges in residents(history, on=ending.pod).items():
        for exchange in exchanges:
            if exchange.received >= ending.held_until:
                break
            if exchange.pod != ending.pod and (exchange.pod or exchange.failed):
                evidence.broken.append(
                    Finding(
                        f"session {session} to stay on {ending.pod}, terminating but serving",
                        f"{exchange.told()} {exchange.sent - ending.acted:.2f} s after the deletion",
                        (exchanges[0].seq, exchange.seq),
                    )
                )
            served_late += exchange.pod == ending.pod and exchange.sent > max(ending.terminating, ending.settled)
    if not served_late:
        evidence.doubts.append(Finding(f"pinned requests on {ending.pod} once the gateway had settled", "none"))
    evidence.measures.append(Measure("pinned requests on the settled victim", served_late))
    return evidence.ruling()


def draining_pod_gets_no_new_session(history: History) -> Ruling:
    """Once the change has converged, no new session is placed on the terminating pod.

    Exposure: so many new sessions while it was still serving that a pod in the rotation would have got one.
    """
    ending, evidence = _begin(history)
    if ending is None:
        return evidence.ruling()
    late = [exchange for exchange in newcomers(history) if exchange.sent > ending.settled]
    evidence.broken += [
        Finding(
            f"no new session on {ending.pod} once it drains",
            f"{exchange.told()} {exchange.sent - ending.settled:.2f} s after the gateway had settled",
            (exchange.seq,),
        )
        for exchange in late
        if exchange.pod == ending.pod
    ]
    while_serving = sum(exchange.sent < ending.held_until for exchange in late)
    # A deleted pod is replaced: its share may be one of one pod more.
    needed = reach_sample_size(len(history.setup.pods) + 1, MISSED_NEWCOMERS)
    if while_serving < needed:
        evidence.doubts.append(Finding(f"{needed} new sessions while {ending.pod} drained", f"{while_serving}"))
    evidence.measures.append(Measure("new sessions while it drained", while_serving))
    return evidence.ruling()


def other_sessions_are_untouched(history: History) -> Ruling:
    """A session on another pod stays there throughout."""
    ending, evidence = _begin(history)
    if ending is None:
        return evidence.ruling()
    others = residents(history, not_on=ending.pod)
    evidence.broken += strays(others)
    evidence.doubts += _every_pod_holds_a_session(history)
    evidence.doubts += unknown_outcomes(exchange for exchanges in others.values() for exchange in exchanges)
    evidence.measures.append(Measure("sessions on other pods", len(others)))
    return evidence.ruling()


def moved_sessions_move_once(history: History) -> Ruling:
    """When the pod is gone, each of its sessions moves once, to a ready pod, with a new cookie, and stays there."""
    ending, evidence = _begin(history)
    if ending is None:
        return evidence.ruling()
    _judge_moves(history, ending, evidence)
    return evidence.ruling()


def no_request_fails(history: History) -> Ruling:
    """No request fails throughout; one whose outcome nobody knows is a doubt."""
    ending, evidence = _begin(history)
    if ending is None:
        return evidence.ruling()
    evidence.broken += [
        Finding("every request to be served through the drain", exchange.told(), (exchange.seq,))
        for exchange in history.exchanges
        if exchange.failed or (exchange.answer and exchange.answer.status >= 500)
    ]
    evidence.doubts += unknown_outcomes(history.exchanges)
    during = sum(exchange.sent > ending.terminating for exchange in history.exchanges)
    if not during:
        evidence.doubts.append(Finding("requests during the drain", "none"))
    evidence.measures.append(Measure("requests during and after the drain", during))
    return evidence.ruling()


def in_flight_request_completes(history: History) -> Ruling:
    """A request that was under way on the pod before its deletion, and still is at SIGTERM, is completed by it."""
    ending, evidence = _begin(history)
    if ending is None:
        return evidence.ruling()
    across = 0
    for session, exchanges in history.sessions("in-flight").items():
        if exchanges[0].pod != ending.pod:
            continue
        for exchange in exchanges[1:]:
            if exchange.sent > ending.terminating:
                continue
            if exchange.failed or (exchange.answer and exchange.pod != ending.pod):
                cited = (exchanges[0].seq, exchange.seq)
                evidence.broken.append(
                    Finding(f"the request under way on {ending.pod} to complete there", exchange.told(), cited)
                )
            across += exchange.received > ending.held_until and exchange.answer is not None
            evidence.doubts += unknown_outcomes([exchange])
            evidence.measures.append(
                Measure(f"under way in {session}", round(exchange.received - exchange.sent, 3), "s")
            )
    if not across and not evidence.broken:
        evidence.doubts.append(Finding(f"a request under way on {ending.pod} until SIGTERM", "none"))
    return evidence.ruling()


def terminating_target_has_weight_zero(history: History) -> Ruling:
    """Drain on: every replica's Admin API lists the terminating target with weight 0, the others with their weights."""
    ending, evidence = _begin(history)
    if ending is None:
        return evidence.ruling()
    for gateway in history.setup.gateways:
        shown = [
            event
            for event in history.events
            if event.what in (Happening.TARGET, Happening.TARGET_REMOVED)
            and event.detail["gateway"] == gateway
            and ending.acted <= event.when < ending.held_until
        ]
        own = [event for event in shown if event.subject == ending.pod]
        if not any(event.detail.get("weight") == "0" for event in own):
            said = "removed from the upstream" if own else "unchanged"
            evidence.broken.append(Finding(f"{ending.pod} at weight 0 on {gateway} while preStop holds", said))
        elif any(event.what is Happening.TARGET_REMOVED for event in own):
            evidence.broken.append(
                Finding(f"{ending.pod} to stay listed on {gateway} while preStop holds", "it was removed")
            )
        evidence.broken += [
            Finding(
                f"{event.subject} to keep its weight on {gateway}",
                f"{event.what} {event.detail.get('weight', '')}".strip(),
            )
            for event in shown
            if event.subject in history.setup.pods
            and event.subject != ending.pod
            and (event.what is Happening.TARGET_REMOVED or event.detail["weight"] == "0")
        ]
    if not history.setup.gateways:
        evidence.doubts.append(Finding("an Admin API to look at", "none"))
    return evidence.ruling()


def pod_leaves_the_pool_at_once(history: History) -> Ruling:
    """Drain off: the terminating pod leaves the pool at once; its sessions move once, and new ones avoid it."""
    ending, evidence = _begin(history)
    if ending is None:
        return evidence.ruling()
    if ending.removed is None or ending.removed >= ending.held_until:
        evidence.broken.append(Finding(f"{ending.pod} to leave the upstream while it still serves", "it did not"))
    if everywhere(history, ending.pod, ending.acted, removed_counts=False) is not None:
        evidence.broken.append(
            Finding(f"{ending.pod} to be removed, drain support being off", "it was listed at weight 0")
        )
    evidence.broken += [
        Finding(f"no session on {ending.pod} once it left the pool", exchange.told(), (exchange.seq,))
        for exchange in history.arm("resident", "newcomer")
        if exchange.pod == ending.pod and exchange.sent > ending.settled
    ]
    between = [e for e in history.arm("resident") if ending.settled < e.sent < ending.held_until]
    if not between:
        evidence.doubts.append(Finding(f"requests while {ending.pod} was out of the pool but serving", "none"))
    _judge_moves(history, ending, evidence)
    return evidence.ruling()


def drain_times_observed(history: History) -> Ruling:
    """Record how long after the deletion things happened: weight 0, last new session on the pod, SIGTERM, removal."""
    ending, evidence = _begin(history)
    if ending is None:
        return evidence.ruling()
    placed = [
        exchange.sent for exchange in newcomers(history) if exchange.pod == ending.pod and exchange.sent > ending.acted
    ]
    moments = {
        "deletion seen": ending.terminating,
        "weight 0 on every replica": ending.weight_zero,
        "last new session on the pod": max(placed, default=None),
        "SIGTERM": ending.sigterm,
        "pod gone": ending.gone,
        "removed from every replica": ending.removed,
    }
    for name, moment in moments.items():
        evidence.measures.append(
            Measure(
                f"{name}, after the deletion",
                round(moment - ending.acted, 3) if moment is not None else "not seen",
                "s",
            )
        )
    evidence.doubts.clear()
    return evidence.ruling()


def _begin(history: History) -> tuple[Ending | None, Evidence]:
    ending = read_ending(history)
    if isinstance(ending, Finding):
        return None, Evidence(doubts=[ending])
    return ending, Evidence(doubts=[*ending.doubts, *unconverged(history)])


def _every_pod_holds_a_session(history: History) -> list[Finding]:
    holding = {exchanges[0].pod for exchanges in residents(history).values()}
    return [
        Finding(f"a session on {pod} before the drain", "none was placed there")
        for pod in history.setup.pods
        if pod not in holding
    ]


def _judge_moves(history: History, ending: Ending, evidence: Evidence) -> None:
    """Look at each session of the victim: one move, to a pod that was ready, with a new cookie, and visits after it."""
    sessions = residents(history, on=ending.pod)
    if not sessions:
        evidence.doubts.append(Finding(f"sessions on {ending.pod} before it ended", "none"))
    for session, exchanges in sessions.items():
        served = [exchange for exchange in exchanges if exchange.pod]
        stays = [(pod, list(group)) for pod, group in groupby(served, key=lambda exchange: exchange.pod)]
        if len(stays) != 2:
            route = " -> ".join(str(pod) for pod, _ in stays)
            cited = tuple(group[0].seq for _, group in stays)
            evidence.broken.append(Finding(f"session {session} to move from {ending.pod} once", f"{route}", cited))
            continue
        _judge_move(history, session, stays[0][1][-1], stays[1][1], evidence)
    evidence.measures.append(Measure("sessions of the ended pod", len(sessions)))


def _judge_move(history: History, session: str, last: Exchange, after: list[Exchange], evidence: Evidence) -> None:
    first, cookie = after[0], history.setup.cookie
    issued = first.answer.set_cookies(cookie) if first.answer else ()
    cited = (last.seq, first.seq)
    if not issued:
        evidence.broken.append(
            Finding(f"session {session} to get a new cookie with its move", f"none: {first.told()}", cited)
        )
    elif any(f"{cookie}={issued[0].value}" in field for field in first.cookie_fields):
        evidence.broken.append(
            Finding(f"session {session} to get a new cookie with its move", "the old one again", cited)
        )
    ready = set(history.setup.pods) | {
        event.subject for event in history.happened(Happening.ENDPOINT) if event.detail.get("ready") == "true"
    }
    if first.pod not in ready:
        evidence.broken.append(Finding(f"session {session} to move to a ready pod", first.told(), cited))
    planned = history.setup.plan.get("after.requests", 1)
    if len(after) < planned:
        evidence.doubts.append(Finding(f"{planned:g} visits of {session} after its move", f"{len(after)}", cited))
