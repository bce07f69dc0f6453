"""Each request is delivered once, and each answer to the client that asked. The pods' own logs are the evidence."""

from __future__ import annotations

from collections import Counter
from math import inf

from stickyconf.checks.declared import EVERY_ARM, check
from stickyconf.checks.evidence import Evidence, unconverged
from stickyconf.model import Exchange, Finding, Happening, History, Measure, Ruling
from stickyconf.stats import witness_sample_size

ONE_IN = 100
"""The share of answers given to another client that must not stay unseen: one in so many."""

ANSWERS = witness_sample_size(1 / ONE_IN, 0.01)
"""So many answers miss it once in a hundred runs at the most; a run has five times as many."""


@check("ROB-11", arms=EVERY_ARM)
def post_is_executed_once(history: History) -> Ruling:
    """No POST stands in the pods' logs more than once.

    Exposure: POSTs were served before a pod was deleted, by that pod while it drained, and one was under way on it when
    its process died.
    """
    evidence, times = Evidence(doubts=unconverged(history)), Counter(one.request_id for one in history.sightings)
    posts = [exchange for exchange in history.exchanges if exchange.method == "POST"]
    for exchange in posts:
        if times[exchange.request_id] > 1:
            pods = [one.pod for one in history.sightings if one.request_id == exchange.request_id]
            said = f"{len(pods)} times, in the logs of {', '.join(pods)}: {exchange.told()}"
            evidence.violations.append(Finding("a POST to reach a pod once", said, (exchange.seq,)))
    evidence.doubts += _missing_times(history, posts)
    again = sum(times[exchange.request_id] > 1 for exchange in history.exchanges if exchange.method == "GET")
    evidence.measures += [
        Measure("POSTs in the logs of pods", sum(times[exchange.request_id] > 0 for exchange in posts)),
        Measure("GETs that reached pods more than once", again),
    ]
    return evidence.ruling()


def _missing_times(history: History, posts: list[Exchange]) -> list[Finding]:
    """Return a doubt for each of the times at which no POST was seen."""
    deleted = history.happened(Happening.DELETED)
    pod, acted = (deleted[0].subject, deleted[0].when) if deleted else ("", inf)
    died = min((event.when for event in history.happened(Happening.DIED, pod)), default=inf)
    own = [exchange for exchange in posts if history.logged(pod, exchange.request_id)]
    times = {
        "before a pod was deleted": any(exchange.pod and exchange.received < acted for exchange in posts),
        "on the pod while it drained": any(acted < exchange.sent and exchange.received < died for exchange in own),
        # What the pod received and did not answer any more: its connections are cut before its log can be read.
        "under way on the pod when it died": any(acted < e.sent < died < inf and e.pod != pod for e in own),
    }
    return [Finding(f"a POST {when}", "none was seen there") for when, seen in times.items() if not seen]


@check("ROB-12", arms=EVERY_ARM)
def answer_is_the_askers_own(history: History) -> Ruling:
    """No answer carries the id of another request than the one that it was given for.

    Exposure: so many answers of pods that one in ONE_IN given to another client would have shown.
    """
    evidence = Evidence(doubts=unconverged(history))
    asked = {exchange.request_id: exchange for exchange in history.exchanges}
    for exchange in history.exchanges:
        if exchange.misdelivered:
            owner = asked.get(exchange.answers or "")
            whose = f"{exchange.answers}, asked in {owner.told()}" if owner else f"{exchange.answers}, not asked here"
            cited = (exchange.seq, owner.seq) if owner else (exchange.seq,)
            expected = f"the answer to {exchange.request_id} to carry its id"
            evidence.violations.append(Finding(expected, f"{whose}; {exchange.told()}", cited))
    answers = sum(exchange.pod is not None and exchange.answers is not None for exchange in history.exchanges)
    if answers < ANSWERS:
        evidence.doubts.append(Finding(f"{ANSWERS} answers of pods that say which request they are to", f"{answers}"))
    evidence.measures.append(Measure("answers of pods", answers))
    return evidence.ruling()
