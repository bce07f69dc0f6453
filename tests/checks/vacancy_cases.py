"""Histories for the checks of a Service scaled to 0 and back."""

from dataclasses import replace

from stickyconf.checks.vacancy import HELD, NEIGHBOUR, RETURNED, VACANT
from stickyconf.model import Answered, Happening
from tests.checks.cases import Cases
from tests.histories.edits import (
    arranged,
    between,
    by_gateway,
    edited,
    every,
    follow_ups,
    lacking,
    nth,
    only,
    plus,
    reaches,
    refused,
    sending,
    shifted,
    told,
    unconnected,
    unconverged,
    unknown,
    without,
    without_agreement,
    without_cookie,
)
from tests.histories.vacancy import AT_ZERO, BACK, ENDING, OTHER, RELEASED, TAKEN, vacancy

DONE = vacancy()
DRAINING, EARLY = between(AT_ZERO, RELEASED), between(ENDING, AT_ZERO)
UNCONVERGED = {"a change that never arrived": (unconverged(DONE), "to arrive on every gateway replica")}


def served_by(pod):
    """Let a pod serve what the gateway answered by itself."""
    return lambda exchange: replace(exchange, outcome=Answered(200, (), pod))


CASES = {
    "last_draining_pods_keep_their_sessions": Cases(
        spoken=vacancy,
        accepts={
            "sessions that stay, and strangers that get 503": DONE,
            "strangers that are served": edited(DONE, every(HELD), served_by("echo-a")),
        },
        rejects={
            "503 for a session": (edited(DONE, nth("resident", 2, DRAINING), by_gateway(503)), "to stay on echo-"),
            "503 before the weights are shown": (
                edited(DONE, nth("resident", 1, EARLY), by_gateway(503)),
                "to stay on echo-",
            ),
            "a session that moves": (edited(DONE, nth("resident", 2, DRAINING), reaches("echo-x")), "to stay on echo-"),
            "a session that is cut": (edited(DONE, nth("resident", 2, DRAINING), refused), "to stay on echo-"),
        },
        doubts=UNCONVERGED
        | {
            "drain support off": (arranged(DONE, drain=False), "with drain support on"),
            "nobody scaled": (without(DONE, Happening.SCALED), "every pod to terminate"),
            "a pod that does not end": (
                without(DONE, Happening.TERMINATING, "echo-a"),
                "every pod to terminate, with drain support on / drain support True, 1 of 2 pods terminating",
            ),
            "a weight that stays": (
                told(DONE, Happening.TARGET, "echo-a", weight="1"),
                "while every pod was at weight 0",
            ),
            "a hold that is too short": (
                shifted(DONE, Happening.RELEASED, -1.7),
                "while every pod was at weight 0",
            ),
            "a pod without a session": (
                only(DONE, every(where=lambda e: DONE.sessions()[e.session][0].pod != "echo-b" or e.arm != "resident")),
                "a session on echo-b before",
            ),
            "an unknown outcome": (edited(DONE, nth("resident", 2, DRAINING), unknown), "known outcome"),
        },
    ),
    "scaling_to_zero_and_back_works": Cases(
        spoken=vacancy,
        accepts={"503 and back": DONE},
        rejects={
            "another status": (edited(DONE, nth(VACANT, 0), by_gateway(404)), "503 from a gateway without a pod"),
            "no answer": (edited(DONE, nth(VACANT, 0), refused), "503 from a gateway without a pod"),
            "503 afterwards": (edited(DONE, nth(RETURNED, -1), by_gateway(503)), "to be served once"),
            "never anything but 503": (
                edited(DONE, every(RETURNED), by_gateway(503)),
                "to be served once pods are back",
            ),
            "a session that moves afterwards": (edited(DONE, nth(RETURNED, -1), reaches("echo-x")), "to stay there"),
            "no cookie afterwards": (edited(DONE, nth(RETURNED, 0), without_cookie()), "to get a cookie once pods"),
        },
        doubts=UNCONVERGED
        | {
            "nobody scaled": (without(DONE, Happening.SCALED), "to be scaled to 0 and back"),
            "pods that never came back": (
                without(DONE, Happening.PODS_READY, "Deployment/echo"),
                "to be scaled to 0 and back",
            ),
            "nobody visited meanwhile": (lacking(DONE, VACANT), "visited in between"),
            "nobody visited afterwards": (lacking(DONE, RETURNED), "arm returned, as planned"),
            "a pod that nobody saw go": (without(DONE, Happening.POD_GONE, "echo-a"), "no pod left"),
            "a pod that went later": (shifted(DONE, Happening.POD_GONE, 2), "no pod left"),
            "a target that stayed": (without(DONE, Happening.TARGET_REMOVED, "echo-a"), "no pod left"),
            "a pod that was there after all": (
                edited(DONE, nth(VACANT, 0), served_by("echo-z")),
                "no pod to be there",
            ),
            "one connection refused": (edited(DONE, nth(VACANT, 0), unconnected), "once and not again"),
            "cookies that were not sent": (edited(DONE, follow_ups(RETURNED), sending()), "of the arm returned"),
            "503 of a Service whose pods went again": (
                plus(edited(DONE, nth(RETURNED, -1), by_gateway(503)), Happening.TERMINATING, "echo-c", BACK + 0.5),
                "pods that stay ready",
            ),
            "an unknown outcome": (edited(DONE, nth(VACANT, 0), unknown), "known outcome"),
        },
    ),
    "a_reused_address_inherits_no_session": Cases(
        spoken=vacancy,
        accepts={
            "an address that is another's now": DONE,
            "an old session there while a worker did not know": edited(
                DONE, nth("resident", 0, where=lambda e: e.sent > TAKEN), reaches(OTHER)
            ),
        },
        rejects={
            "an old session at the other workload": (
                edited(DONE, nth("resident", -1), reaches(OTHER)),
                f"no session of a pod that had 10.0.0.1 on {OTHER}",
            ),
            "an old session there, although the workers' time is over": (
                edited(
                    without_agreement(without(DONE, Happening.SETTLED, NEIGHBOUR), NEIGHBOUR, TAKEN + 0.5),
                    nth("resident", -1),
                    reaches(OTHER),
                ),
                f"no session of a pod that had 10.0.0.1 on {OTHER}",
            ),
            "an old session there, and nobody else reached it": (
                edited(without(DONE, Happening.SETTLED, NEIGHBOUR), nth("resident", -1), reaches(OTHER)),
                f"no session of a pod that had 10.0.0.1 on {OTHER}",
            ),
        },
        doubts=UNCONVERGED
        | {
            "no other workload": (without(DONE, Happening.PODS_READY, "Deployment/neighbour"), "another workload"),
            "a worker that never reached it": (
                without(DONE, Happening.SETTLED, NEIGHBOUR),
                "every worker of the gateway",
            ),
            "no addresses": (without(DONE, Happening.TARGET), "another workload"),
            "a workload that nobody asked": (lacking(DONE, NEIGHBOUR), "cookies of echo-a while the other workload"),
            "other cookies": (
                edited(DONE, every("resident", where=lambda e: e.sent > TAKEN), sending("session_id=other")),
                "cookies of echo-a while the other workload served at its address / none was sent",
            ),
            "an unknown outcome": (edited(DONE, nth("resident", -1), unknown), "known outcome"),
        },
    ),
}
