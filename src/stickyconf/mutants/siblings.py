"""Faults of the embedded controller that show only when there are several Services or routes."""

from collections.abc import Iterator
from typing import Any

from embedded_cluster.ingress.controller import Controller
from embedded_cluster.ingress.snapshot import Snapshot, differing_annotations
from stickyconf.mutants.controller import drop_policy, mark, terminating
from stickyconf.mutants.declared import mutant

Json = dict[str, Any]


@mutant(at="controller", source="HT", caught_by=("ISO-05", "PRO-05"))
def forgets_the_policy_of_an_ingress(config: Json, objects: Snapshot) -> Json:
    """The policy of a Service counts for HTTPRoutes to it, not for Ingresses."""
    for upstream in config["upstreams"]:
        if upstream["name"].endswith(".svc") and drop_policy(upstream):
            mark(upstream, "forgets_the_policy_of_an_ingress")
    return config


@mutant(at="controller", source="EN#7218", caught_by=("ISO-06",), failure_mode=18)
def drops_a_backend_without_weight(config: Json, objects: Snapshot) -> Json:
    """The pods of a backend with weight 0 leave the pool, and their sessions with them."""
    ending = terminating(objects)
    for upstream in config["upstreams"]:
        kept = [target for target in upstream["targets"] if target["weight"] or target["target"] in ending]
        if len(kept) < len(upstream["targets"]):
            upstream["targets"] = kept
            mark(upstream, "drops_a_backend_without_weight")
    return config


@mutant(at="controller", source="KIC", caught_by=("ISO-07",), failure_mode=21)
def drops_a_rule_without_a_word(config: Json, objects: Snapshot) -> Json:
    """A rule whose Services have different policies is no longer served, and no event says why."""
    affected = set(_namespaces_with_conflicts(objects))
    if affected:
        setattr(Controller, "_tell", lambda _self, _failure: None)  # noqa: B010 - this process is the controller
    for upstream in config["upstreams"]:
        if affected & set(upstream["name"].split(".")):
            mark(upstream, "drops_a_rule_without_a_word")
    return config


def _namespaces_with_conflicts(objects: Snapshot) -> Iterator[str]:
    for route in objects.http_routes:
        namespace = route["metadata"]["namespace"]
        for rule in route["spec"].get("rules") or ():
            names = [reference["name"] for reference in rule.get("backendRefs") or ()]
            services = [service for name in names if (service := objects.service(namespace, name))]
            if differing_annotations(services):
                yield namespace
