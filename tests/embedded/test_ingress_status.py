"""Which routes attach to which Gateways, and what the KIC stand-in writes back about all of it."""

from typing import Any

import pytest

from embedded_cluster.ingress.snapshot import Snapshot
from embedded_cluster.ingress.statuses import changes
from embedded_cluster.ingress.translation import translate
from tests.embedded.ingress_objects import (
    LISTENER,
    SETTINGS,
    Object,
    cluster,
    condition,
    made,
    policy,
    route,
    rule,
    service,
    status_of,
)

ATTACHMENTS: dict[str, tuple[Object, dict[str, Any], str | None, list[str]]] = {
    # listener, what the route says, reason not to be accepted (None: accepted), host names
    "any": ({}, {}, None, []),
    "hosts": ({}, {"hostnames": ["a.example"]}, None, ["a.example"]),
    "narrowed": ({"hostname": "a.example"}, {"hostnames": ["*.example"]}, None, ["a.example"]),
    "inherited": ({"hostname": "*.example"}, {}, None, ["*.example"]),
    "foreign host": ({"hostname": "a.example"}, {"hostnames": ["b.example"]}, "NoMatchingListenerHostname", []),
    "no such section": ({}, {"sectionName": "tls"}, "NoMatchingParent", []),
    "no such port": ({}, {"port": 81}, "NoMatchingParent", []),
    "other namespace": ({"allowedRoutes": {"namespaces": {"from": "Same"}}}, {}, "NotAllowedByListeners", []),
    "selected": (
        {"allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}}},
        {},
        None,
        [],
    ),
    "other kind": ({"allowedRoutes": {"kinds": [{"kind": "TCPRoute"}]}}, {}, "NotAllowedByListeners", []),
    "port not served": ({"port": 81}, {}, "NotAllowedByListeners", []),
    "protocol not served": ({"protocol": "HTTPS"}, {}, "NotAllowedByListeners", []),
}


@pytest.mark.parametrize("case", ATTACHMENTS)
def test_which_routes_attach(case: str) -> None:
    """As listeners allow; the reason is in the condition Accepted, and a route that is not accepted is not served."""
    listener, asked, refusal, hosts = ATTACHMENTS[case]
    reference = {"name": "kong", "namespace": "kong"}
    reference |= {key: asked[key] for key in ("sectionName", "port") if key in asked}
    its_route = route(parentRefs=[reference], spec={"hostnames": asked.get("hostnames", [])})
    namespace = made("Namespace", "app", namespace=None, metadata={"labels": {"team": "a"}})
    snapshot = cluster(service(), its_route, namespace, listeners=[LISTENER | listener])
    found = translate(snapshot, SETTINGS)
    served = [r.get("hosts", []) for s in found.config["services"] for r in s["routes"]]
    assert served == ([] if refusal else [hosts])
    (parent,) = status_of(its_route, snapshot, found)["parents"]
    accepted = condition(parent, "Accepted")
    assert (accepted["status"], accepted["reason"]) == (("False", refusal) if refusal else ("True", "Accepted"))


def test_gateways_of_others_are_left_alone() -> None:
    """A class of another controller, or one that wants gateways made, is not ours."""
    foreign = made("GatewayClass", "kong", namespace=None, spec={"controllerName": "example.com/other"})
    its_route = route()
    ours = cluster(service(), its_route)
    snapshot = Snapshot(
        services=ours.services, gateways=ours.gateways, http_routes=ours.http_routes, gateway_classes=(foreign,)
    )
    found = translate(snapshot, SETTINGS)
    assert found.config["services"] == []
    assert changes(snapshot, SETTINGS, found, in_force=True) == []


# -- Statuses ---------------------------------------------------------------------------------------------------------


def test_an_http_route_is_programmed_once_gateways_run_it() -> None:
    """Before, that is unknown; a status that is as it should be is not written again."""
    its_route = route()
    snapshot = cluster(service(), its_route)
    found = translate(snapshot, SETTINGS)
    (waiting,) = status_of(its_route, snapshot, found, in_force=False)["parents"]
    assert condition(waiting, "Programmed")["status"] == "Unknown"
    status = status_of(its_route, snapshot, found)
    (parent,) = status["parents"]
    assert parent["controllerName"] == "konghq.com/kic-gateway-controller"
    assert {c["type"]: (c["status"], c["reason"], c["observedGeneration"]) for c in parent["conditions"]} == {
        "Accepted": ("True", "Accepted", 1),
        "ResolvedRefs": ("True", "ResolvedRefs", 1),
        "Programmed": ("True", "ConfiguredInGateway", 1),
    }
    its_route["status"] = status
    assert its_route not in [new.obj for new in changes(snapshot, SETTINGS, found, in_force=True)]
    # What is being pushed again stays programmed until it is known not to be.
    assert its_route not in [new.obj for new in changes(snapshot, SETTINGS, found, in_force=False)]


def test_an_http_route_with_a_missing_backend_or_an_unsupported_part_says_so() -> None:
    """ResolvedRefs names the backend, Programmed says that translation failed."""
    its_route = route(rule("gone", filters=[{"type": "URLRewrite"}]))
    snapshot = cluster(its_route)
    (parent,) = status_of(its_route, snapshot, translate(snapshot, SETTINGS))["parents"]
    assert condition(parent, "ResolvedRefs")["message"] == "target app/gone of type Service does not exist"
    assert condition(parent, "Programmed")["reason"] == "TranslationError"


def test_other_controllers_parents_stay() -> None:
    """Status is shared: only our own entries are ours."""
    its_route = route()
    theirs = {"parentRef": {"name": "x"}, "controllerName": "example.com/other", "conditions": []}
    its_route["status"] = {"parents": [theirs]}
    snapshot = cluster(service(), its_route)
    parents = status_of(its_route, snapshot, translate(snapshot, SETTINGS))["parents"]
    assert parents[0] == theirs
    assert len(parents) == 2


def test_gateway_and_class_say_that_they_are_served() -> None:
    """Addresses are those of what balances load in front of the proxy, and listeners count their routes."""
    snapshot = cluster(
        service(), route(), route(name="second"), listeners=[LISTENER, LISTENER | {"name": "b", "port": 9}]
    )
    found = translate(snapshot, SETTINGS)
    status = status_of(snapshot.gateways[0], snapshot, found)
    assert status["addresses"] is None  # a ClusterIP is no address of a Gateway; seen with KIC 3.5.13
    assert condition(status, "Programmed")["status"] == "True"
    good, bad = status["listeners"]
    assert (good["attachedRoutes"], bad["attachedRoutes"]) == (2, 0)
    assert condition(good, "Programmed")["status"] == "True"
    assert condition(bad, "Accepted")["reason"] == "PortUnavailable"
    assert condition(status_of(snapshot.gateway_classes[0], snapshot, found), "Accepted")["status"] == "True"


def test_a_policy_shows_its_services_once_a_route_leads_to_one() -> None:
    """Accepted and Programmed, without observedGeneration; conflicting ones are neither."""
    sticky, unused = policy(), policy("unused")
    snapshot = cluster(service(policy="sticky"), service("idle", policy="unused"), route(), sticky, unused)
    found = translate(snapshot, SETTINGS)
    (ancestor,) = status_of(sticky, snapshot, found)["ancestors"]
    assert ancestor["ancestorRef"] == {"group": "core", "kind": "Service", "namespace": "app", "name": "echo"}
    assert {c["type"]: c["status"] for c in ancestor["conditions"]} == {"Accepted": "True", "Programmed": "True"}
    assert not any("observedGeneration" in c for c in ancestor["conditions"])
    assert unused not in [new.obj for new in changes(snapshot, SETTINGS, found, in_force=True)]
    snapshot = cluster(service(policy="sticky"), service("plain"), route(rule("echo", "plain")), sticky)
    (ancestor,) = status_of(sticky, snapshot, translate(snapshot, SETTINGS))["ancestors"]
    assert condition(ancestor, "Accepted")["reason"] == "Conflicted"
