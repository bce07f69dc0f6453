"""Garbage collection: objects whose owners are all gone go too (Kubernetes documentation, "Garbage Collection").

Background deletion needs nothing but that rule. For the other two the API server leaves a finalizer on the
owner, and this collector does the work before it takes the finalizer away: ``foregroundDeletion`` deletes the
dependents first, ``orphan`` takes their reference to the owner away.
"""

import asyncio
import logging
from collections import deque
from typing import Any

from lightkube import ApiError
from lightkube.core.resource import NamespacedResource, api_info
from lightkube.core.resource_registry import resource_registry
from lightkube.types import CascadeType, PatchType

from embedded_cluster.client import ApiClient, CustomResourceDefinition, Object
from embedded_cluster.controllers.discovery import Kinds
from embedded_cluster.controllers.mirror import Mirror
from embedded_cluster.informer import Change, Informer, WorkQueue
from embedded_cluster.objects import is_terminating

log = logging.getLogger(__name__)

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_IGNORED = ("events",)  # they own nothing, nothing owns them, and there are many


class GarbageCollector:
    """Follows every object that can have an owner, and deletes the ones whose owners are gone."""

    def __init__(self, client: ApiClient, mirror: Mirror, kinds: Kinds) -> None:
        """Share the copies of *mirror*; those of other kinds are added by :meth:`run`."""
        self._client = client
        self._kinds = kinds
        self._objects: dict[str, Object] = {}  # by uid
        self._dependents: dict[str, set[str]] = {}  # uids, by the uid of an owner
        self._gone: deque[str] = deque(maxlen=1000)  # uids seen deleted: no need to ask the server
        self._followed: dict[Any, asyncio.Task[Any] | None] = {}
        self.queue: WorkQueue[str] = WorkQueue("garbage", self._reconcile)
        for resource, informer in mirror.by_resource.items():
            self._followed[resource] = None  # runs with the mirror
            informer.on_change(self._changed)

    async def run(self) -> None:
        """Follow the kinds that are not in the mirror, also those that are defined later; until cancelled."""
        definitions = Informer(self._client, CustomResourceDefinition)
        async with asyncio.TaskGroup() as group:

            async def follow(_: str) -> None:
                await definitions.synced.wait()
                await self._follow(await self._kinds.all(), group)

            look = WorkQueue("discovery", follow, workers=1)
            definitions.on_change(self._changed)
            definitions.on_change(lambda _: self._kinds.forget())
            definitions.on_change(lambda _: look.add("again"))
            look.add("first")
            self._followed[CustomResourceDefinition] = group.create_task(definitions.run())
            group.create_task(self.queue.run())
            group.create_task(look.run())

    async def _follow(self, served: list[Any], group: asyncio.TaskGroup) -> None:
        for resource in served:
            if resource not in self._followed and api_info(resource).plural not in _IGNORED:
                informer = Informer(self._client, resource)
                informer.on_change(self._changed)
                self._followed[resource] = group.create_task(informer.run())
                await informer.synced.wait()  # one list at a time: these are not urgent
        for resource in [resource for resource in self._followed if resource not in served]:
            task = self._followed[resource]
            if task is not None:
                del self._followed[resource]
                task.cancel()

    def _changed(self, change: Change) -> None:
        obj = change.latest
        uid = obj["metadata"]["uid"]
        if change.old is not None and change.old["metadata"]["uid"] != uid:
            self._changed(Change(change.old, None))  # deleted and made again between two looks
        before = _owners(change.old) if change.old else set()
        after = _owners(change.new) if change.new else set()
        for owner in before - after:
            dependents = self._dependents.get(owner, set())
            dependents.discard(uid)
            if not dependents:
                self._dependents.pop(owner, None)
        for owner in after - before:
            self._dependents.setdefault(owner, set()).add(uid)
        if change.new is None:
            self._objects.pop(uid, None)
            self._gone.append(uid)
            for dependent in self._dependents.get(uid, ()):
                self.queue.add(dependent)
        else:
            self._objects[uid] = obj
            if after or is_terminating(obj):
                self.queue.add(uid)
        for owner in before | after:
            if FOREGROUND in _finalizers(self._objects.get(owner)):
                self.queue.add(owner)

    async def _reconcile(self, uid: str) -> None:
        obj = self._objects.get(uid)
        if obj is None:
            return
        if is_terminating(obj):
            if ORPHAN in _finalizers(obj):
                await self._orphan(obj)
            elif FOREGROUND in _finalizers(obj):
                await self._delete_dependents_first(obj)
            return
        references = obj["metadata"].get("ownerReferences") or []
        gone = [reference for reference in references if await self._is_gone(obj, reference)]
        if references and len(gone) == len(references):
            await self._client.remove(obj, cascade=_same_way(obj))
        elif gone:
            await self._drop_references(obj, {reference["uid"] for reference in gone})

    async def _is_gone(self, dependent: Object, reference: Object) -> bool:
        uid = reference["uid"]
        if uid in self._objects:
            return False
        if uid in self._gone:
            return True
        resource: Any = resource_registry.get(reference["apiVersion"], reference["kind"])
        if resource is None:
            log.warning("%s is owned by an unknown kind, %s", dependent["metadata"]["name"], reference["kind"])
            return False
        namespace = dependent["metadata"].get("namespace")
        scope = {"namespace": namespace} if issubclass(resource, NamespacedResource) else {}
        try:
            owner = await self._client.get(resource, reference["name"], **scope)
        except ApiError as error:
            if error.status.code != 404:
                raise
            return True
        return bool(owner["metadata"]["uid"] != uid)

    async def _delete_dependents_first(self, owner: Object) -> None:
        blocking = [
            dependent
            for dependent in self._dependents_of(owner)
            if any(
                reference["uid"] == owner["metadata"]["uid"] and reference.get("blockOwnerDeletion")
                for reference in dependent["metadata"]["ownerReferences"]
            )
        ]
        for dependent in blocking:
            if not is_terminating(dependent):
                await self._client.remove(dependent, cascade=CascadeType.FOREGROUND)
        if not blocking:
            await self._finalize(owner, FOREGROUND)

    async def _orphan(self, owner: Object) -> None:
        for dependent in self._dependents_of(owner):
            await self._drop_references(dependent, {owner["metadata"]["uid"]})
        await self._finalize(owner, ORPHAN)

    def _dependents_of(self, owner: Object) -> list[Object]:
        uids = self._dependents.get(owner["metadata"]["uid"], set())
        return [self._objects[uid] for uid in list(uids) if uid in self._objects]

    async def _drop_references(self, obj: Object, owners: set[str]) -> None:
        references = obj["metadata"].get("ownerReferences") or []
        kept = [reference for reference in references if reference["uid"] not in owners]
        await self._merge(obj, {"ownerReferences": kept})

    async def _finalize(self, owner: Object, finalizer: str) -> None:
        await self._merge(owner, {"finalizers": [each for each in _finalizers(owner) if each != finalizer]})

    async def _merge(self, obj: Object, metadata: Object) -> None:
        # resourceVersion: a list is replaced whole, so it must be the one that we have read.
        own = obj["metadata"]
        patch = {"metadata": {"uid": own["uid"], "resourceVersion": own["resourceVersion"], **metadata}}
        resource: Any = type(obj)
        scope = {"namespace": own["namespace"]} if "namespace" in own else {}
        try:
            await self._client.patch(resource, own["name"], patch, patch_type=PatchType.MERGE, **scope)
        except ApiError as error:
            if error.status.code != 404:  # gone meanwhile
                raise


def _owners(obj: Object) -> set[str]:
    return {reference["uid"] for reference in obj["metadata"].get("ownerReferences") or []}


def _finalizers(obj: Object | None) -> list[str]:
    return list(obj["metadata"].get("finalizers") or []) if obj else []


def _same_way(obj: Object) -> CascadeType:
    """How a dependent's own dependents are treated: as its finalizers say, else in the background."""
    if ORPHAN in _finalizers(obj):
        return CascadeType.ORPHAN
    return CascadeType.FOREGROUND if FOREGROUND in _finalizers(obj) else CascadeType.BACKGROUND
