"""The Gateway and Controller ports for KIC and Kong as they are installed somewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from stickyconf.ports import DEPLOYMENT, ENDPOINT_SLICE, Cluster, HarnessError
from stickyconf.targets.installation import Installation
from stickyconf.wait import Waiter

DRAIN_SUPPORT = "CONTROLLER_ENABLE_DRAIN_SUPPORT"


class AdminApi:
    """Kong's Admin API, replica by replica, as the endpoints of its headless Service give them.

    ``fixed`` is an address that overrides discovery (--admin-url).
    """

    def __init__(self, cluster: Cluster, installed: Installation, fixed: str | None = None) -> None:
        """Take the cluster to look endpoints up in, and where Kong is in it."""
        self._cluster, self._installed, self._fixed = cluster, installed, fixed or installed.admin_url
        self._http = httpx.AsyncClient(timeout=10)

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def replicas(self) -> Sequence[str]:
        """Return the base addresses of the Admin APIs that run now, sorted."""
        if self._fixed:
            return (self._fixed.rstrip("/"),)
        service = self._installed.admin_service
        slices = await self._cluster.list(
            ENDPOINT_SLICE, self._installed.namespace, f"kubernetes.io/service-name={service}"
        )
        found = {
            f"http://{address}:{port['port']}"
            for item in slices
            for port in item.get("ports") or ()
            for endpoint in item.get("endpoints") or ()
            if not (endpoint.get("conditions") or {}).get("terminating")
            for address in endpoint["addresses"]
        }
        return tuple(sorted(found))

    async def information(self, replica: str) -> dict[str, Any]:
        """Return the Admin API's root: version and settings."""
        return await self._get(replica, "/") or {}

    async def upstream(self, replica: str, name: str) -> dict[str, Any] | None:
        """Return an upstream's fields as this replica shows them, or None where it has no such upstream."""
        return await self._get(replica, f"/upstreams/{name}")

    async def targets(self, replica: str, name: str) -> dict[str, int]:
        """Return target address ("ip:port") -> weight; empty where there is no such upstream."""
        page = await self._get(replica, f"/upstreams/{name}/targets?size=1000")
        return {target["target"]: int(target["weight"]) for target in (page or {}).get("data") or ()}

    async def configuration(self, replica: str) -> dict[str, Any]:
        """Return the whole configuration in force, for diagnostics."""
        return await self._get(replica, "/config") or {}

    async def _get(self, replica: str, path: str) -> dict[str, Any] | None:
        try:
            response = await self._http.get(replica + path)
        except httpx.HTTPError as error:
            raise HarnessError(f"the Admin API at {replica} does not answer: {error!r}") from error
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            raise HarnessError(f"the Admin API at {replica} answered {response.status_code} to {path}")
        data: dict[str, Any] = response.json()
        return data


class IngressController:
    """KIC's Deployment."""

    def __init__(self, cluster: Cluster, waiter: Waiter, installed: Installation) -> None:
        """Take the cluster it runs in, what to wait with, and where it is installed."""
        self._cluster, self._waiter = cluster, waiter
        self._namespace, self._name = installed.namespace, installed.controller

    async def drain_support(self) -> bool:
        """Say whether drain support is on now."""
        container = await self._container()
        return any(item["name"] == DRAIN_SUPPORT and item.get("value") == "true" for item in container.get("env") or ())

    async def set_drain_support(self, on: bool) -> None:
        """Switch drain support, restarting the controller where it takes that, and return when it works again."""
        if await self.drain_support() == on:
            return
        container = await self._container()
        env = [item for item in container.get("env") or () if item["name"] != DRAIN_SUPPORT]
        env.append({"name": DRAIN_SUPPORT, "value": str(on).lower()})
        # A merge patch replaces lists whole, so the container goes back as it was read but for its environment.
        patch = {"spec": {"template": {"spec": {"containers": [container | {"env": env}]}}}}
        await self._cluster.patch(DEPLOYMENT, self._name, self._namespace, patch)
        await rolled_out(self._cluster, self._waiter, self._name, self._namespace)

    async def _container(self) -> dict[str, Any]:
        deployment = await self._cluster.get(DEPLOYMENT, self._name, self._namespace)
        if deployment is None:
            raise HarnessError(f"there is no Deployment {self._namespace}/{self._name}: is KIC installed?")
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        return dict(container)


async def rolled_out(cluster: Cluster, waiter: Waiter, name: str, namespace: str) -> None:
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

    await waiter.until(f"Deployment {namespace}/{name}", "rollout", look, done)
