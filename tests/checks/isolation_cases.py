"""Histories for the checks of several Services and one client."""

from itertools import pairwise

from stickyconf.checks.isolation import BASKET, ONCE, OWN, PLAIN, SHOP, TWIN
from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories.drawn import in_order, shuffled
from tests.histories.edits import (
    answered,
    arranged,
    by_gateway,
    edited,
    every,
    having,
    lacking,
    nth,
    only,
    openings,
    planned,
    reaches,
    refused,
    sending,
    setting,
    told,
    unconnected,
    unconverged,
    unknown,
    without,
    without_cookie,
)
from tests.histories.isolation import SHOP_PODS, isolation
from tests.histories.tape import Tape

MADE = isolation()
NEVER_ARRIVED = {"a route that never arrived": (unconverged(MADE), "to arrive on every gateway replica")}


def at(path):
    """Whether an exchange is at a path."""
    return lambda exchange: exchange.path == path


def stay(arm, path=None):
    """What a check of sessions that stay rejects: one request that strays, fails, or is answered by the gateway."""
    last = nth(arm, -1, at(path) if path else lambda _: True)
    return {
        f"a session that leaves its pod in the arm {arm}": (edited(MADE, last, reaches("echo-z")), "to stay there"),
        f"an error in the arm {arm}": (edited(MADE, last, by_gateway(503)), "to be served"),
        f"a route that is gone in the arm {arm}": (edited(MADE, last, by_gateway(404)), "to be served"),
    }


def unclear(arm):
    """What leaves a check of an arm unsure, whatever it asks."""
    return NEVER_ARRIVED | {
        "an unknown outcome": (edited(MADE, nth(arm, -1), unknown), "known outcome"),
    }


def switched(history):
    """The requests with which a client came back from the shop."""
    return [
        after
        for exchanges in history.sessions("alternating").values()
        for before, after in pairwise(exchanges)
        if (before.path, after.path) == (SHOP, OWN)
    ]


def sibling(counts):
    """A client of the Service without the policy; so many of its requests moved on, so many did not."""
    order = [0]
    for step in shuffled((counts[1], counts[0])):
        order.append(order[-1] + step)
    tape = Tape(dialect=in_order([0, *order, 0]))
    tape.plan |= {"sibling.sessions": 1, "sibling.requests": len(order)}
    own, plain = tape.open("sibling"), tape.open("sibling")
    plain.name = own.name
    tape.visit(own, 0.0)
    plain.value = own.value
    tape.sticky = False
    for turn in range(len(order)):
        tape.visit(plain, 0.1 + turn * 0.01, path=PLAIN)
    tape.sticky = True
    tape.visit(own, 1.0 + len(order))
    return tape.history()


ONE_HOME = edited(MADE, every("pair", where=at(BASKET)), reaches("echo-a"))
CASES = {
    "cookies_pin_independently": Cases(
        spoken=isolation,
        accepts={
            "two sessions, two pods": MADE,
            "pods that answer 404": edited(MADE, every("pair", where=at(BASKET)), answered(404)),
        },
        rejects=stay("pair", BASKET)
        | {
            "the first Service's session follows the second's": (
                edited(MADE, nth("pair", -1, at(OWN)), reaches("echo-z")),
                "to stay there",
            ),
            "no cookie of the second Service's own": (
                edited(MADE, nth("pair", 0, at(BASKET)), without_cookie("basket_id")),
                "to get the cookie basket_id at /basket",
            ),
            "the first one's cookie in its place": (
                edited(MADE, nth("pair", 0, at(BASKET)), without_cookie("basket_id"), setting("session_id=x; Path=/")),
                "to get the cookie basket_id at /basket",
            ),
        },
        doubts=unclear("pair")
        | {
            "no such client": (lacking(MADE, "pair"), "requests with both cookies"),
            "both sessions on one pod": (
                edited(ONE_HOME, every("pair", where=at(OWN)), reaches("echo-a")),
                "13 requests with both cookies",
            ),
            "cookies that do not go along": (
                edited(MADE, every("pair"), sending()),
                "13 requests with both cookies",
            ),
        },
    ),
    "cookie_of_two_services_is_overwritten": Cases(
        spoken=isolation,
        accepts={
            "placed anew each time": MADE,
            "pods that answer 404": edited(MADE, every("alternating"), answered(404)),
        },
        rejects={
            "a switch that is answered 503": (
                edited(MADE, lambda h: switched(h)[:1], by_gateway(503)),
                "to be served, and not 5xx",
            ),
            "switches that fail": (edited(MADE, lambda h: switched(h)[:2], refused), "to be served, and not 5xx"),
            "a pod that answers 502": (edited(MADE, nth("alternating", 9), answered(502)), "and not 5xx"),
            "a route that is gone": (edited(MADE, nth("alternating", -1), by_gateway(404)), "to be served"),
            "no new cookie": (
                edited(MADE, lambda h: switched(h)[:1], without_cookie()),
                "a new cookie in place of the other Service's / none",
            ),
            "the other Service's pod": (
                edited(MADE, nth("alternating", -1), reaches("echo-a")),
                "/shop to be served by a pod of its own Service",
            ),
            "a new cookie that does not pin": (
                edited(MADE, lambda h: [h.arm("alternating")[-1]], reaches("shop-z")),
                "to stay there",
            ),
        },
        doubts=unclear("alternating")
        | {
            "no such client": (lacking(MADE, "alternating"), "the other Service's cookie"),
            "one connection refused": (edited(MADE, nth("alternating", -1), unconnected), "once and not again"),
            "nobody came back": (
                only(MADE, every(where=lambda e: e.arm != "alternating" or e in MADE.arm("alternating")[:8])),
                "a client to come to /shop",
            ),
            "cookies that do not go along": (
                edited(MADE, every("alternating"), sending()),
                "with the other Service's cookie / none did",
            ),
            "fewer than planned": (planned(MADE, alternating_sessions=9), "as planned"),
        },
    ),
    "shared_pod_keeps_its_client": Cases(
        spoken=isolation,
        accepts={"one pod through both": MADE},
        rejects=stay("shared", TWIN) | stay("shared", OWN),
        doubts=unclear("shared")
        | {
            "no such client": (lacking(MADE, "shared"), "as planned"),
            "all on one pod": (edited(MADE, every("shared"), reaches("echo-a")), "opened on at least 2 pods"),
            "the second Service never asked": (
                edited(MADE, every("shared"), having(path=OWN)),
                "a request of the arm shared to /twin",
            ),
            "cookies that do not go along": (edited(MADE, every("shared"), sending()), "to carry session_id"),
        },
    ),
    "sibling_without_policy_is_not_sticky": Cases(
        spoken=isolation,
        drawn=sibling,
        accepts={"no cookie, and spread": MADE},
        rejects={
            "the neighbour's cookie": (
                edited(MADE, nth("sibling", 5, at(PLAIN)), setting("session_id=x; Path=/")),
                "no cookie session_id",
            ),
            "a third one's cookie": (
                edited(MADE, nth("sibling", 5, at(PLAIN)), setting("basket_id=x; Path=/")),
                "no cookie basket_id",
            ),
            "sessions that stay": (
                edited(MADE, every("sibling", where=at(PLAIN)), reaches("echo-a")),
                "the requests of a client to spread",
            ),
        },
        doubts={
            "an unknown outcome": (edited(MADE, nth("sibling", -1), unknown), "known outcome"),
            "a route that never arrived": (unconverged(MADE), "to arrive on every gateway replica"),
            "no such client": (lacking(MADE, "sibling"), "as planned"),
            "sessions beside it that do not pin": (
                edited(MADE, nth("sibling", -1, at(OWN)), reaches("echo-z")),
                "to keep its session at the Service with the policy",
            ),
            "nobody who came back": (
                only(MADE, every(where=lambda e: e.arm != "sibling" or e.path == PLAIN)),
                "to keep its session at the Service with the policy / 0 did",
            ),
            "requests without the cookie": (
                edited(MADE, every("sibling", where=at(PLAIN)), sending()),
                "a request of the arm sibling to /plain",
            ),
            "one pod only": (arranged(MADE, pods=("echo-a",)), "at least 2 ready pods"),
        },
    ),
    "every_route_pins": Cases(
        spoken=isolation,
        accepts={"through either": MADE},
        rejects=stay("by-ingress")
        | stay("by-route")
        | {
            "no cookie by the Ingress": (
                edited(MADE, openings("by-ingress"), without_cookie()),
                "to get the cookie session_id",
            ),
        },
        doubts=unclear("by-ingress")
        | {
            "nobody by the Ingress": (lacking(MADE, "by-ingress"), "arm by-ingress, as planned"),
            "nobody by the HTTPRoute": (lacking(MADE, "by-route"), "arm by-route, as planned"),
            "all on one pod": (edited(MADE, every("by-ingress"), reaches("echo-a")), "opened on at least 2 pods"),
            "cookies that do not go along": (edited(MADE, every("by-route"), sending()), "to carry session_id"),
        },
    ),
    "weighted_backends_keep_sessions": Cases(
        spoken=isolation,
        accepts={"sessions that stay": MADE},
        rejects=stay("weighted")
        | {
            "a session that changes the backend": (
                edited(MADE, nth("weighted", -2), reaches("shop-x")),
                "to stay there",
            ),
            "a new session at weight 0": (
                edited(MADE, nth("newcomer", 3), reaches("shop-y")),
                "no new session at the backend with weight 0",
            ),
        },
        doubts=unclear("weighted")
        | {
            "an unknown outcome of a new session": (edited(MADE, nth("newcomer", 0), unknown), "known outcome"),
            "no session": (lacking(MADE, "weighted"), "sessions on pods of both backends"),
            "no new session": (lacking(MADE, "newcomer"), "30 new sessions after the change"),
            "one backend only": (
                only(MADE, every(where=lambda e: e.arm != "weighted" or e.pod not in SHOP_PODS)),
                "sessions on pods of both backends",
            ),
            "a weight that was not seen": (without(MADE, Happening.CONVERGED), "the weight of a backend to become 0"),
            "nobody came back": (
                only(MADE, every(where=lambda e: e.arm != "weighted" or e in MADE.arm("weighted")[:8])),
                "to be visited after the change",
            ),
        },
    ),
    "conflicting_policies_are_announced": Cases(
        spoken=isolation,
        accepts={
            "an event for each Service": MADE,
            "in KIC's other words": told(
                MADE, Happening.CLUSTER_EVENT, message="inconsistent KongUpstreamPolicy configuration for services a, b"
            ),
        },
        rejects={
            "no event": (
                without(MADE, Happening.CLUSTER_EVENT),
                "a Warning event about the policies of one rule that differ / none",
            ),
            "an event about something else": (
                told(MADE, Happening.CLUSTER_EVENT, message="no such backend"),
                "Service/echo: no such backend",
            ),
        },
        doubts={
            "a route that never arrived": (unconverged(MADE), "to arrive on every gateway replica"),
            "an unknown outcome": (edited(MADE, nth("mixed-before", 0), unknown), "known outcome"),
            "nothing added": (without(MADE, Happening.APPLIED, "HTTPRoute/mixed"), "a second policy to be added"),
            "no traffic before": (lacking(MADE, "mixed-before"), "0 requests served before it"),
        },
    ),
    "cookie_opens_no_other_service": Cases(
        spoken=isolation,
        accepts={
            "each Service's own pods": MADE,
            "the same cookie again": edited(MADE, nth("replayed", 0), without_cookie()),
        },
        rejects={
            "a pod of the first Service": (
                edited(MADE, nth("replayed", 0), reaches("echo-b")),
                "/shop to be served by a pod of its own Service",
            ),
            "the other way round": (
                edited(MADE, nth("replayed", 1), reaches("shop-x")),
                "/ to be served by a pod of its own Service",
            ),
        },
        doubts=unclear("replayed")
        | {
            "no owner": (lacking(MADE, "owner"), "as planned"),
            "nothing presented": (lacking(MADE, "replayed"), "/ to serve a request with the other Service's cookie"),
            "one way only": (
                only(MADE, every(where=lambda e: e.arm != "replayed" or e.path == OWN)),
                "/shop to serve a request",
            ),
            "a cookie that leads its owner elsewhere": (
                edited(MADE, nth("owner", -1), reaches("shop-z")),
                "each cookie to lead its owner to its pod",
            ),
            "presented without the cookie": (edited(MADE, every("replayed"), sending()), "to serve a request"),
            "all on one pod": (edited(MADE, every("owner"), reaches("echo-a")), "opened on at least 2 pods"),
        },
    ),
    "scope_of_a_session_observed": Cases(
        spoken=isolation,
        accepts={
            "kept everywhere": MADE,
            "one for each rule": edited(MADE, every("revisited", where=at(ONCE)), reaches("echo-z")),
        },
        doubts=unclear("revisited")
        | {
            "no such client": (lacking(MADE, "revisited"), "as planned"),
            "all on one pod": (edited(MADE, every("revisited"), reaches("echo-a")), "opened on at least 2 pods"),
        },
    ),
}
