"""What is watched while a scenario plays: pods, endpoints, the Admin API, and the pods' own logs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Coroutine, Iterable, Mapping
from typing import Any

from stickyconf.model import Happening
from stickyconf.ports import ENDPOINT_SLICE, POD, HarnessError, Target
from stickyconf.scenarios.pods import restarts_of, words_of
from stickyconf.scenarios.recorder import Recorder
from stickyconf.scenarios.workload import ECHO_PORT
from stickyconf.wait import Beat

POLLS_PER_SYNC, SHORTEST_POLL = 4, 0.1
"""How often in a sync period of the controller the Admin API is looked at, and the fewest seconds between two looks."""

SERVICE_NAME = "kubernetes.io/service-name"  # the label of an EndpointSlice that says whose endpoints it has


class Observers:
    """Background tasks of one stage. Each only records; one that breaks is a harness error at the end."""

    def __init__(self, target: Target, recorder: Recorder, namespace: str, upstream: str) -> None:
        """Take what to watch and where to record it."""
        self._target, self._recorder = target, recorder
        self._namespace, self._upstream = namespace, upstream
        self._tasks: list[asyncio.Task[None]] = []
        self._watching = False
        self._followed: set[str] = set()
        self._weights: dict[str, dict[str, int]] = {}
        self.addresses: dict[str, str] = {}  # "ip:port" -> pod, of every pod there ever was

    async def follow_logs(self, pods: Iterable[str]) -> None:
        """Follow the log of every pod that is not followed yet."""
        for pod in pods:
            if pod not in self._followed:
                self._followed.add(pod)
                self._start(self._follow(pod), f"log of {pod}")

    def watch_cluster(self) -> None:
        """Watch pods and endpoints of the namespace, from now on; once is enough."""
        if not self._watching:
            self._watching = True
            self._start(self._watch_pods(), "watch of pods")
            self._start(self._watch_endpoints(), "watch of endpoints")

    def watch_gateway(self, pods: Collection[str]) -> None:
        """Watch the pods of the gateway, of which none should end or begin anew by itself."""
        self._start(self._watch_gateway(set(pods)), "watch of the gateway's pods")

    def poll_targets(self, gateways: Iterable[str]) -> None:
        """Look at the upstream's targets on every replica again and again."""
        for replica in gateways:
            self._start(self._poll(replica), f"targets on {replica}")

    def compare_targets(self, replica: str, targets: Mapping[str, int]) -> None:
        """Record what changed among a replica's targets since the last look."""
        before = self._weights.get(replica, {})
        for address, weight in targets.items():
            if before.get(address) != weight:
                self._recorder.event(
                    Happening.TARGET, self._name(address), gateway=replica, weight=str(weight), address=address
                )
        for address in before.keys() - targets.keys():
            self._recorder.event(Happening.TARGET_REMOVED, self._name(address), gateway=replica)
        self._weights[replica] = dict(targets)

    def shown(self, pod: str) -> dict[str, int]:
        """Return replica -> weight of a pod, for the replicas that list it now."""
        return {
            replica: weight
            for replica, weights in self._weights.items()
            for address, weight in weights.items()
            if self._name(address) == pod
        }

    async def stop(self) -> None:
        """End every task; HarnessError for one that had broken."""
        for task in self._tasks:
            task.cancel()
        for task, result in zip(self._tasks, await asyncio.gather(*self._tasks, return_exceptions=True), strict=True):
            if isinstance(result, Exception):
                raise HarnessError(f"{task.get_name()} broke: {result}") from result
        self._tasks.clear()

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    def _name(self, address: str) -> str:
        return self.addresses.get(address, address)

    async def _follow(self, pod: str) -> None:
        async for line in self._target.cluster.follow_log(pod, self._namespace):
            try:
                record = json.loads(line)
            except ValueError:  # a traceback or a warning of the workload's interpreter
                continue
            if record.get("event") == "request" and record.get("id"):
                self._recorder.sighting(pod, record["id"])
            elif record.get("event") in ("held", "sigterm", "died"):
                self._recorder.event(Happening(record["event"]), pod)
            elif record.get("event") == "connected":
                self._recorder.event(Happening.CONNECTED, pod, peer=record["peer"])

    async def _watch_pods(self) -> None:
        terminating: set[str] = set()
        restarts: dict[str, int] = {}
        failed: set[str] = set()
        async for kind, pod in self._target.cluster.watch(POD, self._namespace):
            name, status = pod["metadata"]["name"], pod.get("status", {})
            if status.get("podIP"):
                self.addresses.setdefault(f"{status['podIP']}:{ECHO_PORT}", name)
            if kind == "DELETED":
                self._recorder.event(Happening.POD_GONE, name)
            elif "deletionTimestamp" in pod["metadata"] and name not in terminating:
                terminating.add(name)
                self._recorder.event(Happening.TERMINATING, name)
            if restarts.setdefault(name, count := restarts_of(pod)) < count:
                restarts[name] = count
                self._followed.discard(name)  # the log that was followed has ended with its container
                self._recorder.event(Happening.RESTARTED, name, count=str(count), why=words_of(pod))
            if status.get("phase") == "Failed" and name not in failed:
                failed.add(name)
                self._recorder.event(Happening.FAILED, name, why=_reason(status))
            if any(item.get("state", {}).get("running") for item in status.get("containerStatuses") or ()):
                await self.follow_logs([name])

    async def _watch_gateway(self, pods: set[str]) -> None:
        restarts: dict[str, int] = {}
        gone: set[str] = set()
        async for kind, pod in self._target.cluster.watch(POD, self._target.namespace):
            name, status = pod["metadata"]["name"], pod.get("status", {})
            if name not in pods:
                continue
            if restarts.setdefault(name, count := restarts_of(pod)) < count:
                restarts[name] = count
                self._recorder.event(Happening.GATEWAY_GONE, name, why=f"it was started again: {words_of(pod)}")
            ended = kind == "DELETED" or "deletionTimestamp" in pod["metadata"] or status.get("phase") == "Failed"
            if ended and name not in gone:
                gone.add(name)
                why = _reason(status) if status.get("phase") == "Failed" else "it was deleted"
                self._recorder.event(Happening.GATEWAY_GONE, name, why=why)

    async def _watch_endpoints(self) -> None:
        known: dict[str, dict[str, dict[str, str]]] = {}
        async for kind, item in self._target.cluster.watch(ENDPOINT_SLICE, self._namespace):
            slice_name = item["metadata"]["name"]
            service = (item["metadata"].get("labels") or {}).get(SERVICE_NAME, "")
            before = known.get(slice_name, {})
            now = {} if kind == "DELETED" else dict(_conditions(item))
            for pod, conditions in now.items():
                if before.get(pod) != conditions:
                    self._recorder.event(Happening.ENDPOINT, pod, None, service=service, **conditions)
            known[slice_name] = now
            left = {pod for endpoints in known.values() for pod in endpoints}
            for pod in before.keys() - left:  # another Service may come and go in front of the same pods
                self._recorder.event(Happening.ENDPOINT_REMOVED, pod)

    async def _poll(self, replica: str) -> None:
        beat = Beat(max(SHORTEST_POLL, self._target.tempo.sync / POLLS_PER_SYNC), self._recorder.late)
        while True:
            self.compare_targets(replica, await self._target.gateway.targets(replica, self._upstream))
            await beat.tick()


def _reason(status: Mapping[str, Any]) -> str:
    """Say in the cluster's words why a pod ended for good: the reason of an eviction, say."""
    return ": ".join(filter(None, (status.get("reason"), status.get("message")))) or "for a reason not given"


def _conditions(item: Mapping[str, Any]) -> Iterable[tuple[str, dict[str, str]]]:
    for endpoint in item.get("endpoints") or ():
        conditions = endpoint.get("conditions") or {}
        name = (endpoint.get("targetRef") or {}).get("name") or endpoint["addresses"][0]
        yield name, {key: str(conditions.get(key)).lower() for key in ("ready", "serving", "terminating")}
