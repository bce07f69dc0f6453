"""Histories for the checks of sessions while controller and gateway are replaced and scaled."""

from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories.edits import (
    between,
    by_gateway,
    by_somebody_else,
    edited,
    every,
    having,
    lacking,
    nth,
    only,
    planned,
    reaches,
    refused,
    sending,
    told,
    unconverged,
    unknown,
    without,
)
from tests.histories.operations import BEGAN, ENDED, LAST, REPLICAS, UPGRADED, UPGRADING, controller, gateway

CONTROLLER, GATEWAY = controller(), gateway()


def staying(history, when):
    """What a check of residents rejects: one that strays, fails, or is answered by the gateway, in this time."""
    some = nth("resident", 2, when)
    return {
        "a session that moves": (edited(history, some, reaches("echo-z")), "to stay there"),
        "an error": (edited(history, some, by_gateway(503)), "to be served"),
        "a route that is gone": (edited(history, some, by_gateway(404)), "to be served"),
    }


def unseen(history, *, began, ended, act, part):
    """What leaves a check of a replacement unsure."""
    start, end = between(began, ended), between(ended, LAST)
    return {
        "a change that never arrived": (unconverged(history), "to arrive on every gateway replica"),
        "an unknown outcome": (edited(history, nth("resident", 2, start), unknown), "known outcome"),
        "an answer of somebody else": (
            edited(history, nth("resident", 2, start), by_somebody_else),
            "was answered 404 by another server (elsewhere)",
        ),
        "nothing replaced": (without(history, Happening.REPLACED), "to be replaced"),
        "nothing done": (without(history, Happening.DELETED, act), "to be replaced by"),
        "a pod that stayed": (
            told(history, Happening.REPLACED, part, before='{"three": "image:1"}'),
            "three stayed",
        ),
        "pods of which nothing is known": (told(history, Happening.REPLACED, part, after="{}"), "none is known"),
        "no visit meanwhile": (
            only(history, every(where=lambda e: e.arm != "resident" or not start(e))),
            "to be visited while it was replaced",
        ),
        "no visit afterwards": (
            only(history, every(where=lambda e: e.arm != "resident" or not end(e))),
            "to be visited afterwards",
        ),
        "no session": (lacking(history, "resident"), "before the drain"),
    }


CASES = {
    "controller_restart_is_not_noticed": Cases(
        spoken=controller,
        accepts={
            "nobody noticed": CONTROLLER,
            "trouble of the upgrade later": edited(
                CONTROLLER, nth("resident", 2, between(UPGRADING, UPGRADED)), by_gateway(503)
            ),
        },
        rejects=staying(CONTROLLER, between(BEGAN, ENDED)),
        doubts=unseen(CONTROLLER, began=BEGAN, ended=ENDED, act="Controller/restart", part="Controller")
        | {
            "no later change": (without(CONTROLLER, Happening.CONVERGED), "a change after the restart"),
        },
    ),
    "controller_upgrade_is_not_noticed": Cases(
        spoken=controller,
        accepts={
            "nobody noticed": CONTROLLER,
            "trouble of the restart before": edited(
                CONTROLLER, nth("resident", 2, between(BEGAN, ENDED)), by_gateway(503)
            ),
        },
        rejects=staying(CONTROLLER, between(UPGRADING, UPGRADED)),
        doubts=unseen(CONTROLLER, began=UPGRADING, ended=UPGRADED, act="Controller/upgrade", part="Controller")
        | {
            "no later change": (without(CONTROLLER, Happening.CONVERGED), "a change after the upgrade"),
            "the same release": (
                told(CONTROLLER, Happening.REPLACED, before='{"a": "image:1"}', after='{"b": "image:1"}'),
                "another release of the controller",
            ),
        },
    ),
    "gateway_upgrade_is_not_noticed": Cases(
        spoken=gateway,
        accepts={"nobody noticed": GATEWAY},
        rejects=staying(GATEWAY, between(UPGRADING, UPGRADED)),
        doubts=unseen(GATEWAY, began=UPGRADING, ended=UPGRADED, act="Gateway/upgrade", part="Gateway")
        | {
            "the same release": (
                told(GATEWAY, Happening.REPLACED, before='{"a": "image:1"}', after='{"b": "image:1"}'),
                "another release of the gateway",
            ),
        },
    ),
    "cookie_outlives_the_gateway": Cases(
        spoken=gateway,
        accepts={
            "old cookies, the same pods": GATEWAY,
            "a failure while they were replaced": edited(
                GATEWAY, nth("resident", 2, between(UPGRADING, UPGRADED)), by_gateway(503)
            ),
            "connections cut with a replica": edited(GATEWAY, nth("resident", 2, between(UPGRADED, LAST)), refused),
            "a request into nowhere, and then served again": edited(
                GATEWAY, nth("resident", 2, between(UPGRADED, LAST)), unknown
            ),
            "somebody else at the address of a replica that has gone": edited(
                GATEWAY, nth("resident", 2, between(UPGRADED, LAST)), by_somebody_else
            ),
        },
        rejects=staying(GATEWAY, between(UPGRADED, LAST)),
        doubts={
            "a change that never arrived": (unconverged(GATEWAY), "to arrive on every gateway replica"),
            "an unknown outcome": (edited(GATEWAY, nth("resident", -1), unknown), "known outcome"),
            "nothing replaced": (without(GATEWAY, Happening.REPLACED), "they were not"),
            "a replica that stayed": (told(GATEWAY, Happening.REPLACED, before='{"three": "i"}'), "three stayed"),
            "nobody came back": (
                only(GATEWAY, every(where=lambda e: e.arm != "resident" or e.sent < UPGRADED)),
                "to be visited with its old cookie",
            ),
            "no strangers": (lacking(GATEWAY, "stranger"), "new sessions on at least 2 pods"),
            "strangers on one pod": (edited(GATEWAY, every("stranger"), reaches("echo-a")), "on at least 2 pods"),
            "no session": (lacking(GATEWAY, "resident"), "before the drain"),
        },
    ),
    "replicas_honour_each_others_cookies": Cases(
        spoken=gateway,
        accepts={"each leads where the others do": GATEWAY},
        rejects={
            "a replica that does not know it": (
                edited(GATEWAY, nth("crossing", 2), reaches("echo-z")),
                "to stay there",
            ),
            "a replica that fails": (edited(GATEWAY, nth("crossing", 2), by_gateway(503)), "to be served"),
        },
        doubts={
            "a change that never arrived": (unconverged(GATEWAY), "to arrive on every gateway replica"),
            "an unknown outcome": (edited(GATEWAY, nth("crossing", 2), unknown), "known outcome"),
            "nobody crossed": (lacking(GATEWAY, "crossing"), "at least 2 gateway replicas"),
            "one replica": (
                edited(GATEWAY, every("crossing"), having(gateway=REPLICAS[0])),
                "at least 2 gateway replicas / 1 of 1",
            ),
            "all opened at one": (
                edited(
                    GATEWAY,
                    lambda h: [own[0] for own in h.sessions("crossing").values()],
                    having(gateway=REPLICAS[0]),
                ),
                "1 of 3",
            ),
            "cookies that do not go along": (edited(GATEWAY, every("crossing"), sending()), "to carry its cookie"),
            "all on one pod": (edited(GATEWAY, every("crossing"), reaches("echo-a")), "opened on at least 2 pods"),
            "fewer than planned": (planned(GATEWAY, crossing_sessions=9), "as planned"),
        },
    ),
    "new_replica_serves_from_the_first": Cases(
        spoken=gateway,
        accepts={
            "each knows every session": GATEWAY,
            "trouble of the upgrade later": edited(
                GATEWAY, nth("resident", 2, between(UPGRADING, UPGRADED)), by_gateway(503)
            ),
        },
        rejects=staying(GATEWAY, between(BEGAN, ENDED))
        | {
            "a new one without a route": (
                edited(GATEWAY, nth("direct", 0), by_gateway(404)),
                "by a replica that is ready",
            ),
            "a new one that serves no new session": (
                edited(GATEWAY, nth("direct", 1), by_gateway(503)),
                "a new session to be served",
            ),
            "a new one that leads elsewhere": (edited(GATEWAY, nth("direct", 0), reaches("echo-z")), "to be led there"),
        },
        doubts={
            "a change that never arrived": (unconverged(GATEWAY), "to arrive on every gateway replica"),
            "an unknown outcome": (edited(GATEWAY, nth("direct", 0), unknown), "known outcome"),
            "somebody else at the address of a new one": (
                edited(GATEWAY, nth("direct", 0), by_somebody_else),
                "was answered 404 by another server (elsewhere)",
            ),
            "not scaled": (without(GATEWAY, Happening.SCALED), "to be scaled up"),
            "nobody asked": (lacking(GATEWAY, "direct"), "2 new replicas to be asked"),
            "one asked": (
                edited(GATEWAY, every("direct"), having(gateway=REPLICAS[1])),
                "2 new replicas to be asked",
            ),
            "asked without cookies": (edited(GATEWAY, every("direct"), sending()), "by 0 requests"),
            "no session": (lacking(GATEWAY, "resident"), "before the drain"),
        },
    ),
}
