"""Namespaces: when one is deleted, everything in it goes first.

Kubernetes documentation, "Finalizers" and "Namespaces": the namespace stays, Terminating, with the finalizer
``kubernetes`` in its spec, until this controller has found it empty.
"""

from typing import Any

from lightkube import ApiError
from lightkube.core.resource import api_info

from embedded_cluster.client import ApiClient, NamespaceFinalize, Object
from embedded_cluster.controllers.discovery import Kinds
from embedded_cluster.controllers.mirror import Mirror
from embedded_cluster.informer import Change, Key, WorkQueue, key_of
from embedded_cluster.objects import is_terminating

_FIRST = ("deployments", "replicasets", "pods")  # what makes others, before what it would make again
_LOOK_AGAIN = 0.5  # seconds, once there are no pods


class NamespaceController:
    """Empties and then releases namespaces that are being deleted."""

    def __init__(self, client: ApiClient, mirror: Mirror, kinds: Kinds) -> None:
        """Listen to *mirror*; work is done by ``queue``, which the caller runs."""
        self._client = client
        self._mirror = mirror
        self._kinds = kinds
        self._left: dict[str, list[Any]] = {}  # by uid of the namespace: resources not yet seen empty
        self.queue: WorkQueue[Key] = WorkQueue("namespace", self._reconcile)
        mirror.namespaces.on_change(self._namespace_changed)
        mirror.pods.on_change(self._pod_changed)

    def _namespace_changed(self, change: Change) -> None:
        if change.new is None:
            self._left.pop(change.latest["metadata"]["uid"], None)
        else:
            self.queue.add(key_of(change.new))

    def _pod_changed(self, change: Change) -> None:
        if change.new is None:
            self.queue.add(Key("", change.latest["metadata"]["namespace"]))

    async def _reconcile(self, key: Key) -> float | None:
        namespace = self._mirror.namespaces.get(key)
        if namespace is None or not is_terminating(namespace):
            return None
        uid = namespace["metadata"]["uid"]
        left = self._left.get(uid)
        if left is None:
            left = await self._kinds.namespaced()
            left.sort(key=lambda resource: api_info(resource).plural not in _FIRST)
        elif any(self._mirror.pods.objects(key.name)):
            return None  # they take longest, and the end of the last one has this called again
        # Nothing can be created in a Terminating namespace, so a resource once seen empty stays empty.
        self._left[uid] = [resource for resource in left if await self._clear(resource, key.name)]
        if self._left[uid]:
            return _LOOK_AGAIN
        await self._release(namespace)
        return None

    async def _clear(self, resource: Any, namespace: str) -> bool:
        """Delete all objects of a resource in *namespace*; was there anything to delete?"""
        found = [obj async for obj in self._client.list(resource, namespace=namespace)]
        if any(not is_terminating(obj) for obj in found):
            await self._client.deletecollection(resource, namespace=namespace)
        return bool(found)

    async def _release(self, namespace: Object) -> None:
        finalizers = [name for name in namespace["spec"].get("finalizers") or [] if name != "kubernetes"]
        released = {**namespace, "spec": {**namespace["spec"], "finalizers": finalizers}}
        try:
            await self._client.replace(NamespaceFinalize.from_dict(released), namespace["metadata"]["name"])
        except ApiError as error:
            if error.status.code != 404:  # released before, and gone
                raise
