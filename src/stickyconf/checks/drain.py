"""One pod ends under traffic. Every check reads the same moments (see ``ending``)."""

from __future__ import annotations

from itertools import dropwhile, pairwise
from math import inf

from stickyconf.checks.declared import check
from stickyconf.checks.ending import Ending, begin, newcomers, residents
from stickyconf.checks.evidence import Evidence, judge_staying, lone_refusal, refusal_doubt, unknown_outcomes
from stickyconf.checks.moves import judge_moves, without_a_session
from stickyconf.checks.rotation import NEWCOMERS, judge_newcomers
from stickyconf.model import Event, Exchange, Finding, Happening, History, Measure, Ruling
from stickyconf.stats import witness_sample_size

LONGEST_GAP = 1.0
"""Seconds for which a drain may go without a request sent: a failure shorter than that could stay unseen."""

WORKERS = 4
"""A fault of one worker of so many, which has its share of the connections, must not stay unseen."""

LATE_CONNECTIONS = witness_sample_size(1 / WORKERS, 1e-3)
"""Connections with pinned requests to the draining pod in one drain."""

READ_SECONDS = 60.0
"""How long Kong waits for a target to answer (``read_timeout`` of a Service, its default)."""

TRAFFIC = ("resident", "newcomer", "in-flight")
"""The arms of a drain. What probed the gateway before it, while it was still being set up, is no part of it."""


@check("DRN-01", "DRN-12", arms=("resident",))
def pinned_sessions_stay_until_the_pod_stops(history: History) -> Ruling:
    """Drain on: a session pinned to the terminating pod is served by it as long as preStop holds.

    Exposure: every pod held a session before, and once the gateway had settled the victim served pinned requests on so
    many connections that a worker of four which does not pin would have shown (LATE_CONNECTIONS).
    """
    ending, evidence = begin(history, drain=True)
    if ending is None:
        return evidence.ruling()
    evidence.doubts += without_a_session(history, ending.acted)
    late, within = [], []
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
            if exchange.pod == ending.pod and exchange.sent > max(ending.terminating, ending.settled):
                late.append(exchange)
    evidence.doubts += unknown_outcomes(within)
    connections = {exchange.connection for exchange in late}
    if len(connections) < LATE_CONNECTIONS:
        expected = f"pinned requests on {ending.pod} over {LATE_CONNECTIONS} connections once the gateway had settled"
        evidence.doubts.append(Finding(expected, f"{len(late)} over {len(connections)}"))
    evidence.measures.append(Measure("pinned requests on the settled victim", len(late)))
    evidence.measures.append(Measure("connections that they came over", len(connections)))
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


@check("DRN-03", arms=("resident", "newcomer", "keeper"))
def other_sessions_are_untouched(history: History) -> Ruling:
    """A session on another pod stays there throughout; one opened during the drain gets its cookie, which pins.

    Exposure: every pod held a session before, and those on the others visited during the drain and after it; sessions
    were opened during the drain, and came back after it.
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
    _judge_those_who_came(history, ending, evidence)
    return evidence.ruling()


def _judge_those_who_came(history: History, ending: Ending, evidence: Evidence) -> None:
    """Look at the sessions opened since the deletion: each got a cookie, and those that kept it stay on their pod."""
    cookie = history.setup.cookie
    opened = [e for e in history.arm("newcomer", "keeper") if e.pod and not e.carried(cookie) and e.sent > ending.acted]
    evidence.violations += [
        Finding(f"session {exchange.session}, opened during the drain, to get a cookie", "none", (exchange.seq,))
        for exchange in opened
        if exchange.answer and not exchange.answer.set_cookies(cookie)
    ]
    came = {
        session: exchanges
        for session, exchanges in history.sessions("keeper").items()
        if exchanges[0].sent > ending.acted and exchanges[0].pod not in (None, ending.pod)
    }
    judge_staying(history, came, evidence)
    evidence.doubts += unknown_outcomes(exchange for exchanges in came.values() for exchange in exchanges)
    after = inf if ending.gone is None else ending.gone
    if not any(exchange.sent > after and exchange.carried(cookie) for own in came.values() for exchange in own):
        evidence.doubts.append(Finding("sessions opened during the drain to come back after it", "none"))
    evidence.measures += [
        Measure("sessions opened since the deletion", len(opened)),
        Measure("of these on other pods, kept and seen again", len(came)),
    ]


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
    """No request fails from the deletion until the pod is told to stop; one whose outcome is not known is a doubt.

    Exposure: pinned and new requests were sent all the time, never longer than LONGEST_GAP apart, among them GET and
    POST over fresh and over kept connections.
    """
    ending, evidence = begin(history)
    if ending is None:
        return evidence.ruling()
    _judge_failures(history, ending.acted, ending.held_until, evidence)
    during = [exchange for exchange in history.arm("resident") if ending.acted < exchange.sent < ending.held_until]
    ways = {(exchange.method, _is_kept(history, exchange)) for exchange in during if exchange.pod}
    evidence.doubts += [
        Finding(f"pinned requests with {method} over {kind} connections during the drain", "none")
        for method in ("GET", "POST")
        for kind, kept in (("fresh", False), ("kept", True))
        if (method, kept) not in ways
    ]
    return evidence.ruling()


@check("DRN-17", arms=TRAFFIC)
def no_request_fails_at_the_end(history: History) -> Ruling:
    """No request fails from when the pod is told to stop until its endpoint is gone from every gateway replica.

    Exposure: pinned and new requests were sent all that time, never longer than LONGEST_GAP apart.
    """
    ending, evidence = begin(history)
    if ending is None:
        return evidence.ruling()
    over = [moment for moment in (ending.sigterm, ending.gone, ending.removed) if moment is not None]
    until = max(over, default=ending.held_until)
    _judge_failures(history, ending.held_until, inf if ending.removed is None else until, evidence, watched=until)
    return evidence.ruling()


def _judge_failures(
    history: History, since: float, until: float, evidence: Evidence, *, watched: float | None = None
) -> None:
    """Look for failures that ended between two moments, and whether requests were sent all the time, until ``watched``.

    A failure that ended later belongs to what was going on then.
    """
    exchanges = history.arm(*TRAFFIC)
    ended = [exchange for exchange in exchanges if since < exchange.received <= until]
    lone = lone_refusal(history)
    for exchange in ended:
        if exchange.seq == lone:
            evidence.doubts.append(refusal_doubt(exchange))
        elif exchange.unserved or (exchange.answer and exchange.answer.status >= 500):
            expected = "every request to be served through the drain"
            _blame(evidence, exchange, Finding(expected, exchange.told(), (exchange.seq,)))
    asked = [exchange for exchange in exchanges if exchange.sent <= until and exchange.received > since]
    evidence.doubts += unknown_outcomes(asked)
    for arm in ("resident", "newcomer"):
        sent = [exchange.sent for exchange in history.arm(arm)]
        end = until if watched is None else watched
        gap = _longest_gap(sent, since, end)
        if gap > LONGEST_GAP or not any(since < moment < end for moment in sent):
            often = f"a request of the arm {arm} every {LONGEST_GAP:g} s through the drain"
            ours = f"the suite itself was late by up to {history.setup.lateness:.2f} s"
            evidence.doubts.append(Finding(often, f"none for {gap:.2f} s; {ours}"))
    evidence.measures.append(Measure("requests that ended meanwhile", len(ended)))
    evidence.measures.append(Measure("largest lateness of the suite", round(history.setup.lateness, 3), "s"))


def _blame(evidence: Evidence, exchange: Exchange, violation: Finding) -> None:
    """Add a violation that an exchange shows; a doubt if a pod had to hold it for so long that Kong may give it up."""
    took = exchange.received - exchange.sent
    if exchange.arm != "in-flight" or took < READ_SECONDS:
        evidence.violations.append(violation)
        return
    expected = f"a request under way to be held for less than {READ_SECONDS:g} s"
    evidence.doubts.append(Finding(expected, f"{exchange.told()} after {took:.0f} s", (exchange.seq,)))


def _is_kept(history: History, exchange: Exchange) -> bool:
    """Whether an exchange came over a connection that its session had used before."""
    own = history.sessions(exchange.arm)[exchange.session]
    return any(one.connection == exchange.connection and one.sent < exchange.sent for one in own)


def _longest_gap(moments: list[float], since: float, until: float) -> float:
    """Return the longest time between two of these moments, as far as it lies between ``since`` and ``until``."""
    marks = [since, *(moment for moment in moments if since < moment < until), until]
    return max(later - earlier for earlier, later in pairwise(marks))


@check("DRN-06", arms=("in-flight",))
def in_flight_request_completes(history: History) -> Ruling:
    """A request that was under way on the pod before its deletion, and still is at SIGTERM, is completed by it.

    Exposure: a GET, which a gateway may send again elsewhere, and a POST, which it may not.
    """
    ending, evidence = begin(history)
    if ending is None:
        return evidence.ruling()
    across, until = set(), ending.sigterm or ending.held_until
    for session, exchanges in history.sessions("in-flight").items():
        if exchanges[0].pod != ending.pod:
            continue
        for exchange in exchanges[1:]:
            if exchange.sent >= ending.acted:
                continue
            if exchange.unserved or exchange.pod not in (None, ending.pod):
                expected = f"the request under way on {ending.pod} to complete there"
                cited = (exchanges[0].seq, exchange.seq)
                _blame(evidence, exchange, Finding(expected, exchange.told(), cited))
            if exchange.received > until and exchange.pod is not None:
                across.add(exchange.method)
            evidence.doubts += unknown_outcomes([exchange])
            took = round(exchange.received - exchange.sent, 3)
            evidence.measures.append(Measure(f"{exchange.method} under way in {session}", took, "s"))
    evidence.doubts += [
        Finding(f"a {method} under way on {ending.pod} until SIGTERM", "none")
        for method in ("GET", "POST")
        if method not in across and not evidence.violations
    ]
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
