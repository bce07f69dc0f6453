"""Deployments: which ReplicaSet should have how many replicas, so that a change rolls out as the strategy says.

Rules: Kubernetes documentation, "Deployments". Left out: proportional scaling of a Deployment in the middle of a
rollout; the rollout simply goes on towards the new number.
"""

from typing import Any

from embedded_cluster.client import ApiClient, Deployment, Object, ReplicaSet
from embedded_cluster.controllers.claim import claim
from embedded_cluster.controllers.mirror import Mirror
from embedded_cluster.controllers.progress import new_status, seconds_to_deadline
from embedded_cluster.controllers.rollout import (
    TEMPLATE_HASH,
    Bounds,
    Generation,
    size_of_new,
    sizes_of_old,
    template_hash,
)
from embedded_cluster.events import EventRecorder
from embedded_cluster.informer import Change, Key, WorkQueue, key_of
from embedded_cluster.objects import controller_of, is_terminal, is_terminating, owner_reference

_PREFIX = "deployment.kubernetes.io/"
REVISION = f"{_PREFIX}revision"
_NOT_INHERITED = ("kubectl.kubernetes.io/last-applied-configuration", REVISION)


class DeploymentController:
    """Creates a ReplicaSet per pod template and moves the replicas to the newest one."""

    def __init__(self, client: ApiClient, mirror: Mirror, events: EventRecorder) -> None:
        """Listen to *mirror*; work is done by ``queue``, which the caller runs."""
        self._client = client
        self._mirror = mirror
        self._events = events
        self.queue: WorkQueue[Key] = WorkQueue("deployment", self._reconcile)
        mirror.deployments.on_change(lambda change: self.queue.add(key_of(change.latest)))
        mirror.replicasets.on_change(self._replicaset_changed)
        mirror.pods.on_change(self._pod_changed)

    def _replicaset_changed(self, change: Change) -> None:
        for replicaset in filter(None, change):
            controller = controller_of(replicaset)
            if controller is not None and controller["kind"] == "Deployment":
                self.queue.add(Key(replicaset["metadata"]["namespace"], controller["name"]))

    def _pod_changed(self, change: Change) -> None:
        # Recreate waits until the last old pod has ended, which no ReplicaSet reports.
        if change.new is None or is_terminal(change.new):
            controller = controller_of(change.latest)
            if controller is not None and controller["kind"] == "ReplicaSet":
                key = Key(change.latest["metadata"]["namespace"], controller["name"])
                replicaset = self._mirror.replicasets.get(key)
                if replicaset is not None:
                    self._replicaset_changed(Change(None, replicaset))

    async def _reconcile(self, key: Key) -> float | None:
        deployment = self._mirror.deployments.get(key)
        if deployment is None:
            return None
        replicasets = await claim(self._client, deployment, self._mirror.replicasets)
        replicasets.sort(key=_revision)
        wanted = template_hash(deployment["spec"]["template"])
        new = next((each for each in replicasets if each["metadata"]["labels"].get(TEMPLATE_HASH) == wanted), None)
        old = [each for each in replicasets if each is not new]
        if is_terminating(deployment):
            pass
        elif deployment["spec"].get("paused"):
            await self._scale_paused(deployment, new, old)
        elif (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
            new = await self._recreate(deployment, new, old)
        else:
            new = await self._roll(deployment, new, old)
        return await self._report(deployment, new, old)

    async def _roll(self, deployment: Object, new: Object | None, old: list[Object]) -> Object:
        bounds = Bounds.of(deployment)
        total = sum(_replicas(each) for each in old)
        if new is None:
            return await self._create(deployment, size_of_new(bounds, 0, total), old)
        size = size_of_new(bounds, _replicas(new), total + _replicas(new))
        new = await self._size(deployment, new, size, revision=_next_revision(new, old))
        sizes = sizes_of_old(bounds, _generation(new), [_generation(each) for each in old])
        for each, smaller in zip(old, sizes, strict=True):
            await self._size(deployment, each, smaller)
        if not total:
            await self._forget(deployment, old)
        return new

    async def _recreate(self, deployment: Object, new: Object | None, old: list[Object]) -> Object | None:
        for each in old:
            await self._size(deployment, each, 0)
        if any(self._has_pods(each) for each in old):
            return new
        if new is None:
            return await self._create(deployment, Bounds.of(deployment).replicas, old)
        await self._forget(deployment, old)
        return await self._size(deployment, new, Bounds.of(deployment).replicas, revision=_next_revision(new, old))

    async def _scale_paused(self, deployment: Object, new: Object | None, old: list[Object]) -> None:
        """A paused Deployment can still be scaled, unless it was paused in the middle of a rollout."""
        everything = [*old, *([new] if new else [])]
        active = [each for each in everything if _replicas(each)] or everything[-1:]
        if len(active) == 1:
            await self._size(deployment, active[0], Bounds.of(deployment).replicas)

    def _has_pods(self, replicaset: Object) -> bool:
        for pod in self._mirror.pods.objects(replicaset["metadata"]["namespace"]):
            controller = controller_of(pod)
            if controller and controller["uid"] == replicaset["metadata"]["uid"] and not is_terminal(pod):
                return True
        return False

    async def _create(self, deployment: Object, size: int, old: list[Object]) -> Object:
        metadata, spec = deployment["metadata"], deployment["spec"]
        mark = {TEMPLATE_HASH: template_hash(spec["template"])}
        template_metadata = spec["template"].get("metadata") or {}
        labels = {**(template_metadata.get("labels") or {}), **mark}
        selector = {
            **spec["selector"],
            "matchLabels": {**(spec["selector"].get("matchLabels") or {}), **mark},
        }
        created: Object = await self._client.create(
            ReplicaSet.from_dict(
                {
                    "metadata": {
                        "name": f"{metadata['name']}-{mark[TEMPLATE_HASH]}",
                        "namespace": metadata["namespace"],
                        "labels": labels,
                        "annotations": _annotations(deployment, _next_revision(None, old)),
                        "ownerReferences": [owner_reference(deployment)],
                    },
                    "spec": {
                        "replicas": size,
                        "minReadySeconds": spec.get("minReadySeconds", 0),
                        "selector": selector,
                        "template": {**spec["template"], "metadata": {**template_metadata, "labels": labels}},
                    },
                }
            )
        )
        self._mirror.replicasets.observe(created)
        self._tell(deployment, created, 0, size)
        return created

    async def _size(self, deployment: Object, replicaset: Object, size: int, *, revision: int | None = None) -> Object:
        """Give *replicaset* this size, and the annotations that go with it, unless it has them already."""
        before = _replicas(replicaset)
        known = replicaset["metadata"].get("annotations") or {}
        wanted = _annotations(deployment, revision) if revision else _scale_annotations(deployment)
        if before == size and (revision is None or wanted.items() <= known.items()):
            return replicaset
        sized: Object = await self._client.patch(
            ReplicaSet,
            replicaset["metadata"]["name"],
            {
                "metadata": {"uid": replicaset["metadata"]["uid"], "annotations": wanted},
                "spec": {"replicas": size},
            },
            namespace=replicaset["metadata"]["namespace"],
        )
        self._mirror.replicasets.observe(sized)
        if before != size:
            self._tell(deployment, replicaset, before, size)
        return sized

    async def _forget(self, deployment: Object, old: list[Object]) -> None:
        """Delete the ReplicaSets that the revision history has no room for, oldest first."""
        keep = deployment["spec"].get("revisionHistoryLimit", 10)
        idle = [each for each in old if not _replicas(each) and not (each.get("status") or {}).get("replicas")]
        for each in idle[: max(0, len(idle) - keep)]:
            await self._client.remove(each)

    async def _report(self, deployment: Object, new: Object | None, old: list[Object]) -> float | None:
        status = new_status(deployment, new, old)
        if status != deployment.get("status"):
            self._mirror.deployments.observe(await self._client.merge_status(deployment, status))
        annotations = deployment["metadata"].get("annotations") or {}
        if new is not None and annotations.get(REVISION) != str(_revision(new)):
            await self._annotate(deployment, _revision(new))
        return seconds_to_deadline(deployment, status)

    async def _annotate(self, deployment: Object, revision: int) -> None:
        """Note the revision on the Deployment itself, where ``kubectl rollout history`` looks for it."""
        patched: Any = await self._client.set(
            Deployment,
            deployment["metadata"]["name"],
            namespace=deployment["metadata"]["namespace"],
            annotations={REVISION: str(revision)},
        )
        self._mirror.deployments.observe(patched)

    def _tell(self, deployment: Object, replicaset: Object, before: int, after: int) -> None:
        way = "up" if after > before else "down"
        message = f"Scaled {way} replica set {replicaset['metadata']['name']} from {before} to {after}"
        self._events.record(deployment, "ScalingReplicaSet", message)


def _replicas(replicaset: Object) -> int:
    return int(replicaset["spec"].get("replicas", 1))


def _generation(replicaset: Object) -> Generation:
    return Generation(_replicas(replicaset), (replicaset.get("status") or {}).get("availableReplicas", 0))


def _revision(replicaset: Object) -> int:
    return int((replicaset["metadata"].get("annotations") or {}).get(REVISION, "0"))


def _next_revision(new: Object | None, old: list[Object]) -> int:
    """The revision that the new ReplicaSet should have: higher than all the others'."""
    highest = max((_revision(each) for each in old), default=0)
    return max(highest + 1, _revision(new) if new else 0)


def _scale_annotations(deployment: Object) -> dict[str, str]:
    bounds = Bounds.of(deployment)
    return {
        f"{_PREFIX}desired-replicas": str(bounds.replicas),
        f"{_PREFIX}max-replicas": str(bounds.replicas + bounds.surge),
    }


def _annotations(deployment: Object, revision: int) -> dict[str, str]:
    inherited = deployment["metadata"].get("annotations") or {}
    return {
        **{name: value for name, value in inherited.items() if name not in _NOT_INHERITED},
        **_scale_annotations(deployment),
        REVISION: str(revision),
    }
