"""A gateway that is too old for sticky sessions: the controller says so, and traffic flows on without them."""

from __future__ import annotations

from stickyconf.checks.declared import check
from stickyconf.checks.evidence import incomplete, unknown_outcomes
from stickyconf.checks.spread import unsticky_traffic
from stickyconf.model import Event, Finding, Happening, History, Measure, Ruling
from stickyconf.model.catalogue import FIRST_STICKY
from stickyconf.stats import Spread

OLDER_GATEWAY = "API-11"
CONTROLLERS_WARNING = "the controller's Warning"
"""The measure that quotes it."""

REASON, FIRST_RELEASE = "KongConfigurationTranslationFailed", f"{FIRST_STICKY}.0"


@check(OLDER_GATEWAY, arms=("before", "after"), design=Spread(alpha=1e-8))
def older_gateway_is_told_apart(history: History, design: Spread) -> Ruling:
    """A Warning on the Service names the policy and the release it needs, and traffic flows on without stickiness.

    Exposure: the gateway is older than that release, and traffic flowed before the policy was attached.
    """
    evidence = unsticky_traffic(history, "after", design)
    before, after = history.arm("before"), history.arm("after")
    evidence.doubts += [*incomplete(history, ["before"]), *unknown_outcomes(before)]
    gateway = history.setup.versions.get("gateway", "")
    if not gateway or tuple(map(int, gateway.split(".")[:2])) >= tuple(map(int, FIRST_STICKY.split("."))):
        evidence.doubts.append(Finding(f"a gateway older than {FIRST_STICKY}", gateway or "its release is not known"))
    annotated = history.happened(Happening.ANNOTATED)
    if not annotated:
        evidence.doubts.append(Finding("the annotation to be set", "it was not"))
        return evidence.ruling()
    evidence.violations += [
        Finding("traffic to flow on when the policy is attached", exchange.told(), (exchange.seq,))
        for exchange in after
        if exchange.failed or exchange.unserved
    ]
    policy = annotated[0].detail["annotation"].partition("=")[2]
    warnings = [event for event in history.happened(Happening.CLUSTER_EVENT) if event.detail["reason"] == REASON]
    if not any(_says(event, policy) for event in warnings):
        said = "; ".join(event.detail["message"] for event in warnings) or "none"
        wanted = f"a Warning {REASON} on the Service that names {policy} and {FIRST_RELEASE}"
        evidence.violations.append(Finding(wanted, said))
    evidence.measures += [Measure(CONTROLLERS_WARNING, event.detail["message"]) for event in warnings[:1]]
    return evidence.ruling()


def _says(event: Event, policy: str) -> bool:
    named = policy in event.detail["message"] and FIRST_RELEASE in event.detail["message"]
    return event.detail["type"] == "Warning" and named
