"""What is under way while the policy of its Service changes."""

from __future__ import annotations

from stickyconf.checks.declared import check
from stickyconf.checks.evidence import Evidence, incomplete, pods_reached, unconverged, unknown_outcomes
from stickyconf.checks.protocols import judge_messages
from stickyconf.model import Finding, Happening, History, Measure, Ruling

UNDER_WAY = "under-way"


@check("LIF-12", arms=(UNDER_WAY,))
def what_is_under_way_is_not_cut(history: History) -> Ruling:
    """A stream that is open goes on when the policy is taken away from its Service, attached to it, and edited.

    Exposure: each change arrived on the gateway, and afterwards an event came on every stream, from several pods.
    """
    exchanges = history.arm(UNDER_WAY)
    evidence = Evidence(
        doubts=[*incomplete(history, [UNDER_WAY]), *unknown_outcomes(exchanges), *unconverged(history)],
    )
    judge_messages(history, UNDER_WAY, lambda one, _: str(one.pod), {}, evidence)
    streams = [exchange for exchange in exchanges if "events=" in exchange.path and exchange.pod]
    if len(pods_reached(streams)) < 2:
        evidence.doubts.append(Finding("streams from at least 2 pods", f"from {len(pods_reached(streams))}"))
    last = {event.subject: event.when for event in history.happened(Happening.MESSAGE)}
    began = max((exchange.received for exchange in streams), default=0.0)
    for what, act in _changes(history, began).items():
        arrived = [event.when for event in history.happened(Happening.CONVERGED) if event.when > act]
        if act < began or not arrived:
            evidence.doubts.append(Finding(f"the policy to be {what} while streams were open", "it was not seen to be"))
            continue
        quiet = [one for one in streams if last.get(one.request_id, 0.0) <= arrived[0]]
        if quiet:
            evidence.doubts.append(Finding(f"events on every stream after it was {what}", f"none on {len(quiet)}"))
    evidence.measures.append(Measure("streams that were open", len(streams)))
    return evidence.ruling()


def _changes(history: History, began: float) -> dict[str, float]:
    """Return when each change was made for the first time since the streams were open; -1 if it was not."""
    annotated = [event for event in history.happened(Happening.ANNOTATED) if event.when > began]
    edited = [event for event in history.happened(Happening.CHANGED) if event.subject.startswith("KongUpstreamPolicy/")]
    moments = {
        "taken away": [event.when for event in annotated if not event.detail["annotation"]],
        "attached": [event.when for event in annotated if event.detail["annotation"]],
        "edited": [event.when for event in edited if event.when > began],
    }
    return {what: min(found, default=-1.0) for what, found in moments.items()}
