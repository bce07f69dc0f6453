"""What kinds of objects the server has, asked of the server: custom resources come and go."""

from typing import Any

from lightkube.core.resource import NamespacedResource
from lightkube.core.resource_registry import resource_registry
from lightkube.generic_resource import create_global_resource, create_namespaced_resource

from embedded_cluster.client import ApiClient


class Kinds:
    """The resources that can be listed, watched and deleted, one version of each; remembered until :meth:`forget`."""

    def __init__(self, client: ApiClient) -> None:
        """Nothing is asked yet."""
        self._client = client
        self._known: list[Any] = []
        self._changes = 0

    def forget(self) -> None:
        """Ask anew the next time: a definition has changed."""
        self._known, self._changes = [], self._changes + 1

    async def all(self) -> list[Any]:
        """A resource class for each of them. Raises ``ApiError``."""
        if not self._known:
            changes, known = self._changes, await self._read()
            if changes != self._changes:  # what was read may be from before the change
                return known
            self._known = known
        return self._known

    async def _read(self) -> list[Any]:
        groups = await self._client.read("apis")
        preferred = [group["preferredVersion"]["groupVersion"] for group in groups["groups"]]
        lists = {"v1": "api/v1", **{name: f"apis/{name}" for name in preferred}}
        return [
            _resource(group_version, entry)
            for group_version, path in lists.items()
            for entry in (await self._client.read(path))["resources"]
            if "/" not in entry["name"] and {"list", "watch", "delete"} <= set(entry["verbs"])
        ]

    async def namespaced(self) -> list[Any]:
        """Those whose objects live in namespaces. Raises ``ApiError``."""
        return [resource for resource in await self.all() if issubclass(resource, NamespacedResource)]


def _resource(group_version: str, entry: dict[str, Any]) -> Any:
    known = resource_registry.get(group_version, entry["kind"])
    if known is not None:
        return known
    create = create_namespaced_resource if entry["namespaced"] else create_global_resource
    group, _, version = group_version.rpartition("/")
    return create(group, version, entry["kind"], entry["name"])
