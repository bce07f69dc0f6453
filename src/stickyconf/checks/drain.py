"""One pod ends under traffic. Every check reads the same moments (see ``ending``)."""

from __future__ import annotations

from itertools import dropwhile, pairwise

from stickyconf.checks.declared import check
from stickyconf.checks.ending import Ending, begin, newcomers, residents
from stickyconf.checks.evidence import judge_staying, unknown_outcomes
from stickyconf.checks.moves import judge_moves, without_a_session
from stickyconf.checks.rotation import NEWCOMERS, judge_newcomers
from stickyconf.model import Event, Finding, Happening, History, Measure, Ruling

LONGEST_GAP = 1.0
"""Seconds for which a drain may go without a request sent: a failure shorter than that could stay unseen."""

TRAFFIC = ("resident", "newcomer", "in-flight")
"""The arms of a drain. What probed the gateway before it, while it was still being set up, is no part of it."""


@check("DRN-01", "DRN-12", arms=("resident",))
def pinned_sessions_stay_until_the_pod_stops(history: History) -> Ruling:
    """Drain on: a session pinned to the terminating pod is served by it as long as preStop holds.

    Exposure: every pod held a session before, and the victim served requests after the gateway had settled.
    """
    ending, evidence = begin(history, drain=True)
    if ending is None:
        return evidence.ruling()
    evidence.doubts += without_a_session(history, ending.acted)
    served_late, within = 0, []
    for session, exchanges in residents(history, on=ending.pod).items():
        for exchange in exchanges:
            if exchange.sent < ending.held_until:
                within.append(exchange)
            if exchange.received >= ending.held_until:
                continue
            if exchange.unserved or exchange.pod not in (None, ending.pod):
                evidence.violations.append(
                    Finding(
                        f"session {session} to stay on {ending.pod}, terminating but serving",
                        f"{exchange.told()} {exchange.sent - ending.acted:.2f} s after the deletion",
                        (exchanges[0].seq, exchange.seq),
                    )
                )
            served_late += exchange.pod == ending.pod and exchange.sent > max(ending.terminating, ending.settled)
    evidence.doubts += unknown_outcomes(within)
    if not served_late:
        evidence.doubts.append(Finding(f"pinned requests on {ending.pod} once the gateway had settled", "none"))
    evidence.measures.append(Measure("pinned requests on the settled victim", served_late))
    return evidence.ruling()


@check("DRN-02", "DRN-12", arms=("newcomer",), design=NEWCOMERS)
def draining_pod_gets_no_new_session(history: History) -> Ruling:
    """Once the change has converged, no new session is placed on the terminating pod.

    Exposure: so many new sessions while it was still serving that a pod in the rotation would have got one.
    """
    ending, evidence = begin(history, drain=True)
    if ending is None:
        return evidence.ruling()
    judge_newcomers(history, ending, evidence)
    return evidence.ruling()


@check("DRN-03", arms=("resident",))
def other_sessions_are_untouched(history: History) -> Ruling:
    """A session on another pod stays there throughout.

    Exposure: every pod held a session before, and those on the others visited during the drain and after it.
    """
    ending, evidence = begin(history)
    if ending is None:
        return evidence.ruling()
    others = residents(history, not_on=ending.pod)
    visits = [exchange for exchanges in others.values() for exchange in exchanges]
    judge_staying(history, others, evidence)
    evidence.doubts += [*without_a_session(history, ending.acted), *unknown_outcomes(visits)]
    if not any(ending.terminating < exchange.sent < ending.held_until for exchange in visits):
        evidence.doubts.append(Finding("visits of sessions on other pods during the drain", "none"))
    if ending.gone is None or not any(exchange.sent > ending.gone for exchange in visits):
        evidence.doubts.append(Finding(f"visits of sessions on other pods after {ending.pod} was gone", "none"))
    evidence.measures.append(Measure("sessions on other pods", len(others)))
    return evidence.ruling()


@check("DRN-04", arms=("resident",))
def moved_sessions_move_once(history: History) -> Ruling:
    """When the pod is gone, each of its sessions moves once, to a ready pod, with a new cookie, and stays there."""
    ending, evidence = begin(history)
    if ending is None:
        return evidence.ruling()
    judge_moves(history, ending.pod, evidence)
    return evidence.ruling()


@check("DRN-05", "DRN-12", arms=TRAFFIC)
def no_request_fails(history: History) -> Ruling:
    """No request fails throughout; one whose outcome is not known is a doubt.

    Exposure: pinned and new requests were sent from before the deletion until the pod was gone from cluster and
    gateway, never longer than LONGEST_GAP apart.
    """
    ending, evidence = begin(history)
    if ending is None:
        return evidence.ruling()
    exchanges = history.arm(*TRAFFIC)
    evidence.violations += [
        Finding("every request to be served through the drain", exchange.told(), (exchange.seq,))
        for exchange in exchanges
        if exchange.unserved or (exchange.answer and exchange.answer.status >= 500)
    ]
    evidence.doubts += unknown_outcomes(exchanges)
    over = [moment for moment in (ending.sigterm, ending.gone, ending.removed) if moment is not None]
    until = max(over, default=ending.held_until)
    for arm in ("resident", "newcomer"):
        gap = _longest_gap([exchange.sent for exchange in history.arm(arm)], ending.acted, until)
        if gap > LONGEST_GAP:
            often = f"a request of the arm {arm} every {LONGEST_GAP:g} s through the drain"
            ours = f"the suite itself was late by up to {history.setup.lateness:.2f} s"
            evidence.doubts.append(Finding(often, f"none for {gap:.2f} s; {ours}"))
    during = sum(ending.acted < exchange.sent for exchange in exchanges)
    evidence.measures.append(Measure("requests during and after the drain", during))
    evidence.measures.append(Measure("largest lateness of the suite", round(history.setup.lateness, 3), "s"))
    return evidence.ruling()


def _longest_gap(moments: list[float], since: float, until: float) -> float:
    """Return the longest time between two of these moments, as far as it lies between ``since`` and ``until``."""
    marks = [since, *(moment for moment in moments if since < moment < until), until]
    return max(later - earlier for earlier, later in pairwise(marks))


@check("DRN-06", arms=("in-flight",))
def in_flight_request_completes(history: History) -> Ruling:
    """A request that was under way on the pod before its deletion, and still is at SIGTERM, is completed by it."""
    ending, evidence = begin(history)
    if ending is None:
        return evidence.ruling()
    across, until = 0, ending.sigterm or ending.held_until
    for session, exchanges in history.sessions("in-flight").items():
        if exchanges[0].pod != ending.pod:
            continue
        for exchange in exchanges[1:]:
            if exchange.sent >= ending.acted:
                continue
            if exchange.unserved or exchange.pod not in (None, ending.pod):
                cited = (exchanges[0].seq, exchange.seq)
                evidence.violations.append(
                    Finding(f"the request under way on {ending.pod} to complete there", exchange.told(), cited)
                )
            across += exchange.received > until and exchange.pod is not None
            evidence.doubts += unknown_outcomes([exchange])
            evidence.measures.append(
                Measure(f"under way in {session}", round(exchange.received - exchange.sent, 3), "s")
            )
    if not across and not evidence.violations:
        evidence.doubts.append(Finding(f"a request under way on {ending.pod} until SIGTERM", "none"))
    return evidence.ruling()


@check("DRN-07")
def terminating_target_has_weight_zero(history: History) -> Ruling:
    """Drain on: every replica's Admin API lists the terminating target with weight 0, the others with their weights.

    It has the time of ``Ending.due`` for it. Exposure: the target had a weight before, and it was held until then.
    """
    ending, evidence = begin(history, drain=True)
    if ending is None:
        return evidence.ruling()
    for gateway in history.setup.gateways:
        shown = [
            event
            for event in history.events
            if event.what in (Happening.TARGET, Happening.TARGET_REMOVED) and event.detail["gateway"] == gateway
        ]
        before = [event for event in shown if event.subject == ending.pod and event.when < ending.acted]
        if not before or not _weighs(before[-1]):
            evidence.doubts.append(
                Finding(f"{ending.pod} with a weight above 0 on {gateway} before its deletion", "it was not shown so")
            )
            continue
        held = [event for event in shown if ending.acted <= event.when < ending.held_until]
        own = [event for event in held if event.subject == ending.pod]
        said = _off_zero(own, ending)
        expected = f"{ending.pod} at weight 0 on {gateway} while preStop holds"
        if said:
            evidence.violations.append(Finding(f"{expected}, {_time_for_it(ending)} after the deletion", said))
        elif not own:
            evidence.doubts.append(Finding(f"{expected}, or so long that it would have been", "neither was seen"))
        evidence.violations += [
            Finding(f"{event.subject} to keep its weight on {gateway}", _shown(event))
            for event in held
            if event.subject in history.setup.pods and event.subject != ending.pod and not _weighs(event)
        ]
    if not history.setup.gateways:
        evidence.doubts.append(Finding("an Admin API to look at", "none"))
    return evidence.ruling()


def _off_zero(own: list[Event], ending: Ending) -> str:
    """Say what a target showed instead of weight 0, which it has to reach in its time and to keep; "" if it did."""
    since_zero = list(dropwhile(lambda event: event.detail.get("weight") != "0", own)) or own
    wrong = [event for event in since_zero if event.detail.get("weight") != "0"]
    late = [event for event in since_zero[:1] if event.when > ending.due]
    if wrong or late:
        [first, *_] = wrong or late
        return f"{_shown(first)} {first.when - ending.acted:.2f} s after the deletion"
    return "unchanged" if not own and ending.held_until >= ending.due else ""


def _time_for_it(ending: Ending) -> str:
    return f"within {ending.due - ending.acted:g} s"


def _shown(event: Event) -> str:
    return f"at weight {event.detail['weight']}" if event.what is Happening.TARGET else "removed"


def _weighs(shown: Event) -> bool:
    """Whether a target was listed with a weight above 0."""
    return shown.what is Happening.TARGET and shown.detail["weight"] != "0"


@check("DRN-08", arms=("resident", "newcomer"), design=NEWCOMERS)
def pod_leaves_the_pool_at_once(history: History) -> Ruling:
    """Drain off: the terminating pod leaves the pool at once; its sessions move once, and new ones avoid it.

    Exposure: its sessions visited, and many new ones were opened, while it was out of the pool but still serving.
    """
    ending, evidence = begin(history, drain=False)
    if ending is None:
        return evidence.ruling()
    left = ending.removed is not None and ending.removed < ending.held_until
    if not left or (ending.removed or 0.0) > ending.due:
        expected = f"{ending.pod} to leave the upstream while it still serves, {_time_for_it(ending)}"
        actual = f"after {ending.removed - ending.acted:.2f} s" if left and ending.removed else "it did not"
        had_time = left or ending.held_until >= ending.due
        (evidence.violations if had_time else evidence.doubts).append(Finding(expected, actual))
    listed = [e for e in history.happened(Happening.TARGET, ending.pod) if e.when >= ending.acted and not _weighs(e)]
    if listed:
        evidence.violations.append(
            Finding(f"{ending.pod} to be removed, drain support being off", "it was listed at weight 0")
        )
    own = [e for exchanges in residents(history, on=ending.pod).values() for e in exchanges if e.sent > ending.settled]
    evidence.violations += [
        Finding(f"no session on {ending.pod} once it left the pool", exchange.told(), (exchange.seq,))
        for exchange in own
        if exchange.pod == ending.pod
    ]
    if not any(exchange.pod and exchange.sent < ending.held_until for exchange in own):
        evidence.doubts.append(
            Finding(f"visits of its sessions while {ending.pod} was out of the pool but serving", "none")
        )
    judge_newcomers(history, ending, evidence)
    judge_moves(history, ending.pod, evidence)
    return evidence.ruling()


@check("DRN-14", arms=("newcomer",))
def drain_times_observed(history: History) -> Ruling:
    """Record how long after the deletion weight 0, every worker, last new session there, SIGTERM, removal were seen."""
    ending, evidence = begin(history)
    if ending is None:
        return evidence.ruling()
    placed = [
        exchange.sent for exchange in newcomers(history) if exchange.pod == ending.pod and exchange.sent > ending.acted
    ]
    moments = {
        "deletion seen": ending.terminating,
        "weight 0 on every replica": ending.weight_zero,
        "every worker": ending.settled if ending.has_settled else None,
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
