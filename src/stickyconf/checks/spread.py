"""Where requests without the cookie go, and what happens without the policy. The unit is the session."""

from __future__ import annotations

from stickyconf.checks.evidence import (
    MOST_FINDINGS,
    Evidence,
    incomplete,
    pods_reached,
    strays,
    unconverged,
    unknown_outcomes,
)
from stickyconf.model import Exchange, Finding, Happening, History, Measure, Ruling
from stickyconf.stats import alpha, miss_probability, reach_sample_size, share_test

CONTROL = "control"


def every_ready_pod_is_reached(history: History) -> Ruling:
    """Requests without the cookie reach every ready pod.

    The number of sessions is fixed so that chance alone misses a pod at most as often as this check's alpha allows.
    """
    return _reach(history, CONTROL, "SPR-01").ruling()


def placement_follows_the_weights(history: History) -> Ruling:
    """New sessions are placed by the targets' weights: an exact test, at the declared alpha, of each pod's count."""
    evidence = _arm(history, CONTROL)
    counts = pods_reached(_openings(history, CONTROL))
    weights = _weights(history)
    if len(weights) < 2 or not counts:
        evidence.doubts.append(Finding("sessions placed over at least 2 pods of known weight", f"{dict(counts)}"))
        return evidence.ruling()
    strangers = sorted(set(counts) - set(weights))
    if strangers:
        evidence.doubts.append(Finding("every pod that served to be a known target", f"{', '.join(strangers)} is not"))
        return evidence.ruling()
    test = share_test(counts, weights)
    evidence.measures += [
        Measure("sessions placed", test.samples),
        Measure("p-value", test.p_value),
        Measure("alpha", alpha("SPR-02")),
        *(Measure(f"sessions on {pod}", counts[pod]) for pod in sorted(weights)),
    ]
    if test.p_value <= alpha("SPR-02"):
        evidence.broken.append(
            Finding(
                f"about {test.expected:.0f} of {test.samples} sessions on {test.pod}, by its weight",
                f"{test.count} (p = {test.p_value:.1e})",
            )
        )
    return evidence.ruling()


def without_policy_traffic_is_unsticky(history: History) -> Ruling:
    """Without the policy no cookie of its name is set, and the requests of one client spread over the pods."""
    return _unsticky(history, "before").ruling()


def annotation_switches_stickiness_on(history: History) -> Ruling:
    """The annotation on the Service makes the difference: unsticky before it, sticky after it, nothing else changed."""
    before, after = _unsticky(history, "before"), _arm(history, "after")
    sessions = history.sessions("after")
    after.broken += strays(sessions)
    for session, exchanges in sessions.items():
        answer = exchanges[0].answer
        if answer and exchanges[0].pod and not answer.set_cookies(history.setup.cookie):
            after.broken.append(
                Finding(
                    f"session {session} to get the cookie {history.setup.cookie} once the annotation is set",
                    "none",
                    (exchanges[0].seq,),
                )
            )
    if not history.happened(Happening.ANNOTATED):
        after.doubts.append(Finding("the annotation to be set", "it was not"))
    return Ruling.of(
        (before.broken + after.broken)[:MOST_FINDINGS], before.doubts + after.doubts, before.measures + after.measures
    )


def _arm(history: History, arm: str) -> Evidence:
    return Evidence(
        doubts=[*incomplete(history, [arm]), *unknown_outcomes(history.arm(arm)), *unconverged(history)],
        measures=[Measure(f"requests {arm}", len(history.arm(arm)))],
    )


def _openings(history: History, arm: str) -> list[Exchange]:
    return [exchanges[0] for exchanges in history.sessions(arm).values()]


def _reach(history: History, arm: str, requirement: str) -> Evidence:
    """Look whether an arm's sessions were opened on every ready pod, as far as their number can tell."""
    evidence = _arm(history, arm)
    pods, openings = history.setup.pods, [exchange for exchange in _openings(history, arm) if exchange.pod]
    reached, needed = pods_reached(openings), reach_sample_size(len(pods), alpha(requirement))
    chance = miss_probability(len(openings), len(pods))
    missed = [
        Finding(
            f"{pod} to serve some of {len(openings)} requests without the cookie", f"none (by chance: {chance:.0e})"
        )
        for pod in pods
        if pod not in reached
    ]
    if len(openings) >= needed:
        evidence.broken += missed
    else:
        evidence.doubts += missed
        evidence.doubts.append(Finding(f"at least {needed} sessions", f"{len(openings)}"))
    evidence.measures.append(Measure("pods reached", len(reached)))
    return evidence


def _unsticky(history: History, arm: str) -> Evidence:
    """Look whether an arm shows no trace of stickiness: no cookie of the name, and clients that do not stay."""
    evidence = _arm(history, arm)
    for exchange in history.arm(arm):
        if exchange.answer and exchange.answer.set_cookies(history.setup.cookie):
            evidence.broken.append(
                Finding(f"no cookie {history.setup.cookie} without the policy", exchange.told(), (exchange.seq,))
            )
    sessions = [[e for e in exchanges if e.pod] for exchanges in history.sessions(arm).values()]
    stayed = [exchanges for exchanges in sessions if len(pods_reached(exchanges)) == 1]
    pods = len(history.setup.pods)
    if pods < 2:
        evidence.doubts.append(Finding("at least 2 ready pods", f"{pods}"))
        return evidence
    # Each request after a session's first falls on the same pod with probability 1/k where traffic spreads.
    chance = pods ** -float(sum(max(0, len(exchanges) - 1) for exchanges in sessions))
    if chance > alpha("SPR-04"):
        evidence.doubts.append(
            Finding("enough requests to tell spread from stickiness", f"chance explains them: {chance:.0e}")
        )
    elif len(stayed) == len(sessions):
        cited = tuple(exchange.seq for exchange in stayed[0][:2])
        evidence.broken.append(
            Finding("the requests of a client to spread", f"all {len(sessions)} clients stayed", cited)
        )
    evidence.measures.append(Measure(f"clients that stayed on one pod {arm}", len(stayed)))
    return evidence


def _weights(history: History) -> dict[str, float]:
    """Return pod -> weight as the Admin API showed it last, without weight 0: such a target gets no new session."""
    shown = {event.subject: float(event.detail["weight"]) for event in history.happened(Happening.TARGET)}
    return {pod: weight for pod, weight in shown.items() if weight > 0}
