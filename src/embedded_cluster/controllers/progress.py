"""What a Deployment reports about itself: counts, and the conditions Available and Progressing.

``kubectl rollout status`` and ``kubectl wait --for=condition=Available`` read nothing else (Kubernetes
documentation, "Deployments", section "Deployment status").
"""

from datetime import UTC, datetime, timedelta

from embedded_cluster.client import Object
from embedded_cluster.controllers.rollout import Bounds
from embedded_cluster.objects import condition, moment, now, with_condition

_COMPLETE = "NewReplicaSetAvailable"


def new_status(deployment: Object, new: Object | None, old: list[Object]) -> Object:
    """The status of *deployment*, whose present template is *new*'s and earlier ones are *old*'s."""
    known = deployment.get("status") or {}
    everything = [*old, *([new] if new else [])]
    total, available = _sum(everything, "replicas"), _sum(everything, "availableReplicas")
    counts = {
        "replicas": total,
        "updatedReplicas": _sum([new] if new else [], "replicas"),
        "readyReplicas": _sum(everything, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, total - available),
    }
    conditions = with_condition(known.get("conditions") or [], _available(Bounds.of(deployment), available))
    progressing = _progressing(deployment, new, counts)
    if progressing is not None:
        conditions = with_condition(conditions, progressing)
    for one in conditions:  # the API wants a lastUpdateTime in each; unchanged ones keep theirs
        before = condition(deployment, one["type"])
        unchanged = before and all(before.get(name) == one[name] for name in ("status", "reason", "message"))
        one.setdefault("lastUpdateTime", before["lastUpdateTime"] if before and unchanged else now())
    return {
        **known,
        **counts,
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "conditions": conditions,
    }


def seconds_to_deadline(deployment: Object, status: Object) -> float | None:
    """When to look again whether the rollout still makes progress; None when there is nothing to wait for."""
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    progressing = condition({"status": status}, "Progressing")
    if deadline is None or progressing is None or progressing["reason"] == _COMPLETE:
        return None
    if progressing["status"] != "True":
        return None
    return max(0.1, _due(progressing, deadline))


def _available(bounds: Bounds, available: int) -> Object:
    if available >= bounds.replicas - bounds.unavailable:
        return {
            "type": "Available",
            "status": "True",
            "reason": "MinimumReplicasAvailable",
            "message": "Deployment has minimum availability.",
        }
    return {
        "type": "Available",
        "status": "False",
        "reason": "MinimumReplicasUnavailable",
        "message": "Deployment does not have minimum availability.",
    }


def _progressing(deployment: Object, new: Object | None, counts: dict[str, int]) -> Object | None:
    """The condition Progressing as it should be now, or None to leave it as it is."""
    spec, known = deployment["spec"], deployment.get("status") or {}
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is None:
        return None  # progress is not to be judged
    current = condition(deployment, "Progressing")
    subject = f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{deployment["metadata"]["name"]}"'
    if spec.get("paused"):
        return _progress("Unknown", "DeploymentPaused", "Deployment is paused")
    replicas = spec.get("replicas", 1)
    if counts["updatedReplicas"] == counts["replicas"] and current and current["reason"] == _COMPLETE:
        return None  # no rollout: pods that fail now change Available
    if counts["replicas"] == counts["updatedReplicas"] == counts["availableReplicas"] == replicas:
        return _progress("True", _COMPLETE, f"{subject} has successfully progressed.")
    if current is None or current["reason"] == "DeploymentPaused":
        return _progress("True", "NewReplicaSetCreated" if new else "ReplicaSetUpdated", f"{subject} is progressing.")
    moved = (
        counts["updatedReplicas"] > known.get("updatedReplicas", 0)
        or counts["replicas"] - counts["updatedReplicas"] < known.get("replicas", 0) - known.get("updatedReplicas", 0)
        or counts["readyReplicas"] > known.get("readyReplicas", 0)
        or counts["availableReplicas"] > known.get("availableReplicas", 0)
    )
    if moved or current["reason"] == _COMPLETE:
        # The moment counts from now on, also when nothing else about the condition changes.
        return {**_progress("True", "ReplicaSetUpdated", f"{subject} is progressing."), "lastUpdateTime": now()}
    if current["status"] == "True" and _due(current, deadline) <= 0:
        return _progress("False", "ProgressDeadlineExceeded", f"{subject} has timed out progressing.")
    return None


def _progress(status: str, reason: str, message: str) -> Object:
    return {"type": "Progressing", "status": status, "reason": reason, "message": message}


def _due(progressing: Object, deadline: int) -> float:
    """Seconds until a rollout with this condition counts as stuck."""
    return (moment(progressing["lastUpdateTime"]) + timedelta(seconds=deadline) - datetime.now(UTC)).total_seconds()


def _sum(replicasets: list[Object], count: str) -> int:
    return sum((each.get("status") or {}).get(count, 0) for each in replicasets)
