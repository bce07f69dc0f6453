"""ReplicaSets: as many pods as asked for."""

import asyncio
from datetime import UTC, datetime, timedelta

from lightkube import ApiError

from embedded_cluster.client import ApiClient, Object, Pod
from embedded_cluster.controllers.claim import claim
from embedded_cluster.controllers.mirror import Mirror
from embedded_cluster.events import EventRecorder
from embedded_cluster.informer import Change, Key, WorkQueue, key_of
from embedded_cluster.objects import (
    condition,
    controller_of,
    is_active,
    is_ready,
    is_terminating,
    moment,
    owner_reference,
    selects,
)

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


class ReplicaSetController:
    """Creates and deletes pods until each ReplicaSet has what its spec asks for, and reports how many it has."""

    def __init__(self, client: ApiClient, mirror: Mirror, events: EventRecorder) -> None:
        """Listen to *mirror*; work is done by ``queue``, which the caller runs."""
        self._client = client
        self._mirror = mirror
        self._events = events
        self.queue: WorkQueue[Key] = WorkQueue("replicaset", self._reconcile)
        mirror.replicasets.on_change(lambda change: self.queue.add(key_of(change.latest)))
        mirror.pods.on_change(self._pod_changed)

    def _pod_changed(self, change: Change) -> None:
        for pod in filter(None, change):
            controller = controller_of(pod)
            if controller is not None and controller["kind"] == "ReplicaSet":
                self.queue.add(Key(pod["metadata"]["namespace"], controller["name"]))
            elif controller is None:
                for replicaset in self._mirror.replicasets.objects(pod["metadata"]["namespace"]):
                    if selects(replicaset["spec"]["selector"], pod["metadata"].get("labels")):
                        self.queue.add(key_of(replicaset))

    async def _reconcile(self, key: Key) -> float | None:
        replicaset = self._mirror.replicasets.get(key)
        if replicaset is None:
            return None
        pods = [pod for pod in await claim(self._client, replicaset, self._mirror.pods) if is_active(pod)]
        missing = replicaset["spec"].get("replicas", 1) - len(pods)
        if missing and not is_terminating(replicaset):
            # The pods written here go into the mirror, which has this called again: the status comes then.
            if missing > 0:
                await self._create(replicaset, missing)
            else:
                await self._delete(victims(pods, -missing))
            return None
        return await self._report(replicaset, pods)

    async def _create(self, replicaset: Object, count: int) -> None:
        template = replicaset["spec"]["template"]
        metadata = template.get("metadata") or {}
        pod = {
            "metadata": {
                "generateName": f"{replicaset['metadata']['name']}-",
                "namespace": replicaset["metadata"]["namespace"],
                "labels": metadata.get("labels") or {},
                "annotations": metadata.get("annotations") or {},
                "finalizers": metadata.get("finalizers") or [],
                "ownerReferences": [owner_reference(replicaset)],
            },
            "spec": template["spec"],
        }
        creations = [self._client.create(Pod.from_dict(pod)) for _ in range(count)]
        for result in await asyncio.gather(*creations, return_exceptions=True):
            if not isinstance(result, BaseException):
                self._mirror.pods.observe(result)
            elif isinstance(result, ApiError) and self._is_going(replicaset):
                return  # refused because the namespace goes, and this ReplicaSet with it
            else:
                self._events.record(replicaset, "FailedCreate", f"Error creating: {result}", kind="Warning")
                raise result

    def _is_going(self, replicaset: Object) -> bool:
        namespace = self._mirror.namespaces.get(Key("", replicaset["metadata"]["namespace"]))
        return namespace is None or is_terminating(namespace)

    async def _delete(self, pods: list[Object]) -> None:
        for left in await asyncio.gather(*(self._client.remove(pod) for pod in pods)):
            if left is not None:
                self._mirror.pods.observe(left)

    async def _report(self, replicaset: Object, pods: list[Object]) -> float | None:
        seconds = replicaset["spec"].get("minReadySeconds", 0)
        labels = replicaset["spec"]["template"].get("metadata", {}).get("labels") or {}
        ready = [pod for pod in pods if is_ready(pod)]
        waits = [_until_available(pod, seconds) for pod in ready]
        status = {
            "replicas": len(pods),
            "fullyLabeledReplicas": sum(
                labels.items() <= (pod["metadata"].get("labels") or {}).items() for pod in pods
            ),
            "readyReplicas": len(ready),
            "availableReplicas": sum(wait <= 0 for wait in waits),
            "observedGeneration": replicaset["metadata"].get("generation", 1),
        }
        known = replicaset.get("status") or {}
        if any(known.get(name, 0) != value for name, value in status.items()):
            self._mirror.replicasets.observe(await self._client.merge_status(replicaset, status))
        return min((wait for wait in waits if wait > 0), default=None)


def victims(pods: list[Object], count: int) -> list[Object]:
    """The *count* pods to delete first: those whose loss matters least.

    In this order ("ReplicaSet", section "Scaling a ReplicaSet"): without a node, pending, not ready, lower
    ``pod-deletion-cost``, ready for a shorter time, more restarts, younger. Kubernetes rounds the two ages
    to powers of ten and then takes any; here the youngest goes, so that a run can be repeated.
    """

    def worth(pod: Object) -> tuple[object, ...]:
        status = pod.get("status", {})
        ready = condition(pod, "Ready") or {"status": "False"}
        since = ready["lastTransitionTime"] if ready["status"] == "True" else None
        restarts = sum(container.get("restartCount", 0) for container in status.get("containerStatuses") or [])
        return (
            "nodeName" in pod["spec"],
            ("Pending", "Unknown", "Running").index(status.get("phase", "Pending")),
            ready["status"] == "True",
            _deletion_cost(pod),
            -_timestamp(since),
            -restarts,
            -_timestamp(pod["metadata"]["creationTimestamp"]),
            pod["metadata"]["uid"],
        )

    return sorted(pods, key=worth)[:count]


def _deletion_cost(pod: Object) -> int:
    try:
        return int((pod["metadata"].get("annotations") or {}).get(DELETION_COST, "0"))
    except ValueError:
        return 0  # an invalid annotation counts as none (the API server refuses it in the first place)


def _timestamp(timestamp: str | None) -> float:
    return moment(timestamp).timestamp() if timestamp else 0.0


def _until_available(pod: Object, seconds: int) -> float:
    """How many seconds are missing until a ready pod has been ready for *seconds*; not positive: none."""
    ready = condition(pod, "Ready")
    if not seconds or ready is None:
        return 0.0
    due = moment(ready["lastTransitionTime"]) + timedelta(seconds=seconds)
    return (due - datetime.now(UTC)).total_seconds()
