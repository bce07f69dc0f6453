"""What is changed in KIC's manifest before it is installed. Plain data in and out."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from stickyconf.plainyaml import LOADER
from stickyconf.ports import Manifest
from stickyconf.releases.known import known
from stickyconf.targets.installation import NoTarget
from stickyconf.targets.kind.konnect import Konnect
from stickyconf.targets.kind.licence import KEY, SECRET, VARIABLE

NAMESPACE = "kong"
CONTROLLER, GATEWAY, PROXY, ADMIN = "ingress-kong", "proxy-kong", "kong-proxy", "kong-admin"
"""Deployments and Services as KIC's all-in-one manifest calls them."""

NODE_PORT = 30080
ROUTER_FLAVORS = ("traditional", "traditional_compatible", "expressions")
PROBE_TIMEOUT = 5  # seconds
REPLICAS, WORKER_PROCESSES = 1, 2
"""What is installed unless asked otherwise; what depends on versions is in releases.toml."""

DRAIN_SUPPORT, WORKERS, FLAVOR = "CONTROLLER_ENABLE_DRAIN_SUPPORT", "KONG_NGINX_WORKER_PROCESSES", "KONG_ROUTER_FLAVOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is asked of the installation; all but the images can change while it runs."""

    kong_image: str
    kic_image: str
    drain_support: bool = False
    replicas: int = REPLICAS
    workers: int = WORKER_PROCESSES
    router_flavor: str = field(default_factory=lambda: known().gateway.router_flavor)
    konnect: Konnect | None = None

    def controller_env(self) -> dict[str, str]:
        """Return what the controller's environment must say."""
        return {
            DRAIN_SUPPORT: str(self.drain_support).lower(),
            "CONTROLLER_PROXY_SYNC_SECONDS": "3",
            "CONTROLLER_ANONYMOUS_REPORTS": "false",
        }

    def gateway_env(self) -> dict[str, str]:
        """Return what the gateway's environment must say."""
        return {
            WORKERS: str(self.workers),
            FLAVOR: self.router_flavor,  # Helm's and the manifest's defaults differ, so it is never left to either
            "KONG_ANONYMOUS_REPORTS": "off",
        }


def documents(texts: Iterable[bytes]) -> list[dict[str, Any]]:
    """Return the objects in YAML texts; NoTarget if one is no YAML."""
    try:
        return [document for text in texts for document in yaml.load_all(text, LOADER) if document]
    except yaml.YAMLError as error:
        raise NoTarget(f"a manifest is no YAML: {error}") from error


def patched(manifest: Iterable[Manifest], setup: Setup, *, licensed: bool) -> list[Manifest]:
    """Return KIC's all-in-one objects changed for a test cluster as ``setup`` says, in the order given.

    ``licensed``: there is a Secret with a licence; without one the reference to it goes, which would keep the gateway
    from starting. NoTarget if an object that has to be changed is not there: then the manifest is another one.
    """
    objects = [copy.deepcopy(dict(item)) for item in manifest]
    controller = _the(objects, "Deployment", CONTROLLER)
    # Two controllers must never push at the same time, so a change of settings stops the old one first.
    controller["spec"]["strategy"] = {"type": "Recreate"}
    [container] = controller["spec"]["template"]["spec"]["containers"]
    container["image"] = setup.kic_image
    container["env"] = with_env(container, setup.controller_env())
    if setup.konnect:
        container["env"] += setup.konnect.controller_env()
    _unhurried(container, cpu="100m")
    _ready_soon(container)

    gateway = _the(objects, "Deployment", GATEWAY)
    gateway["spec"]["replicas"] = setup.replicas
    pod = gateway["spec"]["template"]["spec"]
    pod.pop("imagePullSecrets", None)  # the images are public, and a missing Secret is warned about forever
    [container] = pod["containers"]
    container["image"] = setup.kong_image
    env = [item for item in container["env"] if item["name"] != VARIABLE]
    if licensed:
        env.append({"name": VARIABLE, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": KEY}}})
    container["env"] = with_env({"env": env}, setup.gateway_env())
    _unhurried(container, cpu="200m")
    _ready_soon(container)

    proxy = _the(objects, "Service", PROXY)
    proxy["spec"]["type"] = "NodePort"  # nothing here balances load, and KIC waits for such an address forever
    [http] = [port for port in proxy["spec"]["ports"] if port["port"] == 80]
    http["nodePort"] = NODE_PORT

    admin = _the(objects, "Service", ADMIN)
    if admin["spec"].get("clusterIP") != "None" or not any(
        "admin-tls" in port["name"] for port in admin["spec"]["ports"]
    ):
        raise NoTarget(
            f"Service {ADMIN} of the manifest is not headless with a port admin-tls: KIC would find no gateway"
        )
    return list(objects)


def _unhurried(container: dict[str, Any], *, cpu: str) -> None:
    """Keep a busy node from ending a container.

    The manifest requests nothing, so that the node gives the rest of the cluster all that it has first, and its probes
    wait 1 s: on two busy cores the gateway was restarted in the middle of a run.
    """
    container.setdefault("resources", {}).setdefault("requests", {}).setdefault("cpu", cpu)
    for probe in ("livenessProbe", "readinessProbe"):
        if probe in container:
            container[probe]["timeoutSeconds"] = max(container[probe].get("timeoutSeconds", 1), PROBE_TIMEOUT)


def _ready_soon(container: dict[str, Any]) -> None:
    """Ask each second whether a container is ready, as every replacement of it waits for that.

    It stays ready through as many seconds of failing probes as before (Kubernetes: a period is 10 s and a threshold
    is 3 if not given).
    """
    if probe := container.get("readinessProbe"):
        patience = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
        probe |= {"initialDelaySeconds": 0, "periodSeconds": 1, "failureThreshold": patience}


def with_env(container: Mapping[str, Any], values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a container's environment with these variables set, and the others as they were."""
    others = [dict(item) for item in container.get("env") or () if item["name"] not in values]
    return others + [{"name": name, "value": value} for name, value in values.items()]


def _the(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    for item in objects:
        if item["kind"] == kind and item["metadata"]["name"] == name:
            return item
    raise NoTarget(f"KIC's manifest has no {kind} {name}: it is not the all-in-one manifest that this suite knows")
