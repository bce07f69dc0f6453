"""What a node reports about a pod: its phase and conditions, from the states of its containers.

Kubernetes documentation, "Pod Lifecycle", sections "Pod phase" and "Pod conditions".
"""

from embedded_cluster.client import Object
from embedded_cluster.objects import condition, now, with_condition


def pod_status(
    pod: Object, init: list[Object], containers: list[Object], *, ip: str, host_ip: str, over: bool
) -> Object:
    """The whole status of *pod*, which was last reported as ``pod["status"]``.

    *init* and *containers* are its ``ContainerStatus``es, *ip* is empty until it has an address. *over* says
    that no container will be started again: then the phase is a terminal one.
    """
    known = pod.get("status") or {}
    phase = _phase(pod, init, containers, over=over)
    unready = [each["name"] for each in containers if not each["ready"]]
    initialized = all(_has_initialized(each) for each in init)
    ready = _ready(phase, unready)
    conditions = known.get("conditions") or []
    for new in (
        {"type": "PodScheduled", "status": "True"},
        {"type": "PodReadyToStartContainers", "status": "True" if ip and not over else "False"},
        _initialized(init, initialized=initialized),
        {"type": "ContainersReady", **ready},
        {"type": "Ready", **ready},
    ):
        if new["type"] != "PodScheduled" or condition(pod, "PodScheduled") is None:
            conditions = with_condition(conditions, new)
    status = {
        "phase": phase,
        "conditions": conditions,
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "startTime": known.get("startTime") or now(),
        "containerStatuses": containers,
    }
    if ip:
        status |= {"podIP": ip, "podIPs": [{"ip": ip}]}
    if init:
        status["initContainerStatuses"] = init
    return status


def _phase(pod: Object, init: list[Object], containers: list[Object], *, over: bool) -> str:
    ends = [each["state"].get("terminated") for each in containers]
    if over:
        # As for a pod that is deleted: what never ran has failed.
        failed = any(end is None or end["exitCode"] for end in ends)
        return "Failed" if failed else "Succeeded"
    begun = any("waiting" not in each["state"] or each["lastState"] for each in containers)
    return "Running" if begun and all(_has_initialized(each) for each in init) else "Pending"


def _has_initialized(init: Object) -> bool:
    end = init["state"].get("terminated")
    return bool(init["started"]) or (end is not None and end["exitCode"] == 0)


def _initialized(init: list[Object], *, initialized: bool) -> Object:
    if initialized:
        return {"type": "Initialized", "status": "True"}
    names = " ".join(each["name"] for each in init if not _has_initialized(each))
    return {
        "type": "Initialized",
        "status": "False",
        "reason": "ContainersNotInitialized",
        "message": f"containers with incomplete status: [{names}]",
    }


def _ready(phase: str, unready: list[str]) -> Object:
    if phase in ("Succeeded", "Failed"):
        return {"status": "False", "reason": "PodCompleted" if phase == "Succeeded" else "PodFailed"}
    if unready:
        message = f"containers with unready status: [{' '.join(unready)}]"
        return {"status": "False", "reason": "ContainersNotReady", "message": message}
    return {"status": "True"}
