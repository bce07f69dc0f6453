"""Where requests without the cookie go, and what happens without the policy. The unit is the session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import ceil, inf

from stickyconf.checks.declared import check
from stickyconf.checks.evidence import (
    Evidence,
    dealt_elsewhere,
    incomplete,
    judge_missed,
    judge_staying,
    pods_reached,
    served_sessions,
    settling_measures,
    stale_workers,
    tested_too_little,
    unconverged,
    unknown_outcomes,
)
from stickyconf.checks.readiness import lapses
from stickyconf.model import Exchange, Finding, Happening, History, Measure, Ruling
from stickyconf.stats import Backends, Reach, Share, Spread, count_test, share_test, smallest_deviations

CONTROL, BY_WEIGHT = "control", "by-weight"

LIGHT, HEAVY = 1, 3
"""The weights of two backends of one rule: the Service under test, and one that has other pods."""


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

    Exposure: so many sessions that the test shows a pod which gets a quarter of its share, or twice as much (see
    Share). The measures say from which deviation on these sessions would have shown it.
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
    less, more = smallest_deviations(max(test.samples, 1), smallest, design.alpha)
    evidence.measures += [
        Measure("sessions placed", test.samples),
        Measure("a pod starved to this part of its share is seen", round(less, 2)),
        Measure("a pod flooded with so many times its share is seen", round(more, 2)),
        Measure("p-value", test.p_value),
        Measure("alpha", design.alpha),
        *(Measure(f"sessions on {pod}", counts[pod]) for pod in sorted(weights)),
    ]
    if test.p_value <= design.alpha:
        said = f"about {test.expected:.0f} of {test.samples} sessions on {test.pod}, by its weight"
        off = Finding(said, f"{test.count} (p = {test.p_value:.1e})")
        lapsed = [pod for pod in lapses(history) if pod in weights]  # what they did not get, the others did
        judge_missed(history, {lapsed[0] if lapsed else test.pod: off}, evidence)


@check("SPR-06", arms=(BY_WEIGHT,), design=Backends(alpha=1e-7, share=LIGHT / (LIGHT + HEAVY)))
def new_sessions_follow_the_backends(history: History, design: Backends) -> Ruling:
    """Two backends of a rule, with different weights and numbers of pods, get new sessions by their weights.

    Exposure: so many sessions that backends which get as many would have shown.
    """
    evidence, needed = _arm(history, BY_WEIGHT), design.samples(len(history.setup.pods))
    homes = [exchange.pod in history.setup.pods for exchange in _openings(history, BY_WEIGHT) if exchange.pod]
    light = homes.count(True)
    test = share_test({"light": light, "heavy": homes.count(False)}, {"light": LIGHT, "heavy": HEAVY})
    if test.samples < needed:
        evidence.doubts.append(Finding(f"at least {needed} sessions", f"{test.samples}"))
    elif test.p_value <= design.alpha:
        said = f"about {test.samples * design.share:.0f} of {test.samples} sessions on the backend of weight {LIGHT}"
        lapsed = next(iter(lapses(history)), "")  # what its pods did not get, the others did
        judge_missed(history, {lapsed: Finding(said, f"{light} (p = {test.p_value:.1e})")}, evidence)
    evidence.measures += [
        Measure("sessions placed", test.samples),
        Measure(f"sessions on the backend of weight {LIGHT}", light),
        Measure("p-value", test.p_value),
        Measure("alpha", design.alpha),
    ]
    return evidence.ruling()


@check("SPR-04", arms=("before",), design=Spread(alpha=1e-7))
def without_policy_traffic_is_unsticky(history: History, design: Spread) -> Ruling:
    """Without the policy no cookie of its name is set, and the requests of one client spread over the pods."""
    return unsticky_traffic(history, "before", design).ruling()


@check("API-09", arms=("before", "after"), design=Spread(alpha=1e-7))
def annotation_switches_stickiness_on(history: History, design: Spread) -> Ruling:
    """The annotation on the Service makes the difference: unsticky before it, sticky after it, nothing else changed.

    A worker of the gateway that does not act on it within its budget violates, too.
    """
    evidence, after = unsticky_traffic(history, "before", design), _arm(history, "after")
    sessions = history.sessions("after")
    judge_staying(history, sessions, evidence)
    evidence.violations += stale_workers(history).violations
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
    evidence.measures += [*after.measures, *settling_measures(history)]
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
    """Return the doubts about an arm; what did not arrive after its last answer is none of them."""
    exchanges = history.arm(arm)
    last = max((exchange.received for exchange in exchanges), default=inf)
    return Evidence(
        doubts=[*incomplete(history, [arm]), *unknown_outcomes(exchanges), *unconverged(history, until=last)],
        measures=[Measure(f"requests {arm}", len(exchanges))],
    )


def _openings(history: History, arm: str) -> list[Exchange]:
    """Return what opened an arm's sessions: their first request, if it was without the cookie."""
    first = [exchanges[0] for exchanges in history.sessions(arm).values()]
    return [exchange for exchange in first if not exchange.carried(history.setup.cookie)]


def unsticky_traffic(history: History, arm: str, design: Spread) -> Evidence:
    """Look whether an arm shows no trace of stickiness: no cookie of the name, and clients that do not stay.

    How many clients stay by chance is known exactly: a client with n requests on fresh connections that dealing in
    turn would bring elsewhere stays with at most the n-th power of the largest share that a pod has. More clients
    than chance leaves on their pods at the design's alpha are a violation, though others move.
    """
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
    clients = served_sessions(history, arm)
    stayed = [exchanges for exchanges in clients.values() if len(pods_reached(exchanges)) == 1]
    telling = Counter(exchange.session for exchange in dealt_elsewhere(history, arm, fresh=True))
    if telling.total() < design.samples(pods):
        wanted = f"{design.samples(pods)} requests on fresh connections that tell spread from stickiness"
        evidence.doubts.append(Finding(f"{wanted} in the arm {arm}", f"{telling.total()}"))
    elif beyond := _beyond_chance(clients, stayed, telling, design, evidence):
        cited = tuple(exchange.seq for exchange in stayed[0][:2])
        evidence.violations.append(Finding("the requests of a client to spread", beyond, cited))
    evidence.measures.append(Measure(f"clients that stayed on one pod {arm}", len(stayed)))
    return evidence


def _beyond_chance(
    clients: Mapping[str, list[Exchange]],
    stayed: list[list[Exchange]],
    telling: Counter[str],
    design: Spread,
    evidence: Evidence,
) -> str:
    """Return what is wrong if more clients stayed on one pod than chance explains, else ""."""
    reached = pods_reached(exchange for exchanges in clients.values() for exchange in exchanges)
    largest = max(reached.values()) / reached.total()
    test = count_test([largest ** telling[client] for client in clients], len(stayed), design.share)
    evidence.measures += [
        Measure("p-value of the clients that stayed", test.p_value),
        Measure("clients that would have to stay for a violation", min(test.critical, len(clients))),
    ]
    if len(stayed) == len(clients):
        return f"all {len(stayed)} clients stayed"
    if test.p_value <= design.share:
        return f"{len(stayed)} of {len(clients)} clients stayed (p = {test.p_value:.1e})"
    return ""


def _weights(history: History) -> dict[str, float]:
    """Return pod -> weight as the Admin API showed it last, without weight 0: such a target gets no new session."""
    shown: dict[str, float] = {}
    for event in history.events:
        if event.what is Happening.TARGET:
            shown[event.subject] = float(event.detail["weight"])
        elif event.what is Happening.TARGET_REMOVED:
            shown.pop(event.subject, None)
    return {pod: weight for pod, weight in shown.items() if weight > 0}
