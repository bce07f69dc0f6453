"""Installs Gateway API, KIC and Kong Gateway through the Kubernetes API, and changes the installation while it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stickyconf.ports import DEPLOYMENT, POD, Cluster, HarnessError, Kind, Manifest, Rejected
from stickyconf.targets.installation import NoTarget
from stickyconf.targets.kind import kongmanifest
from stickyconf.targets.kind.kongmanifest import CONTROLLER, GATEWAY, NAMESPACE, Setup
from stickyconf.targets.kind.licence import HOW, Licence
from stickyconf.targets.kind.pulling import is_final, pull_failure
from stickyconf.wait import Waiter, WaitFailed

REPLICA_SET = Kind("apps/v1", "ReplicaSet")
DEFINITION = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")
PULLING = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
PULL_PATIENCE = 20.0
"""How long pulls may fail for a reason that may pass (a busy registry, a network just up), in seconds."""

RESTARTS = 3
"""A container that has ended so often will not come up. KIC may end a few times while there is no gateway yet."""

LOG_LINES = 8


@dataclass(frozen=True, slots=True)
class Sources:
    """The objects to install: Gateway API's definitions and KIC's manifest as they are published, and our Gateway.

    ``notes``: part -> what a report has to say of it, for example that it is not pinned.
    """

    gateway_api: Sequence[Manifest]
    kic: Sequence[Manifest]
    gateway: Sequence[Manifest]
    notes: Mapping[str, str] = field(default_factory=dict)


async def install(
    cluster: Cluster, waiter: Waiter, sources: Sources, setup: Setup, licence: Licence | None = None
) -> dict[str, str]:
    """Install everything, wait until both Deployments work, and return their images with digests, by Deployment.

    Raises NoTarget, in one line, for what is refused, cannot be pulled, keeps ending or is not ready in time.
    """
    objects = kongmanifest.patched(sources.kic, setup, licensed=licence is not None)
    definitions = [item for item in objects if item["kind"] == DEFINITION.kind]
    namespaces = [item for item in objects if item["kind"] == "Namespace"]
    rest = [item for item in objects if item not in definitions and item not in namespaces]
    try:
        # KIC looks for Gateway API once, when it starts: its definitions have to be in force before.
        await _define(cluster, waiter, [*sources.gateway_api, *definitions])
        secrets = [one.secret(NAMESPACE) for one in (licence, setup.konnect) if one]
        for item in [*namespaces, *secrets, *rest, *sources.gateway]:
            await cluster.apply(item)
    except Rejected as error:
        raise NoTarget(f"the API server refuses a part of the installation: {error.message}") from error
    except HarnessError as error:
        raise NoTarget(f"the installation broke off: {error}") from error
    await _working(cluster, waiter, "install", licensed=licence is not None)
    return await images(cluster)


async def reconfigure(
    cluster: Cluster,
    waiter: Waiter,
    *,
    drain_support: bool | None = None,
    replicas: int | None = None,
    workers: int | None = None,
    router_flavor: str | None = None,
) -> None:
    """Change parameters of the running installation (None leaves one as it is) and return when they are rolled out.

    Raises NoTarget if the change does not come up.
    """
    controller: dict[str, str] = {}
    gateway: dict[str, str] = {}
    if drain_support is not None:
        controller[kongmanifest.DRAIN_SUPPORT] = str(drain_support).lower()
    if workers is not None:
        gateway[kongmanifest.WORKERS] = str(workers)
    if router_flavor is not None:
        gateway[kongmanifest.FLAVOR] = router_flavor
    for name, values in ((CONTROLLER, controller), (GATEWAY, gateway)):
        if values:
            found = await _deployment(cluster, name)
            [container] = found["spec"]["template"]["spec"]["containers"]
            # A merge patch replaces lists whole, so the container goes back as it was read but for its environment.
            changed = container | {"env": kongmanifest.with_env(container, values)}
            patch = {"spec": {"template": {"spec": {"containers": [changed]}}}}
            await cluster.patch(DEPLOYMENT, name, NAMESPACE, patch)
    if replicas is not None:
        await cluster.scale(GATEWAY, NAMESPACE, replicas)
    await _working(cluster, waiter, "rollout", licensed=True)


async def images(cluster: Cluster) -> dict[str, str]:
    """Return the image and digest that runs, by Deployment; the digest as the node reports it, if it does."""
    found = {}
    for name in (CONTROLLER, GATEWAY):
        for pod in await _pods(cluster, await _deployment(cluster, name)):
            for status in pod.get("status", {}).get("containerStatuses") or ():
                _, at, digest = str(status.get("imageID", "")).partition("@")
                found[name] = f"{status['image']}{at}{digest}"
    return found


async def _define(cluster: Cluster, waiter: Waiter, definitions: Sequence[Manifest]) -> None:
    names = [definition["metadata"]["name"] for definition in definitions]
    # Published definitions carry an empty status, which is the server's to write.
    wanted = [{key: part for key, part in item.items() if key != "status"} for item in definitions]
    await asyncio.gather(*(cluster.apply(definition) for definition in wanted))

    async def look() -> list[str]:
        listed = {item["metadata"]["name"]: item for item in await cluster.list(DEFINITION)}
        return [name for name in names if not _is(listed.get(name, {}), "Established")]

    try:
        await waiter.until("definitions to be established", "rollout", look, lambda missing: not missing)
    except WaitFailed as error:
        raise NoTarget(str(error)) from error


async def _working(cluster: Cluster, waiter: Waiter, budget: str, *, licensed: bool) -> None:
    """Wait until both Deployments are complete, and stop as soon as it is clear that they will not be."""
    began: dict[str, float] = {}

    async def look() -> str:
        missing = []
        for name in (CONTROLLER, GATEWAY):
            deployment = await _deployment(cluster, name)
            if not _complete(deployment):
                missing.append(f"Deployment {NAMESPACE}/{name}")
                await _refuse_failures(cluster, await _pods(cluster, deployment), began)
        return " and ".join(missing)

    try:
        await waiter.until("KIC and Kong Gateway to be ready", budget, look, lambda missing: not missing, every=0.25)
    except WaitFailed as error:
        hint = "" if licensed else f"; there is no licence, which may be the reason: {HOW}"
        raise NoTarget(f"{error}{await _last_words(cluster)}{hint}") from error


async def _refuse_failures(cluster: Cluster, pods: Sequence[Manifest], began: dict[str, float]) -> None:
    for pod in pods:
        name = pod["metadata"]["name"]
        for status in pod.get("status", {}).get("containerStatuses") or ():
            waiting = status["state"].get("waiting") or {}
            reason, message = waiting.get("reason", ""), waiting.get("message", "")
            if reason in PULLING:
                first = began.setdefault(name, time.monotonic())
                if is_final(f"{reason} {message}") or time.monotonic() - first > PULL_PATIENCE:
                    raise NoTarget(_not_pulled(name, status["image"], f"{reason}: {message}"))
            elif reason == "CreateContainerConfigError":
                raise NoTarget(f"pod {NAMESPACE}/{name} cannot start: {message}")
            elif status.get("restartCount", 0) >= RESTARTS and not status.get("ready") and await _gateway_runs(cluster):
                raise NoTarget(f"pod {NAMESPACE}/{name} keeps ending{await _said(cluster, name)}")


def _not_pulled(pod: str, image: str, said: str) -> str:
    option = "--kic-image and --kic-version" if pod.startswith(CONTROLLER) else "--kong-image"
    save = f"docker save {image} -o DIR/image.tar on a machine that has it, then --preload-images DIR"
    return f"pod {NAMESPACE}/{pod}: " + pull_failure(image, said, option=option, otherwise=save)


async def _gateway_runs(cluster: Cluster) -> bool:
    """Whether every gateway container has been started: until then KIC has none to configure, and may end."""
    statuses = [
        status
        for pod in await _pods(cluster, await _deployment(cluster, GATEWAY))
        for status in pod.get("status", {}).get("containerStatuses") or ()
    ]
    return bool(statuses) and all("running" in status["state"] or status.get("restartCount") for status in statuses)


async def _last_words(cluster: Cluster) -> str:
    """Return what pods that are not ready say of themselves."""
    words = ""
    for name in (CONTROLLER, GATEWAY):
        for pod in await _pods(cluster, await _deployment(cluster, name)):
            if not _is(pod, "Ready"):
                waits = [
                    f"{status['state']['waiting'].get('reason')}: {status['state']['waiting'].get('message', '')}"
                    for status in pod.get("status", {}).get("containerStatuses") or ()
                    if "waiting" in status["state"]
                ]
                said = f" ({'; '.join(waits)})" if waits else await _said(cluster, pod["metadata"]["name"])
                words += f"; pod {NAMESPACE}/{pod['metadata']['name']} is not ready{said}"
    return words


async def _said(cluster: Cluster, pod: str) -> str:
    try:
        log = await cluster.log(pod, NAMESPACE, LOG_LINES)
    except HarnessError as error:
        return f"; {error}"
    return f"; it said last: {' | '.join(line.strip() for line in log.splitlines() if line.strip())}"


async def _deployment(cluster: Cluster, name: str) -> dict[str, Any]:
    found = await cluster.get(DEPLOYMENT, name, NAMESPACE)
    if found is None:
        raise NoTarget(f"there is no Deployment {NAMESPACE}/{name}: was it deleted?")
    return found


async def _pods(cluster: Cluster, deployment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the pods of a Deployment's newest revision: what an older one suffers from is over."""
    selector = ",".join(f"{key}={value}" for key, value in deployment["spec"]["selector"]["matchLabels"].items())
    name, revision = deployment["metadata"]["name"], _revision(deployment)
    old = {
        item["metadata"]["uid"]
        for item in await cluster.list(REPLICA_SET, NAMESPACE, selector)
        if _revision(item) != revision and any(owner["name"] == name for owner in _owners(item))
    }
    pods = await cluster.list(POD, NAMESPACE, selector)
    return [pod for pod in pods if not any(owner["uid"] in old for owner in _owners(pod))]


def _revision(item: Mapping[str, Any]) -> str | None:
    revision: str | None = (item["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision")
    return revision


def _owners(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    return item["metadata"].get("ownerReferences") or []


def _complete(deployment: Mapping[str, Any]) -> bool:
    """Whether the newest generation runs with all its replicas available, and nothing of an older one is left."""
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    return status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 1) and all(
        status.get(count, 0) == wanted for count in ("replicas", "updatedReplicas", "availableReplicas")
    )


def _is(item: Mapping[str, Any], condition: str) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or ()
    return any(found["type"] == condition and found["status"] == "True" for found in conditions)
