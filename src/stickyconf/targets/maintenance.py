"""The Maintenance port on a cluster of the run's own: Deployments are patched and scaled, pods are deleted."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

from stickyconf.ports import DEPLOYMENT, ENDPOINT_SLICE, POD, HarnessError, OutOfReach, Part
from stickyconf.targets.installation import Installation, Release
from stickyconf.targets.kong import rolled_out
from stickyconf.targets.kubeconfig.portforward import port_forwarded
from stickyconf.targets.kubernetes import KubernetesCluster
from stickyconf.wait import Waiter

RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""The annotation with which ``kubectl rollout restart`` makes a template another one."""


class OwnMaintenance:
    """The operator of a cluster that this run has made."""

    def __init__(self, cluster: KubernetesCluster, waiter: Waiter, installed: Installation) -> None:
        """Take the cluster, what to wait with, and where controller and gateway are in it."""
        self._cluster, self._waiter, self._installed = cluster, waiter, installed

    async def pods(self, part: Part) -> dict[str, str]:
        """Return the pods of a part that are ready and stay: name -> image."""
        return {
            pod["metadata"]["name"]: pod["spec"]["containers"][-1]["image"]
            for pod in await self._all_pods(part)
            if _is_ready(pod) and "deletionTimestamp" not in pod["metadata"]
        }

    async def replace(self, part: Part) -> None:
        """Replace every pod of a part, and return when others work in their place."""
        if part == "controller":
            before = {pod["metadata"]["name"] for pod in await self._all_pods(part)}
            for name in before:
                await self._cluster.delete(POD, name, self._installed.namespace)
            await self._others(part, before)
        else:
            now = datetime.now(UTC).isoformat()
            await self._roll_out(part, {"metadata": {"annotations": {RESTARTED: now}}})

    async def upgrade(self, part: Part) -> None:
        """Roll out the next release of a part; OutOfReach if none was given."""
        release = self._installed.releases.get(part)
        if release is None:
            option = "--upgrade-kic VERSION" if part == "controller" else "--upgrade-kong IMAGE"
            raise OutOfReach(f"no next release of the {part} was given; with --target kind {option} names it")
        deployment = await self._deployment(part)
        containers = deployment["spec"]["template"]["spec"]["containers"]
        # A merge patch replaces lists whole, so every container goes back as it was read but for the last one.
        changed = [*containers[:-1], _released(containers[-1], release)]
        await self._roll_out(part, {"spec": {"containers": changed}})

    async def scale_gateway(self, replicas: int) -> int:
        """Ask for so many gateway replicas, and return how many there were to be before."""
        before = int((await self._deployment("gateway"))["spec"].get("replicas", 1))
        await self._cluster.scale(self._installed.gateway, self._installed.namespace, replicas)
        return before

    @contextlib.asynccontextmanager
    async def entrance(self, pod: str) -> AsyncIterator[str]:
        """Open a way to the proxy of one gateway pod, and give its base URL; HarnessError if it is no endpoint."""
        service, namespace = self._installed.proxy_service, self._installed.namespace
        slices = await self._cluster.list(ENDPOINT_SLICE, namespace, f"kubernetes.io/service-name={service}")
        for item in slices:
            ports = [one["port"] for one in item.get("ports") or () if "tls" not in (one.get("name") or "")]
            for endpoint in item.get("endpoints") or ():
                if (endpoint.get("targetRef") or {}).get("name") == pod and ports:
                    if self._installed.direct_addresses:
                        yield f"http://{endpoint['addresses'][0]}:{ports[0]}"
                        return
                    async with port_forwarded(self._cluster, pod, namespace, ports[0]) as url:
                        yield url
                    return
        raise HarnessError(f"the gateway pod {pod} is no endpoint of Service {namespace}/{service}")

    async def _roll_out(self, part: Part, template: Mapping[str, Any]) -> None:
        name, namespace = self._name(part), self._installed.namespace
        await self._cluster.patch(DEPLOYMENT, name, namespace, {"spec": {"template": template}})
        await rolled_out(self._cluster, self._waiter, name, namespace, budget="install")

    async def _others(self, part: Part, before: set[str]) -> None:
        async def ready() -> dict[str, str]:
            return await self.pods(part)

        def replaced(pods: Mapping[str, str]) -> bool:
            return bool(pods) and not before & pods.keys()

        await self._waiter.until(f"another pod of the {part}", "rollout", ready, replaced)

    async def _all_pods(self, part: Part) -> list[dict[str, Any]]:
        labels = (await self._deployment(part))["spec"]["selector"]["matchLabels"]
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        return await self._cluster.list(POD, self._installed.namespace, selector)

    async def _deployment(self, part: Part) -> dict[str, Any]:
        deployment = await self._cluster.get(DEPLOYMENT, self._name(part), self._installed.namespace)
        if deployment is None:
            raise OutOfReach(f"there is no Deployment {self._installed.namespace}/{self._name(part)} of the {part}")
        return deployment

    def _name(self, part: Part) -> str:
        return self._installed.controller if part == "controller" else self._installed.gateway


def _released(container: dict[str, Any], release: Release) -> dict[str, Any]:
    others = [item for item in container.get("env") or () if item["name"] not in release.environment]
    added = [{"name": name, "value": value} for name, value in release.environment.items()]
    return container | {"image": release.image, "env": [*others, *added]}


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
