"""Where requests without the cookie go, and what happens without the policy. The unit is the session."""

from __future__ import annotations

from collections import Counter
from math import ceil

from stickyconf.checks.declared import check
from stickyconf.checks.evidence import (
    Evidence,
    dealt_elsewhere,
    incomplete,
    judge_missed,
    judge_staying,
    pods_reached,
    served_sessions,
    tested_too_little,
    unconverged,
    unknown_outcomes,
)
from stickyconf.checks.readiness import lapses
from stickyconf.model import Exchange, Finding, Happening, History, Measure, Ruling
from stickyconf.stats import Reach, Share, Spread, share_test

CONTROL = "control"


@check("SPR-01", arms=(CONTROL,), design=Reach(alpha=1e-7))
def every_ready_pod_is_reached(history: History, design: Reach) -> Ruling:
    """Requests without the cookie reach every ready pod.

    The number of sessions is fixed so that chance alone misses a pod at most as often as this check's alpha allows.
    """
    evidence = _arm(history, CONTROL)
    pods, reached = history.setup.pods, pods_reached(_openings(history, CONTROL))
    needed = design.samples(len(pods))
    missed = {
        pod: Finding(f"{pod} to serve some of {reached.total()} requests without the cookie", "none")
        for pod in pods
        if pod not in reached
    }
    if len(pods) < 2:
        evidence.doubts.append(Finding("at least 2 ready pods", f"{len(pods)}"))
    elif reached.total() < needed:
        evidence.doubts += [Finding(f"at least {needed} sessions", f"{reached.total()}"), *missed.values()]
    else:
        judge_missed(history, missed, evidence)
    evidence.measures.append(Measure("pods reached", len(reached)))
    return evidence.ruling()


@check("SPR-02", arms=(CONTROL,), design=Share(alpha=1e-7))
def placement_follows_the_weights(history: History, design: Share) -> Ruling:
    """New sessions are placed by the targets' weights: an exact test, at the declared alpha, of each pod's count."""
    evidence = _arm(history, CONTROL)
    judge_shares(history, pods_reached(_openings(history, CONTROL)), design, evidence)
    return evidence.ruling()


def judge_shares(history: History, counts: Counter[str], design: Share, evidence: Evidence) -> None:
    """Test the sessions placed on each pod against the targets' weights, at the design's alpha.

    Exposure: so many sessions that the test shows a pod which gets a quarter of its share (see Share).
    """
    weights = _weights(history)
    if len(weights) < 2:
        evidence.doubts.append(Finding("sessions placed over at least 2 pods of known weight", f"{dict(counts)}"))
        return
    strangers = sorted(set(counts) - set(weights))
    if strangers:
        evidence.doubts.append(Finding("every pod that served to be a known target", f"{', '.join(strangers)} is not"))
        return
    test = share_test(counts, weights)
    smallest = ceil(sum(weights.values()) / min(weights.values()))  # the smallest share is one in so many
    needed = design.samples(smallest)
    if test.samples < needed:
        evidence.doubts.append(Finding(f"at least {needed} sessions", f"{test.samples}"))
    evidence.measures += [
        Measure("sessions placed", test.samples),
        Measure("p-value", test.p_value),
        Measure("alpha", design.alpha),
        *(Measure(f"sessions on {pod}", counts[pod]) for pod in sorted(weights)),
    ]
    if test.p_value <= design.alpha:
        said = f"about {test.expected:.0f} of {test.samples} sessions on {test.pod}, by its weight"
        off = Finding(said, f"{test.count} (p = {test.p_value:.1e})")
        lapsed = [pod for pod in lapses(history) if pod in weights]  # what they did not get, the others did
        judge_missed(history, {lapsed[0] if lapsed else test.pod: off}, evidence)


@check("SPR-04", arms=("before",), design=Spread(alpha=1e-7))
def without_policy_traffic_is_unsticky(history: History, design: Spread) -> Ruling:
    """Without the policy no cookie of its name is set, and the requests of one client spread over the pods."""
    return unsticky_traffic(history, "before", design).ruling()


@check("API-09", arms=("before", "after"), design=Spread(alpha=1e-7))
def annotation_switches_stickiness_on(history: History, design: Spread) -> Ruling:
    """The annotation on the Service makes the difference: unsticky before it, sticky after it, nothing else changed."""
    evidence, after = unsticky_traffic(history, "before", design), _arm(history, "after")
    sessions = history.sessions("after")
    judge_staying(history, sessions, evidence)
    for session, exchanges in sessions.items():
        answer = exchanges[0].answer
        if answer and exchanges[0].pod and not answer.set_cookies(history.setup.cookie):
            evidence.violations.append(
                Finding(
                    f"session {session} to get the cookie {history.setup.cookie} once the annotation is set",
                    "none",
                    (exchanges[0].seq,),
                )
            )
    evidence.doubts += [*after.doubts, *tested_too_little(history, ["after"]), *_annotated_between(history)]
    evidence.measures += after.measures
    return evidence.ruling()


def _annotated_between(history: History) -> list[Finding]:
    """Return a doubt if the annotation was not set between the two visits."""
    moments = [event.when for event in history.happened(Happening.ANNOTATED)]
    last = max((exchange.received for exchange in history.arm("before")), default=0.0)
    first = min((exchange.sent for exchange in history.arm("after")), default=last)
    if any(last <= moment <= first for moment in moments):
        return []
    return [Finding("the annotation to be set after the visits before it and before those after it", "it was not")]


def _arm(history: History, arm: str) -> Evidence:
    return Evidence(
        doubts=[*incomplete(history, [arm]), *unknown_outcomes(history.arm(arm)), *unconverged(history)],
        measures=[Measure(f"requests {arm}", len(history.arm(arm)))],
    )


def _openings(history: History, arm: str) -> list[Exchange]:
    """Return what opened an arm's sessions: their first request, if it was without the cookie."""
    first = [exchanges[0] for exchanges in history.sessions(arm).values()]
    return [exchange for exchange in first if not exchange.carried(history.setup.cookie)]


def unsticky_traffic(history: History, arm: str, design: Spread) -> Evidence:
    """Look whether an arm shows no trace of stickiness: no cookie of the name, and clients that do not stay."""
    evidence = _arm(history, arm)
    for exchange in history.arm(arm):
        if exchange.answer and exchange.answer.set_cookies(history.setup.cookie):
            evidence.violations.append(
                Finding(f"no cookie {history.setup.cookie} without the policy", exchange.told(), (exchange.seq,))
            )
    pods = len(history.setup.pods)
    if pods < 2:
        evidence.doubts.append(Finding("at least 2 ready pods", f"{pods}"))
        return evidence
    clients = served_sessions(history, arm).values()
    stayed = [exchanges for exchanges in clients if len(pods_reached(exchanges)) == 1]
    # If traffic spreads by chance, each later request falls on the same pod with probability 1/k; if it is dealt
    # in turn, those that the turn brings elsewhere never do.
    telling, needed = len(dealt_elsewhere(history, arm)), design.samples(pods)
    if telling < needed:
        evidence.doubts.append(
            Finding(f"{needed} requests that tell spread from stickiness in the arm {arm}", f"{telling}")
        )
    elif len(stayed) == len(clients):
        cited = tuple(exchange.seq for exchange in stayed[0][:2])
        evidence.violations.append(
            Finding("the requests of a client to spread", f"all {len(stayed)} clients stayed", cited)
        )
    evidence.measures.append(Measure(f"clients that stayed on one pod {arm}", len(stayed)))
    return evidence


def _weights(history: History) -> dict[str, float]:
    """Return pod -> weight as the Admin API showed it last, without weight 0: such a target gets no new session."""
    shown: dict[str, float] = {}
    for event in history.events:
        if event.what is Happening.TARGET:
            shown[event.subject] = float(event.detail["weight"])
        elif event.what is Happening.TARGET_REMOVED:
            shown.pop(event.subject, None)
    return {pod: weight for pod, weight in shown.items() if weight > 0}
