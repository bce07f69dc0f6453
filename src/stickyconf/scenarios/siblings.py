"""Services beside the one under test: on the same pods or on their own, with its policy, with another, or with none.

They share its host name, so that a client has one jar for all of them; a path leads to each.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from stickyconf.checks.isolation import AGAIN, BASKET, BASKET_COOKIE, ONCE, PLAIN, SHOP, TWIN
from stickyconf.checks.spread import HEAVY, LIGHT
from stickyconf.scenarios.pods import ready_pods
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.workload import (
    ECHO_PORT,
    POLICY,
    POLICY_ANNOTATION,
    ROUTE,
    SERVICE,
    Manifests,
    Policy,
    Topology,
    upstream_name,
)

Json = dict[str, Any]

SHOP_PODS = 2
UNIT = 60
"""What the weights of the weighted rule are multiples of: both numbers of pods divide it, so that no share is rounded.
"""
BASKET_POLICY = "basket-policy"
OTHER = Policy(cookie=BASKET_COOKIE)
INGRESS, WEIGHTED, MIXED, ROUTES = "ingress", "weighted", "mixed", "siblings"

SIBLINGS = {"basket": BASKET_POLICY, "plain": "", "twin": POLICY}
"""Services on the echo pods, and the policy of each."""

RULES = {BASKET: "basket", PLAIN: "plain", TWIN: "twin", SHOP: "shop", AGAIN: SERVICE, ONCE: SERVICE}
"""The rules of the siblings' route in order: path -> Service."""


def deploy_siblings() -> Scenario:
    """Create the other Services, the shop's pods and every route, and wait until the gateway has them all."""

    async def play(stage: Stage) -> None:
        cluster, namespace = stage.target.cluster, stage.namespace
        await cluster.apply(stage.manifests.policy(namespace, OTHER.spec, BASKET_POLICY))
        for manifest in (*_services(stage.manifests, namespace), *_shop(stage.manifests, namespace)):
            await cluster.apply(manifest)
        rules = [_rule(path, {service: 1}) for path, service in RULES.items()]
        await cluster.apply(route(stage, ROUTES, stage.host, rules))
        await cluster.apply(weighted_route(stage, HEAVY))
        await cluster.apply(_ingress(namespace, stage.host_name(INGRESS)))
        shop = await ready_pods(cluster, stage.waiter, namespace, SHOP_PODS, app="shop")
        stage.observers.addresses.update({address: name for name, address in shop.items()})
        await stage.observers.follow_logs(shop)
        await _arrived(stage, shop)

    return play


async def _arrived(stage: Stage, shop: dict[str, str]) -> None:
    own = {BASKET: (stage.pods, OTHER), SHOP: (shop, stage.policy)}
    for rule, path in enumerate(RULES):
        if path == ONCE:  # a rule with the backends of another shares its upstream
            continue
        pods, policy = own.get(path, (stage.pods, stage.policy))
        name = upstream_name(stage.namespace, ROUTES, rule)
        await stage.converge(path != PLAIN, upstream=name, path=path, pods=pods, policy=policy)
    by_ingress = f"{SERVICE}.{stage.namespace}.{ECHO_PORT}.svc"
    await stage.converge(sticky=True, upstream=by_ingress, host=stage.host_name(INGRESS))
    weighted = upstream_name(stage.namespace, WEIGHTED)
    await stage.converge(True, upstream=weighted, host=stage.host_name(WEIGHTED), pods=stage.pods | shop)


def route(stage: Stage, name: str, host: str, rules: list[Json]) -> Json:
    """Return an HTTPRoute of the case with these rules."""
    document = stage.manifests.route(stage.namespace, host)
    document["metadata"]["name"], document["spec"]["rules"] = name, rules
    return document


def weighted_route(stage: Stage, shop: int) -> Json:
    """Return the route whose rule weighs the echo Service, at LIGHT, and the shop at this weight, in UNITs."""
    weights = {SERVICE: LIGHT * UNIT, "shop": shop * UNIT}
    return route(stage, WEIGHTED, stage.host_name(WEIGHTED), [_rule("/", weights)])


def mixed_route(stage: Stage, *services: str) -> Json:
    """Return the route whose one rule has these Services."""
    return route(stage, MIXED, stage.host_name(MIXED), [_rule("/", dict.fromkeys(services, 1))])


def _rule(path: str, weights: dict[str, int]) -> Json:
    backends = [{"name": name, "port": ECHO_PORT, "weight": weight} for name, weight in weights.items()]
    return {"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": backends}


def _services(manifests: Manifests, namespace: str) -> Iterator[Json]:
    _, service, _ = manifests.echo(namespace, Topology(), 0, 0)
    for name, policy in SIBLINGS.items():
        sibling = copy.deepcopy(service)
        sibling["metadata"]["name"] = name
        sibling["metadata"]["annotations"] = {POLICY_ANNOTATION: policy} if policy else {}
        yield sibling


def _shop(manifests: Manifests, namespace: str) -> Iterator[Json]:
    """Yield another application under the same policy: a Service and pods of its own."""
    _, service, deployment = manifests.echo(namespace, Topology(replicas=SHOP_PODS), 0, 0)
    labels = {"app": "shop"}
    service["spec"]["selector"] = deployment["spec"]["selector"]["matchLabels"] = labels
    deployment["spec"]["template"]["metadata"]["labels"] = labels
    for document in (service, deployment):
        document["metadata"]["name"] = "shop"
        yield document


def _ingress(namespace: str, host: str) -> Json:
    """Return an Ingress to the Service under test. Without protocols Kong 3.14 would answer 426 over plain HTTP."""
    backend = {"service": {"name": SERVICE, "port": {"number": ECHO_PORT}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": ROUTE,
            "namespace": namespace,
            "annotations": {"konghq.com/protocols": "http,https", "konghq.com/strip-path": "false"},
        },
        "spec": {"ingressClassName": "kong", "rules": [{"host": host, "http": {"paths": paths}}]},
    }
