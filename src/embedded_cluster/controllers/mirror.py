"""The objects that all controllers look at: one watch per kind, shared."""

import asyncio
from typing import Any

from embedded_cluster.client import ApiClient, Deployment, EndpointSlice, Namespace, Pod, ReplicaSet, Service
from embedded_cluster.informer import Informer


class Mirror:
    """Local copies of the kinds that the controllers work on, of all namespaces."""

    def __init__(self, client: ApiClient) -> None:
        """Copies that read through *client*; nothing is read before :meth:`run`."""
        self.by_resource: dict[Any, Informer] = {
            resource: Informer(client, resource)
            for resource in (Deployment, ReplicaSet, Pod, Service, EndpointSlice, Namespace)
        }
        self.deployments = self.by_resource[Deployment]
        self.replicasets = self.by_resource[ReplicaSet]
        self.pods = self.by_resource[Pod]
        self.services = self.by_resource[Service]
        self.slices = self.by_resource[EndpointSlice]
        self.namespaces = self.by_resource[Namespace]

    async def run(self) -> None:
        """Keep the copies until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self.by_resource.values():
                group.create_task(informer.run())

    async def synced(self) -> None:
        """Return when every copy is complete: before that, missing does not mean absent."""
        await asyncio.gather(*(informer.synced.wait() for informer in self.by_resource.values()))
