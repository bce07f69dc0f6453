"""RBAC rules as a kube-apiserver reads them, for recorded requests: which rule allows a request, if any does."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

MANIFESTS = Path(__file__).parents[2] / "manifests"
SUITE = "OpenAPI-Generator/"
"""How the suite's client names itself; the cluster's own parts name themselves otherwise."""


@dataclass(frozen=True)
class Rule:
    """One rule of one role. ``namespace`` is where it holds: "" for everywhere."""

    role: str
    namespace: str
    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...]

    def allows(self, verb: str, group: str, resource: str, namespace: str, name: str) -> bool:
        """Say whether a request is allowed by this rule; ``resource`` is with its subresource."""
        return (
            self.namespace in ("", namespace)
            and group in self.groups
            and resource in self.resources
            and verb in self.verbs
            and (not self.names or name in self.names)
        )

    @property
    def grants(self) -> set[tuple[str, str, str]]:
        """Every (verb, resource, where) that it grants."""
        return {(verb, resource, self.namespace) for verb in self.verbs for resource in self.resources}


def rules(*files: str) -> list[Rule]:
    """Read the rules of the bound roles in manifest files."""
    documents = [one for file in files for one in yaml.safe_load_all((MANIFESTS / file).read_text())]
    bound = {(one["kind"].removesuffix("Binding"), one["roleRef"]["name"]) for one in documents if "roleRef" in one}
    return [
        Rule(
            role=one["metadata"]["name"],
            namespace=one["metadata"].get("namespace", ""),
            groups=tuple(rule["apiGroups"]),
            resources=tuple(rule["resources"]),
            verbs=tuple(rule["verbs"]),
            names=tuple(rule.get("resourceNames", ())),
        )
        for one in documents
        if (one["kind"], one["metadata"]["name"]) in bound
        for rule in one["rules"]
    ]


def recorded(audit: Path) -> list[tuple[str, str, str, str, str]]:
    """Read the suite's own requests: verb, group, resource with subresource, namespace, name."""
    requests = [json.loads(line) for line in audit.read_text().splitlines()]
    return [
        (
            one["verb"],
            one["group"],
            "/".join(filter(None, (one["resource"], one["subresource"]))),
            "" if one["resource"] == "namespaces" else one["namespace"],
            one["name"],
        )
        for one in requests
        if one["userAgent"].startswith(SUITE)
    ]


def refused(requests: Iterable[tuple[str, str, str, str, str]], given: list[Rule]) -> set[tuple[str, ...]]:
    """Return the requests that no rule allows."""
    return {request for request in requests if not any(rule.allows(*request) for rule in given)}


def unused(requests: Iterable[tuple[str, str, str, str, str]], given: list[Rule]) -> set[tuple[str, str, str]]:
    """Return what the rules grant and no request needed: (verb, resource, where)."""
    seen = list(requests)
    used = {
        (verb, resource, rule.namespace)
        for verb, group, resource, namespace, name in seen
        for rule in given
        if rule.allows(verb, group, resource, namespace, name)
    }
    return {grant for rule in given for grant in rule.grants} - used
