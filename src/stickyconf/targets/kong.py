"""The Controller port: KIC's Deployment, its settings as flags or environment have them, and its switching."""

from __future__ import annotations

import copy
from typing import Any

from stickyconf.checks.affinity import REPORTED
from stickyconf.ports import DEPLOYMENT, POD, Cluster, HarnessError, OutOfReach
from stickyconf.targets.installation import Installation
from stickyconf.wait import Waiter

DRAIN_SUPPORT = "enable-drain-support"
REPORTS = (REPORTED, "Failed to upload configuration to Konnect", "Failed to create Konnect client")
"""What KIC logs of its reports (internal/dataplane/sendconfig, internal/konnect)."""

LOG_LINES = 5000
DRAIN_BEFORE = "stickyconf/drain-before"
"""Annotation of a foreign Deployment whose drain support a run has switched: "<run id> <setting before>"."""


def setting(container: dict[str, Any], name: str) -> str | None:
    """Return one of KIC's settings: the flag ``--name``, which wins, or CONTROLLER_NAME; None if unset."""
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    for index, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag == f"--{name}":
            following = words[index + 1 : index + 2]
            return value if equals else (following[0] if following and not following[0].startswith("-") else "true")
    variable = _variable(name)
    return next((item.get("value", "") for item in container.get("env") or () if item["name"] == variable), None)


def with_setting(container: dict[str, Any], name: str, value: str) -> dict[str, Any]:
    """Return a copy of the container with one of KIC's settings changed: its flag if there is one, or variable."""
    changed = copy.deepcopy(container)
    for words in (changed.get("command") or [], changed.get("args") or []):
        for index, word in enumerate(words):
            if word.partition("=")[0] == f"--{name}":
                if "=" not in word and index + 1 < len(words) and not words[index + 1].startswith("-"):
                    del words[index + 1]
                words[index] = f"--{name}={value}"
                return changed
    others = [item for item in changed.get("env") or () if item["name"] != _variable(name)]
    return changed | {"env": [*others, {"name": _variable(name), "value": value}]}


def controller_container(deployment: dict[str, Any]) -> dict[str, Any] | None:
    """Return KIC's container of a Deployment, known by its image or its settings; None if there is none."""
    containers: list[dict[str, Any]] = deployment["spec"]["template"]["spec"]["containers"]
    named = [one for one in containers if _looks_like_kic(one)]
    return named[0] if named else None


STAND_IN_MODULE = "embedded_cluster.ingress"


def is_stand_in(container: dict[str, Any]) -> bool:
    """Whether KIC's container runs the embedded cluster's stand-in for it, whatever its image is called."""
    return STAND_IN_MODULE in (*(container.get("command") or ()), *(container.get("args") or ()))


def release(container: dict[str, Any]) -> str:
    """Return the tag of a container's image, "" if it has none."""
    image, _, _ = container.get("image", "").partition("@")
    return str(image.rpartition("/")[2].partition(":")[2])


def _looks_like_kic(container: dict[str, Any]) -> bool:
    return (
        "ingress-controller" in container.get("image", "")
        or setting(container, "kong-admin-svc") is not None
        or setting(container, "kong-admin-url") is not None
    )


def _variable(name: str) -> str:
    return "CONTROLLER_" + name.upper().replace("-", "_")


class IngressController:
    """KIC's Deployment."""

    def __init__(self, cluster: Cluster, waiter: Waiter, installed: Installation, run: str = "") -> None:
        """Take the cluster it runs in, what to wait with, where it is installed, and the id of the run.

        ``cluster`` has to be one that lets KIC's Deployment be changed, if that is to be done.
        """
        self._cluster, self._waiter, self._installed, self._run = cluster, waiter, installed, run

    async def drain_support(self) -> bool:
        """Say whether drain support is on now."""
        return is_on(_kic(await self._deployment()))

    async def set_drain_support(self, on: bool) -> None:
        """Switch drain support, restarting the controller if needed, and return when it works again.

        OutOfReach on a foreign cluster if the run may not; if it may, the Deployment is marked with what was
        before, for ``restore_drain_support`` and for --cleanup.
        """
        deployment = await self._deployment()
        before = is_on(_kic(deployment))
        if before == on:
            return
        if self._installed.foreign and not self._installed.may_toggle_drain:
            raise OutOfReach(
                f"drain support is {'on' if before else 'off'} in Deployment {self._where}, this case needs it"
                f" {'on' if on else 'off'}, and --may-toggle-drain was not given"
            )
        mark = (deployment["metadata"].get("annotations") or {}).get(DRAIN_BEFORE, "")
        owner = mark.partition(" ")[0]
        if self._installed.foreign and mark and owner != self._run:
            raise OutOfReach(
                f"run {owner} has switched drain support of Deployment {self._where} and not put it back; if it has"
                f" ended, --cleanup {owner} does"
            )
        first = self._installed.foreign and not mark
        annotations = {DRAIN_BEFORE: f"{self._run} {str(before).lower()}"} if first else {}
        await self._switch(deployment, on, annotations)

    async def restore_drain_support(self) -> None:
        """Put drain support back as this run found it, and remove the mark; nothing to do if there is none."""
        deployment = await self._deployment()
        mark = (deployment["metadata"].get("annotations") or {}).get(DRAIN_BEFORE, "")
        run, _, before = mark.partition(" ")
        if mark and run == self._run:
            await self._switch(deployment, before == "true", {DRAIN_BEFORE: None})

    async def konnect(self) -> str:
        """Return the id of the control plane of Konnect that KIC reports to; OutOfReach if it reports to none."""
        container = _kic(await self._deployment())
        if setting(container, "konnect-sync-enabled") != "true":
            raise OutOfReach(
                "the controller reports to no control plane of Konnect, which takes an account there; with --target"
                " kind, --konnect-control-plane, --konnect-cert and --konnect-key name one"
            )
        return setting(container, "konnect-control-plane-id") or "not named in its settings"

    async def reported(self) -> str:
        """Return the last line of KIC's log about a report to Konnect; "" if there is none yet."""
        labels = (await self._deployment())["spec"]["selector"]["matchLabels"]
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        said = ""
        for pod in await self._cluster.list(POD, self._installed.namespace, selector):
            log = await self._cluster.log(pod["metadata"]["name"], self._installed.namespace, LOG_LINES)
            said = next((line for line in reversed(log.splitlines()) if any(one in line for one in REPORTS)), said)
        return said

    async def _switch(self, deployment: dict[str, Any], on: bool, annotations: dict[str, Any]) -> None:
        container = _kic(deployment)
        # A merge patch replaces lists whole, so every container goes back as it was read but for this one setting.
        containers = [
            with_setting(one, DRAIN_SUPPORT, str(on).lower()) if one is container else one
            for one in deployment["spec"]["template"]["spec"]["containers"]
        ]
        patch = {"metadata": {"annotations": annotations}, "spec": {"template": {"spec": {"containers": containers}}}}
        namespace, name = self._installed.namespace, self._installed.controller
        await self._cluster.patch(DEPLOYMENT, name, namespace, patch)
        await rolled_out(self._cluster, self._waiter, name, namespace)

    @property
    def _where(self) -> str:
        return f"{self._installed.namespace}/{self._installed.controller}"

    async def _deployment(self) -> dict[str, Any]:
        deployment = await self._cluster.get(DEPLOYMENT, self._installed.controller, self._installed.namespace)
        if deployment is None or controller_container(deployment) is None:
            raise HarnessError(f"there is no KIC in a Deployment {self._where}: is it installed?")
        return deployment


def _kic(deployment: dict[str, Any]) -> dict[str, Any]:
    container = controller_container(deployment)
    if container is None:
        raise HarnessError(f"Deployment {deployment['metadata']['name']} has no container that is KIC")
    return container


def is_on(container: dict[str, Any]) -> bool:
    """Say whether KIC's container has drain support on."""
    return setting(container, DRAIN_SUPPORT) == "true"


async def rolled_out(cluster: Cluster, waiter: Waiter, name: str, namespace: str, budget: str = "rollout") -> None:
    """Wait until a Deployment's newest generation runs with all its replicas available (as kubectl rollout status)."""

    async def look() -> dict[str, Any]:
        return await cluster.get(DEPLOYMENT, name, namespace) or {}

    def done(deployment: dict[str, Any]) -> bool:
        status, wanted = deployment.get("status", {}), deployment.get("spec", {}).get("replicas")
        return bool(
            status.get("observedGeneration", 0) >= deployment.get("metadata", {}).get("generation", 1)
            and status.get("updatedReplicas", 0) == wanted
            and status.get("replicas", 0) == wanted
            and status.get("availableReplicas", 0) == wanted
        )

    await waiter.until(f"Deployment {namespace}/{name}", budget, look, done)
