"""Histories for the checks of policies that the gateway does not take."""

from stickyconf.checks.refusals import LACKING, REFUSED
from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories.edits import (
    between,
    by_gateway,
    edited,
    every,
    lacking,
    nth,
    only,
    plus,
    refused,
    shifted,
    told,
    unconnected,
    unknown,
    without,
)
from tests.histories.refusals import GONE_AT, SCALED_AT, refusals
from tests.histories.tape import GATEWAY

DONE = refusals()
FIRST = REFUSED[0]
LATE = between(SCALED_AT, GONE_AT)
UNREFUSED = {
    "a policy that was not admitted": (
        without(DONE, Happening.APPLIED, FIRST),
        f"the policy {FIRST} to be admitted / it was not",
    ),
    "a policy that the gateway takes": (
        told(DONE, Happening.UPSTREAM, f"httproute.sticky.{FIRST}.0", upstream='{"algorithm": "sticky-sessions"}'),
        f"the gateway to refuse the policy {FIRST} / {GATEWAY} took it",
    ),
    "a gateway that nobody asked": (
        without(DONE, Happening.UPSTREAM, f"httproute.sticky.{FIRST}.0"),
        f"to be asked about the policy {FIRST}",
    ),
}
FROZEN = without(DONE, Happening.CONVERGED)

CASES = {
    "policy_without_settings_observed": Cases(
        spoken=refusals,
        accepts={
            "a policy that the gateway refuses": DONE,
            "a policy that the gateway takes": told(
                DONE, Happening.UPSTREAM, f"httproute.sticky.{LACKING}.0", upstream='{"algorithm": "round-robin"}'
            ),
            "nothing said of it": without(DONE, Happening.CLUSTER_EVENT),
        },
        doubts={
            "a policy that was not admitted": (without(DONE, Happening.APPLIED, LACKING), "to be admitted"),
            "no requests": (lacking(DONE, LACKING), "requests to its Service / none"),
            "an unknown outcome": (edited(DONE, nth(LACKING, 0), unknown), "known outcome"),
        },
    ),
    "refused_policies_are_announced": Cases(
        accepts={
            "events about their Services": DONE,
            "an event about the policy": plus(
                without(DONE, Happening.CLUSTER_EVENT, f"Service/{FIRST}"),
                Happening.CLUSTER_EVENT,
                f"KongUpstreamPolicy/{FIRST}",
                1.5,
                type="Warning",
                reason="Refused",
                message="no",
            ),
            "an event that names it": plus(
                without(DONE, Happening.CLUSTER_EVENT, f"Service/{FIRST}"),
                Happening.CLUSTER_EVENT,
                "Gateway/kong",
                1.5,
                type="Warning",
                reason="Refused",
                message=f"the policy {FIRST} is wrong",
            ),
        },
        rejects={
            "no event": (without(DONE, Happening.CLUSTER_EVENT), "a Warning event about the policy"),
            "no event about one of them": (
                without(DONE, Happening.CLUSTER_EVENT, f"Service/{FIRST}"),
                f"a Warning event about the policy {FIRST} or its Service / none",
            ),
        },
        doubts=UNREFUSED,
    ),
    "refused_policies_freeze_nothing": Cases(
        spoken=refusals,
        accepts={"a Service that is scaled": DONE},
        rejects={
            "a change that arrives once they are gone": (
                shifted(DONE, Happening.CONVERGED, 1.0),
                "to reach the gateway / it did not, and did 0.5 s after they were taken away",
            ),
            "a request that fails": (edited(DONE, nth("resident", 40), refused), "another Service to be served"),
            "a request without a route": (
                edited(DONE, nth("resident", 40), by_gateway(404)),
                "another Service to be served",
            ),
        },
        doubts=UNREFUSED
        | {
            "a change that never arrives": (FROZEN, "it did not, neither after they were taken away"),
            "a Service that nobody scales": (without(DONE, Happening.SCALED), "the Service to be scaled"),
            "pods that are never ready": (without(DONE, Happening.PODS_READY), "the Service to be scaled"),
            "policies that stay": (without(DONE, Happening.CHANGED), "the policies to be taken away"),
            "no requests meanwhile": (
                only(DONE, every(where=lambda e: not (e.arm == "resident" and LATE(e)))),
                "requests while the Service was scaled / none",
            ),
            "an unknown outcome": (edited(DONE, nth("resident", 40), unknown), "known outcome"),
            "one connection refused": (edited(DONE, nth("resident", 40), unconnected), "once and not again"),
        },
    ),
}
