"""Histories for the checks of where requests without the cookie go."""

from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories import Dialect, annotation, drawn, spread
from tests.histories.edits import (
    arranged,
    by_gateway,
    edited,
    every,
    follow_ups,
    having,
    lacking,
    lapsing,
    nth,
    only,
    openings,
    planned,
    plus,
    reaches,
    refused,
    sending,
    setting,
    shifted,
    told,
    unconverged,
    unknown,
    unsettled,
    without,
    without_cookie,
)
from tests.histories.isolation import by_weight
from tests.histories.tape import GATEWAY, UPSTREAM

SPREAD = spread()
ANNOTATED = annotation()
BY_WEIGHT = by_weight()


def on(pod):
    """Whether a pod served it."""
    return lambda exchange: exchange.pod == pod


STARVED = edited(SPREAD, every("control", where=on("echo-c")), reaches("echo-a"))
# Of the 62 that its weight makes, one pod gets 12: a fifth.
NEARLY_STARVED = edited(SPREAD, every("control", where=lambda e: on("echo-c")(e) and e.seq > 36), reaches("echo-a"))
# Weights 3:1:1, and placement by them. The smallest share, a fifth, takes more sessions to judge.
WEIGHTED = told(
    spread(Dialect(place=lambda number: (0, 0, 0, 1, 2)[number % 5]), sessions=386),
    Happening.TARGET,
    "echo-a",
    weight="3",
)
TWO_PODS = arranged(
    without(spread(Dialect(place=lambda number: number % 2)), Happening.TARGET, "echo-c"), pods=("echo-a", "echo-b")
)

UNSURE = {
    "fewer than planned": (planned(SPREAD, control_sessions=500), "as planned"),
    "an unknown outcome": (edited(SPREAD, nth("control", 7), unknown), "known outcome"),
    "requests refused": (edited(SPREAD, nth("control", 7), refused), "as planned"),
    "requests the gateway answered itself": (edited(SPREAD, nth("control", 7), by_gateway(404)), "as planned"),
    "a policy that never arrived": (unconverged(SPREAD), "to arrive on every gateway replica"),
}


def stayed(arm):
    """Let every client of an arm stay on the pod of its first request."""
    history = ANNOTATED
    for session, exchanges in ANNOTATED.sessions(arm).items():
        history = edited(history, every(arm, where=lambda e, s=session: e.session == s), reaches(exchanges[0].pod))
    return history


def few_clients(size):
    """Keep the first clients of each arm, all staying, as if no more had been planned."""
    history = stayed("before")
    kept = {name for arm in ("before", "after") for name in list(history.sessions(arm))[:size]}
    history = only(history, every(where=lambda e: e.session in kept))
    return planned(history, before_sessions=size, after_sessions=size)


UNSTICKY_REJECTED = {
    "a cookie all the same": (
        edited(ANNOTATED, nth("before", 0), setting("session_id=x; Path=/")),
        "no cookie session_id without the policy",
    ),
    "a cookie from the gateway itself": (
        edited(ANNOTATED, nth("before", 9), by_gateway(503), setting("session_id=x")),
        "no cookie session_id without the policy",
    ),
    "clients that stay": (stayed("before"), "all 7 clients stayed"),
    "clients that stay, but for one of seven": (
        edited(stayed("before"), nth("before", -1, where=lambda e: e.session == "before-007"), reaches("echo-b")),
        "6 of 7 clients stayed (p = ",
    ),
    "clients that stay, but for two that nobody served": (
        edited(stayed("before"), every("before", where=lambda e: e.session < "before-003"), refused),
        "all 5 clients stayed",
    ),
}
UNSTICKY_UNSURE = {
    "clients that keep their connections": (
        edited(ANNOTATED, every("before", where=lambda e: True), lambda e: having(connection=e.session)(e)),
        "requests on fresh connections that tell spread from stickiness",
    ),
    "one pod only": (arranged(ANNOTATED, pods=("echo-a",)), "at least 2 ready pods"),
    "nothing in the arm before": (lacking(ANNOTATED, "before"), "arm before, as planned"),
    "few requests": (
        planned(
            only(ANNOTATED, every(where=lambda e: e.arm != "before" or e.session < "before-004")), before_sessions=3
        ),
        "tell spread from stickiness",
    ),
    "clients in lockstep, a multiple of the pods, dealt in turn": (few_clients(6), "tell spread from stickiness"),
    "a request with an unknown outcome": (edited(ANNOTATED, nth("before", 7), unknown), "known outcome"),
    "a change that never arrived": (unconverged(ANNOTATED), "to arrive on every gateway replica"),
}

CASES = {
    "every_ready_pod_is_reached": Cases(
        drawn=drawn.control,
        spoken=spread,
        accepts={
            "three pods": SPREAD,
            "as few sessions as tell": spread(sessions=43),
            "two pods": TWO_PODS,
            "a pod that gets few": NEARLY_STARVED,
        },
        rejects={
            "a pod never reached": (STARVED, "echo-c to serve some of 186 requests"),
            "a pod never reached, while another was not ready": (
                lapsing(STARVED, "echo-b"),
                "echo-c to serve some of 186 requests",
            ),
            "a pod nobody expects, in the place of one": (
                edited(SPREAD, every("control", where=on("echo-c")), reaches("echo-x")),
                "echo-c to serve some of 186 requests",
            ),
        },
        doubts=UNSURE
        | {
            "a pod never reached, which was not ready throughout": (
                lapsing(STARVED, "echo-c"),
                "none; echo-c was not ready throughout: its endpoint was not ready at 1.00 s, ready again at 2.00 s",
            ),
            "one session too few": (spread(sessions=42), "at least 43 sessions"),
            "a pod missed by few sessions": (
                planned(only(STARVED, every(where=lambda e: e.seq <= 42)), control_sessions=42),
                "echo-c to serve some of 42 requests",
            ),
            "one pod only": (arranged(SPREAD, pods=("echo-a",)), "at least 2 ready pods"),
            "requests that carried the cookie": (
                edited(SPREAD, every("control"), sending("session_id=at-echo-a")),
                "at least 43 sessions / 0",
            ),
        },
    ),
    "placement_follows_the_weights": Cases(
        drawn=drawn.control,
        spoken=spread,
        accepts={
            "equal weights": SPREAD,
            "unequal weights": WEIGHTED,
            "two pods": TWO_PODS,
            "an endpoint of a pod that changed": plus(SPREAD, Happening.ENDPOINT, "echo-c", 0.02, ready="true"),
            "a pod that was removed before": plus(
                plus(SPREAD, Happening.TARGET, "echo-z", 0.01, gateway=GATEWAY, weight="1", address="10.0.0.9:1027"),
                Happening.TARGET_REMOVED,
                "echo-z",
                0.02,
                gateway=GATEWAY,
            ),
            "a pod at weight 0, which gets none": plus(
                SPREAD, Happening.TARGET, "echo-z", 0.01, gateway=GATEWAY, weight="0", address="10.0.0.9:1027"
            ),
        },
        rejects={
            "a pod starved": (STARVED, "about 62 of 186 sessions on"),
            "a pod nearly starved": (NEARLY_STARVED, "of 186 sessions on echo-"),
            "all on one pod": (edited(SPREAD, every("control"), reaches("echo-b")), "about 62 of 186 sessions on"),
            "equal shares for unequal weights": (
                told(SPREAD, Happening.TARGET, "echo-a", weight="8"),
                "about 149 of 186 sessions on echo-a, by its weight / 62",
            ),
        },
        doubts=UNSURE
        | {
            "a pod starved, which was not ready throughout": (lapsing(STARVED, "echo-c"), "echo-c was not ready"),
            "too few sessions to show a starved pod": (spread(sessions=185), "at least 186 sessions / 185"),
            "weights that nobody looked at": (without(SPREAD, Happening.TARGET), "pods of known weight"),
            "a pod that is no target": (edited(SPREAD, nth("control", 1), reaches("echo-x")), "echo-x is not"),
            "one pod with a weight": (
                told(told(SPREAD, Happening.TARGET, "echo-a", weight="0"), Happening.TARGET, "echo-b", weight="0"),
                "pods of known weight",
            ),
        },
    ),
    "new_sessions_follow_the_backends": Cases(
        drawn=drawn.by_backend,
        spoken=by_weight,
        accepts={
            "three of four on the heavy backend": BY_WEIGHT,
            "a few more than that": by_weight(light=50, heavy=214),
        },
        rejects={
            "as many on both": (
                by_weight(light=132, heavy=132),
                "about 66 of 264 sessions on the backend of weight 1 / 132",
            ),
            "as many on each pod": (by_weight(light=158, heavy=106), "on the backend of weight 1 / 158 (p = "),
            "none on the light backend": (by_weight(light=0, heavy=264), "on the backend of weight 1 / 0"),
            "the weights of the other": (by_weight(light=198, heavy=66), "on the backend of weight 1 / 198"),
        },
        doubts={
            "as many on both, while a pod was not ready": (
                lapsing(by_weight(light=132, heavy=132), "echo-b"),
                "echo-b was not ready throughout",
            ),
            "too few sessions": (by_weight(light=15, heavy=45), "sessions / 60"),
            "sessions that had a cookie": (
                edited(BY_WEIGHT, every("by-weight"), sending("session_id=at-echo-a")),
                "sessions / 0",
            ),
            "fewer than planned": (planned(BY_WEIGHT, by__weight_sessions=500), "as planned"),
            "an unknown outcome": (edited(BY_WEIGHT, nth("by-weight", 7), unknown), "known outcome"),
            "a rule that never arrived": (unconverged(BY_WEIGHT), "to arrive on every gateway replica"),
        },
    ),
    "without_policy_traffic_is_unsticky": Cases(
        drawn=drawn.without_policy,
        spoken=annotation,
        accepts={
            "traffic that spreads": ANNOTATED,
            "two pods": arranged(annotation(Dialect(place=lambda number: number % 2)), pods=("echo-a", "echo-b")),
            "a cookie of the application": edited(ANNOTATED, every("before"), setting("app=1; Path=/")),
            "one client that stays by chance": edited(
                ANNOTATED, every("before", where=lambda e: e.session == "before-001"), reaches("echo-a")
            ),
        },
        rejects=UNSTICKY_REJECTED,
        doubts=UNSTICKY_UNSURE,
    ),
    "annotation_switches_stickiness_on": Cases(
        drawn=drawn.without_policy,
        spoken=annotation,
        accepts={"unsticky before and sticky after": ANNOTATED},
        rejects=UNSTICKY_REJECTED
        | {
            "a session that strays after it": (edited(ANNOTATED, nth("after", -1), reaches("echo-x")), "to stay there"),
            "a request that fails after it": (edited(ANNOTATED, nth("after", -1), refused), "to be served"),
            "a worker that never acts on it": (
                unsettled(ANNOTATED, nth("after", 1), UPSTREAM, without_cookie()),
                "every worker of the gateway to act on it within",
            ),
            "no cookie after it": (
                edited(ANNOTATED, openings("after"), without_cookie()),
                "to get the cookie session_id once the annotation is set",
            ),
        },
        doubts=UNSTICKY_UNSURE
        | {
            "a session that has no route after it": (
                edited(ANNOTATED, every("after", where=lambda e: e.session == "after-008"), by_gateway(404)),
                "arm after, as planned",
            ),
            "nothing in the arm after": (lacking(ANNOTATED, "after"), "arm after, as planned"),
            "no annotation": (without(ANNOTATED, Happening.ANNOTATED), "the annotation to be set"),
            "an annotation from the start": (shifted(ANNOTATED, Happening.ANNOTATED, -0.4), "the annotation to be set"),
            "an annotation at the end": (shifted(ANNOTATED, Happening.ANNOTATED, 9), "the annotation to be set"),
            "requests after it without the cookie": (
                edited(ANNOTATED, follow_ups("after"), sending()),
                "every request of the arm after",
            ),
        },
    ),
}
