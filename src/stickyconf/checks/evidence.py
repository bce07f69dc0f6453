"""What every check needs of a history: that it is consistent, and that it could have shown the fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stickyconf.model import Exchange, Finding, Happening, History, Measure, Ruling, Unknown

MOST_FINDINGS = 20
"""Counter-examples kept in a ruling; their number is kept as a measure."""


@dataclass
class Evidence:
    """What a check gathers on its way to a ruling: counter-examples, doubts, measures."""

    broken: list[Finding] = field(default_factory=list)
    doubts: list[Finding] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)

    def ruling(self) -> Ruling:
        """Rule on what was gathered."""
        return Ruling.of(self.broken[:MOST_FINDINGS], self.doubts[:MOST_FINDINGS], self.measures)


def contradictions(history: History) -> list[str]:
    """Return where the client's view and the pods' own logs disagree. Any makes the history ours to explain.

    Every answer that names a pod must stand in that pod's log under the same request id.
    """
    seen = {(sighting.pod, sighting.request_id) for sighting in history.sightings}
    return [
        f"{exchange.told()}, but the log of {exchange.pod} does not show request {exchange.request_id}"
        for exchange in history.exchanges
        if exchange.pod and (exchange.pod, exchange.request_id) not in seen
    ]


def unknown_outcomes(exchanges: Iterable[Exchange]) -> list[Finding]:
    """Return one doubt for the exchanges of which nobody can say what came of them."""
    doubtful = [exchange for exchange in exchanges if isinstance(exchange.outcome, Unknown)]
    if not doubtful:
        return []
    cited = tuple(exchange.seq for exchange in doubtful[:MOST_FINDINGS])
    return [Finding("every request to have a known outcome", f"{len(doubtful)}, first: {doubtful[0].told()}", cited)]


def unconverged(history: History) -> list[Finding]:
    """Return one doubt for each change that never arrived on every gateway replica."""
    return [
        Finding(
            f"{event.subject} to arrive on every gateway replica",
            f"it did not within the budget {event.detail['budget']}; last seen: {event.detail['last']}",
        )
        for event in history.happened(Happening.UNCONVERGED)
    ]


def incomplete(history: History, arms: Sequence[str]) -> list[Finding]:
    """Return a doubt for each arm that has fewer answered requests than were planned beforehand."""
    doubts = []
    for arm in arms:
        sessions = history.sessions(arm)
        planned = history.setup.plan.get(f"{arm}.sessions", 1) * history.setup.plan.get(f"{arm}.requests", 1)
        answered = sum(exchange.answer is not None for exchange in history.arm(arm))
        if answered < planned:
            doubts.append(
                Finding(
                    f"{planned:g} answered requests in the arm {arm}, as planned",
                    f"{answered} in {len(sessions)} sessions",
                )
            )
    return doubts


def could_have_strayed(history: History, control: str) -> list[Finding]:
    """Return a doubt where no session could have been seen to move: one pod only, or a control that did not spread."""
    if len(history.setup.pods) < 2:
        return [Finding("at least 2 ready pods", f"{len(history.setup.pods)}: nothing could have strayed")]
    reached = pods_reached(history.arm(control))
    if len(reached) < 2:
        return [
            Finding(
                f"cookieless control requests on at least 2 of {len(history.setup.pods)} pods",
                f"{len(history.arm(control))} control requests reached {len(reached)}: nothing could have strayed",
            )
        ]
    return []


def pods_reached(exchanges: Iterable[Exchange]) -> Counter[str]:
    """Count the exchanges by the pod that served them."""
    return Counter(exchange.pod for exchange in exchanges if exchange.pod)


def opener(exchanges: Sequence[Exchange]) -> Exchange | None:
    """Return the exchange that opened a session: the first one served by a pod."""
    return next((exchange for exchange in exchanges if exchange.pod), None)


def strays(sessions: dict[str, list[Exchange]]) -> list[Finding]:
    """Return a counter-example for each exchange that did not reach the pod that opened its session."""
    found = []
    for session, exchanges in sessions.items():
        first = opener(exchanges)
        for exchange in exchanges:
            if exchange.failed:
                found.append(
                    Finding(f"every request of session {session} to be served", exchange.told(), (exchange.seq,))
                )
            elif first and exchange.pod and exchange.pod != first.pod:
                found.append(
                    Finding(
                        f"session {session}, opened on {first.pod}, to stay there",
                        exchange.told(),
                        (first.seq, exchange.seq),
                    )
                )
    return found
