"""The row of a pod in ``kubectl get pods``, whose STATUS column has rules of its own.

Source of the rules: printPod in ``k8s.io/kubernetes/pkg/printers/internalversion/printers.go``.
"""

from __future__ import annotations

from typing import Any

from embedded_cluster.apiserver.durations import age, since

JsonObject = dict[str, Any]

NONE = "<none>"


def cells(pod: JsonObject) -> list[Any]:
    """Name, ready, status, restarts, age; then IP, node, nominated node and readiness gates."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    statuses = status.get("containerStatuses") or []
    ready = sum(bool(s.get("ready") and "running" in (s.get("state") or {})) for s in statuses)
    gates = spec.get("readinessGates") or []
    passed = {c.get("type") for c in status.get("conditions") or [] if c.get("status") == "True"}
    return [
        pod["metadata"]["name"],
        f"{ready}/{len(spec.get('containers') or [])}",
        _reason(pod, spec, status, statuses),
        _restarts(statuses),
        age(pod),
        status.get("podIP") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        f"{sum(g.get('conditionType') in passed for g in gates)}/{len(gates)}" if gates else NONE,
    ]


def _reason(pod: JsonObject, spec: JsonObject, status: JsonObject, statuses: list[JsonObject]) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    starting = _init_reason(spec, status)
    if starting:
        return starting
    reason = status.get("reason") or status.get("phase") or "Unknown"
    running = False
    for container in reversed(statuses):
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif ended is not None:
            reason = ended.get("reason") or _exit(ended)
        elif "running" in state and container.get("ready"):
            running = True
    if reason == "Completed" and running:
        conditions = status.get("conditions") or []
        is_ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
        reason = "Running" if is_ready else "NotReady"
    return str(reason)


def _init_reason(spec: JsonObject, status: JsonObject) -> str:
    """``Init:1/2`` and the like while init containers are at work, else ""."""
    total = len(spec.get("initContainers") or [])
    for index, container in enumerate(status.get("initContainerStatuses") or []):
        state = container.get("state") or {}
        ended = state.get("terminated")
        if ended is not None and ended.get("exitCode", 0) == 0:
            continue
        if ended is not None:
            return f"Init:{ended.get('reason') or _exit(ended)}"
        waiting = (state.get("waiting") or {}).get("reason", "")
        if waiting and waiting != "PodInitializing":
            return f"Init:{waiting}"
        return f"Init:{index}/{total}"
    return ""


def _exit(ended: JsonObject) -> str:
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _restarts(statuses: list[JsonObject]) -> str:
    count = sum(container.get("restartCount", 0) for container in statuses)
    ends = [((container.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for container in statuses]
    latest = max(filter(None, ends), default=None)
    return f"{count} ({since(latest)} ago)" if count and latest else str(count)
