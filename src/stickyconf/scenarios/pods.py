"""Waiting for echo pods: until they are ready, or until their status and logs show that they will not be."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from stickyconf.ports import EVENT, POD, Cluster, HarnessError, WorkloadBroken
from stickyconf.scenarios.workload import ECHO_PORT
from stickyconf.wait import Waiter, WaitFailed

Pod = Mapping[str, Any]

HOPELESS = {"InvalidImageName", "ErrImageNeverPull"}
FAILING = {
    "ErrImagePull",
    "ImagePullBackOff",
    "RegistryUnavailable",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
}
"""Reasons of a waiting container that may pass: a registry that is busy, a ConfigMap that the node has not seen yet."""

PATIENCE = 20.0
"""How long a pod may say so before it counts as broken, in seconds."""

RESTARTS = 2
"""A container that has ended and been restarted so often will not come up: it did so each time."""

LOG_LINES = 5
SHOWN_EVENTS = 3


async def ready_pods(
    cluster: Cluster, waiter: Waiter, namespace: str, replicas: int, budget: str = "rollout", *, app: str = "echo"
) -> dict[str, str]:
    """Wait until so many echo pods of an application are ready, and return name -> "ip:port".

    Raises WorkloadBroken as soon as a pod will not become ready, WaitFailed when the budget is used up. Both quote what
    the pods say of themselves.
    """
    failing: dict[str, float] = {}

    async def look() -> dict[str, str]:
        pods = await cluster.list(POD, namespace, f"app={app}")
        broken = [pod for pod in pods if _is_broken(pod, failing)]
        if broken:
            raise WorkloadBroken(f"the echo workload does not come up: {await _told(cluster, namespace, broken[:1])}")
        return {pod["metadata"]["name"]: f"{pod['status']['podIP']}:{ECHO_PORT}" for pod in pods if _is_ready(pod)}

    what = f"{replicas} ready {app} pods in {namespace}"
    try:
        return await waiter.until(what, budget, look, lambda ready: len(ready) == replicas)
    except WaitFailed as failure:
        pods = await cluster.list(POD, namespace, f"app={app}")
        unready = [pod for pod in pods if not _is_ready(pod)]
        words = f"{len(pods) - len(unready)} ready; {await _told(cluster, namespace, unready)}"
        raise WaitFailed(failure.what, failure.budget, failure.seconds, words) from failure


def restarts_of(pod: Pod) -> int:
    """Return how often containers of a pod were started again, in all."""
    containers = (pod.get("status") or {}).get("containerStatuses") or ()
    return sum(container.get("restartCount", 0) for container in containers)


def words_of(pod: Pod) -> str:
    """Return what a pod that is not ready says of itself: why it waits, how it ended, why it has no node."""
    status = pod.get("status") or {}
    words = [
        f"{condition.get('reason', 'not scheduled')}: {condition.get('message', '')}"
        for condition in status.get("conditions") or ()
        if condition["type"] == "PodScheduled" and condition["status"] == "False"
    ]
    for container in status.get("containerStatuses") or ():
        waiting, ended = container["state"].get("waiting") or {}, _last_end(container)
        if waiting:
            words.append(": ".join(filter(None, (waiting.get("reason", "waiting"), waiting.get("message", "")))))
        if ended:
            how = ": ".join(filter(None, (ended.get("reason", ""), ended.get("message", "").strip())))
            restarts = container.get("restartCount", 0)
            words.append(f"it ended with exit code {ended['exitCode']} ({how}), restarted {restarts} times")
    if not words:
        words = [
            condition.get("message") or f"phase {status.get('phase', 'unknown')}"
            for condition in status.get("conditions") or ()
            if condition["type"] == "Ready"
        ]
    return "; ".join(words) or f"phase {status.get('phase', 'unknown')}"


async def _told(cluster: Cluster, namespace: str, pods: Sequence[Pod]) -> str:
    """Return the words of each pod, with the end of its log if it has crashed, else with the warnings about it."""
    told = []
    for pod in pods:
        name = pod["metadata"]["name"]
        crashed = any(_last_end(container) for container in (pod.get("status") or {}).get("containerStatuses") or ())
        more = await _log(cluster, namespace, name) if crashed else ""
        told.append(f"pod {name}: {words_of(pod)}{more}")
    warnings = await _warnings(cluster, namespace) if not any("exit code" in one for one in told) else []
    return "; ".join([*told, *warnings]) or "no pod is there"


async def _log(cluster: Cluster, namespace: str, pod: str) -> str:
    try:
        log = await cluster.log(pod, namespace, LOG_LINES)
    except HarnessError as error:
        return f"; its log cannot be read ({error})"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return f"; it said last: {' | '.join(lines)}" if lines else "; it said nothing"


async def _warnings(cluster: Cluster, namespace: str) -> list[str]:
    """Return the namespace's last Warning events: of pods that were refused or have no volume nothing else tells."""
    try:
        events = await cluster.list(EVENT, namespace)
    except HarnessError as error:
        return [f"its events cannot be read ({error})"]
    said = [f"{event.get('reason', '')}: {event.get('message', '')}" for event in events if event["type"] == "Warning"]
    return list(dict.fromkeys(said))[-SHOWN_EVENTS:]


def _is_broken(pod: Pod, failing: dict[str, float]) -> bool:
    """Whether the pod will not become ready; ``failing`` keeps since when each has had a reason that may pass."""
    name = pod["metadata"]["name"]
    containers = (pod.get("status") or {}).get("containerStatuses") or ()
    reasons = {(container["state"].get("waiting") or {}).get("reason") for container in containers}
    if "deletionTimestamp" in pod["metadata"]:
        return False
    if reasons & HOPELESS or any(
        container.get("restartCount", 0) >= RESTARTS and "running" not in container["state"] for container in containers
    ):
        return True
    if not reasons & FAILING:
        failing.pop(name, None)
        return False
    return time.monotonic() - failing.setdefault(name, time.monotonic()) > PATIENCE


def _last_end(container: Mapping[str, Any]) -> dict[str, Any]:
    ended: dict[str, Any] = (
        container["state"].get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    )
    return ended


def _is_ready(pod: Pod) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return "deletionTimestamp" not in pod["metadata"] and any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions
    )
