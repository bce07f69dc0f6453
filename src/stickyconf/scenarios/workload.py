"""The objects a case is made of: the manifests, specialised to the case's own namespace, host name and policy."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stickyconf.model import ECHO_PODS
from stickyconf.plainyaml import LOADER
from stickyconf.ports import RUN_LABEL, Workload

ROUTE, SERVICE, POLICY = "echo", "echo", "sticky-session-policy"
NEIGHBOUR = "neighbour"
ASKED_ADDRESSES = "cni.projectcalico.org/ipAddrs"
CHANGE_HEADER = "x-change"
ECHO_PORT = 1027
POLICY_ANNOTATION = "konghq.com/upstream-policy"
PULL_SECRET = "echo-pull"  # noqa: S105 - its name
POD_SECURITY = "pod-security.kubernetes.io/enforce"


HEALTH_CHECKS: dict[str, Any] = {
    "passive": {"healthy": {"successes": 1}, "unhealthy": {"httpFailures": 3}},
    "active": {
        "type": "http",
        "httpPath": "/",
        "healthy": {"successes": 1},
        "unhealthy": {"interval": 1},
    },
}
"""Passive checks take a pod out after three bad answers. Only active ones can let it serve again, and ask a pod that is
out once a second (Kong docs, "Health checks and circuit breakers": the two modes combined)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A sticky-sessions policy: the cookie's name, its Path attribute, and whether it has HEALTH_CHECKS."""

    cookie: str = "session_id"
    cookie_path: str = "/"
    health_checks: bool = False

    @property
    def spec(self) -> dict[str, Any]:
        """The policy's spec, as Kong's how-to writes it."""
        return {
            "algorithm": "sticky-sessions",
            "hashOn": {"input": "none"},
            "stickySessions": {"cookie": self.cookie, "cookiePath": self.cookie_path},
            **({"healthchecks": HEALTH_CHECKS} if self.health_checks else {}),
        }


@dataclass(frozen=True, slots=True)
class Topology:
    """What a case runs on.

    ``attached``: the Service carries the policy's annotation from the start. ``hold``: preStop keeps a deleted pod
    serving until it is released, for the target's hold time at the most. ``drain``: drain support must be on (off);
    None takes it as it is. ``publish_not_ready``: the Service has publishNotReadyAddresses, so that a terminating pod
    counts as ready. ``services``: so many Services select the same pods and share the rule.
    """

    replicas: int = ECHO_PODS
    policy: Policy | None = Policy()
    attached: bool = True
    hold: bool = False
    drain: bool | None = None
    publish_not_ready: bool = False
    services: int = 1


@dataclass(frozen=True, slots=True)
class Manifests:
    """The YAML files under manifests/, read once. ``parent``: namespace and name of the Gateway that routes name."""

    directory: Path
    parent: tuple[str, str] = ("kong", "kong")
    workload: Workload = field(default_factory=Workload)

    def read(self, name: str) -> list[dict[str, Any]]:
        """Return the objects of one file."""
        with (self.directory / name).open(encoding="utf-8") as file:
            return [document for document in yaml.load_all(file, LOADER) if document]

    def namespace(self, name: str, run: str) -> dict[str, Any]:
        """Return a namespace labelled with the run that makes it."""
        labels = {RUN_LABEL: run, **({POD_SECURITY: "restricted"} if self.workload.labelled else {})}
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}

    def pull_secret(self, namespace: str) -> list[dict[str, Any]]:
        """Return the Secret that the image of the echo pods is pulled with; nothing if it takes none."""
        if not self.workload.secret:
            return []
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": PULL_SECRET}, **self.workload.secret}
        return [_in(namespace, secret)]

    def echo(self, namespace: str, topology: Topology, hold: float, grace: float) -> list[dict[str, Any]]:
        """Return ConfigMap, Service and Deployment of the echo workload. ``hold`` and ``grace`` are seconds."""
        source = (self.directory / "echo" / "echo.py").read_text(encoding="utf-8")
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "echo"}, "data": {"echo.py": source}}
        service, deployment = self.read("echo/echo.yaml")
        if topology.policy and topology.attached:
            service["metadata"]["annotations"] = {POLICY_ANNOTATION: POLICY}
        if topology.publish_not_ready:
            service["spec"]["publishNotReadyAddresses"] = True
        deployment["spec"]["replicas"] = topology.replicas
        pod = deployment["spec"]["template"]["spec"]
        [container] = pod["containers"]
        if self.workload.image:
            container["image"] = self.workload.image
        if self.workload.secret:
            pod["imagePullSecrets"] = [{"name": PULL_SECRET}]
        if topology.hold:
            pod["terminationGracePeriodSeconds"] = round(grace)
            container["lifecycle"]["preStop"]["httpGet"]["path"] = f"/-/hold?seconds={hold:g}"
        else:
            del container["lifecycle"]
        twins = [_named(copy.deepcopy(service), name) for name in service_names(topology)[1:]]
        return [_in(namespace, document) for document in (config, service, *twins, deployment)]

    def neighbour(self, namespace: str, host: str, address: str = "") -> list[dict[str, Any]]:
        """Return another application: one echo pod, its Service under the same policy, and its route for a host name.

        ``address`` is one that its pod asks for: networks that heed Calico's annotation give it, if it is free. The pod
        logs every connection it gets, and has no probe, so that only the gateway connects to it.
        """
        _, service, deployment = self.echo(namespace, Topology(replicas=1), 0, 0)
        service["spec"]["selector"] = deployment["spec"]["selector"]["matchLabels"] = {"app": NEIGHBOUR}
        deployment["spec"]["template"]["metadata"]["labels"] = {"app": NEIGHBOUR}
        if address:
            deployment["spec"]["template"]["metadata"]["annotations"] = {ASKED_ADDRESSES: json.dumps([address])}
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        del container["readinessProbe"]
        container["env"].append({"name": "ECHO_LOG_CONNECTIONS", "value": "1"})
        route = self.route(namespace, host)
        route["spec"]["rules"][0]["backendRefs"][0]["name"] = NEIGHBOUR
        return [_named(document, NEIGHBOUR) for document in (service, deployment, route)]

    def beside(self, namespace: str, name: str, host: str, policy: str = "") -> list[dict[str, Any]]:
        """Return another Service in front of the echo pods, under the policy that is named, and its route for a host.

        The route sets the response header CHANGE_HEADER to the Service's name, so that an answer shows that it is live.
        """
        service, route = self.read("echo/echo.yaml")[0], self.route(namespace, host)
        if policy:
            service["metadata"]["annotations"] = {POLICY_ANNOTATION: policy}
        [rule] = route["spec"]["rules"]
        rule |= {"backendRefs": [rule["backendRefs"][0] | {"name": name}], "filters": [_naming(name)]}
        return [_named(_in(namespace, document), name) for document in (service, route)]

    def inserted(self, namespace: str, host: str, name: str, path: str) -> dict[str, Any]:
        """Return the HTTPRoute of the echo Service with another rule before its own: a path to another Service."""
        route = self.route(namespace, host)
        [rule] = route["spec"]["rules"]
        before = {
            "matches": [{"path": {"type": "PathPrefix", "value": path}}],
            "filters": [_naming(name)],
            "backendRefs": [rule["backendRefs"][0] | {"name": name}],
        }
        route["spec"]["rules"] = [before, rule]
        return route

    def policy(self, namespace: str, spec: Mapping[str, Any], name: str = POLICY) -> dict[str, Any]:
        """Return a KongUpstreamPolicy with this spec."""
        [document] = self.read("policy.yaml")
        document["metadata"]["name"] = name
        document["spec"] = copy.deepcopy(dict(spec))
        return _in(namespace, document)

    def route(self, namespace: str, host: str, topology: Topology | None = None) -> dict[str, Any]:
        """Return the HTTPRoute for one host name to the echo Service, or to as many as the topology has."""
        [document] = self.read("route.yaml")
        document["spec"]["parentRefs"] = [{"name": self.parent[1], "namespace": self.parent[0]}]
        document["spec"]["hostnames"] = [host]
        [rule] = document["spec"]["rules"]
        [backend] = rule["backendRefs"]
        rule["backendRefs"] = [backend | {"name": name} for name in service_names(topology or Topology())]
        return _in(namespace, document)


def service_names(topology: Topology) -> list[str]:
    """Return the names of the Services in front of the echo pods, the first one's as the how-to has it."""
    return [SERVICE, *(f"{SERVICE}-{number}" for number in range(2, topology.services + 1))]


def _naming(name: str) -> dict[str, Any]:
    """Return the filter of a rule whose answers say whose they are. Kong makes a plugin of it."""
    header = {"name": CHANGE_HEADER, "value": name}
    return {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [header]}}


def _named(document: dict[str, Any], name: str) -> dict[str, Any]:
    document["metadata"]["name"] = name
    return document


def _in(namespace: str, document: dict[str, Any]) -> dict[str, Any]:
    document["metadata"]["namespace"] = namespace
    return document


def upstream_name(namespace: str, route: str = ROUTE, rule: int = 0) -> str:
    """Return the name KIC gives the Kong upstream of one HTTPRoute rule (translate_upstreams.go)."""
    return f"httproute.{namespace}.{route}.{rule}"
