"""The node itself: its object in the API, which pods it takes, and who runs them."""

import asyncio
import ipaddress
import itertools
import logging
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import aiohttp
import httpx2
from lightkube import ApiError

from embedded_cluster.client import ApiClient, Node, Object, Pod, PodBinding
from embedded_cluster.events import EventRecorder
from embedded_cluster.informer import Change, Informer, Key, WorkQueue, key_of
from embedded_cluster.node.environment import ConfigError
from embedded_cluster.node.logs import ContainerLog
from embedded_cluster.node.pace import PACES, Pace
from embedded_cluster.node.pod import Host, PodWorker
from embedded_cluster.node.process import Processes
from embedded_cluster.objects import is_terminating, now, with_condition

log = logging.getLogger(__name__)

_FIRST_RETRY = 0.05  # seconds, while the API server is not there yet
_HEARTBEAT = 10.0  # seconds, as a kubelet's nodeStatusUpdateFrequency
_PROBE = "kube-probe/1.33"  # servers tell probes from other requests by it
_ASKED_ADDRESSES = "cni.projectcalico.org/ipAddrs"  # Calico's annotation: a JSON list of the addresses a pod asks for
_LAST_MOMENT = 1.0  # seconds that containers get when the whole node stops


@dataclass(frozen=True, slots=True)
class Settings:
    """Who the node is and where things are."""

    name: str
    address: str
    port: int
    pod_network: ipaddress.IPv4Network
    directory: Path
    kubeconfig: Path
    pace: Pace = PACES["quick"]


class Agent:
    """Registers the node, binds pods that have none to it, and runs them."""

    def __init__(self, client: ApiClient, settings: Settings) -> None:
        """Nothing is started before :meth:`run`."""
        self._client = client
        self._settings = settings
        self._workers: dict[str, PodWorker] = {}  # by uid
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._pods = Informer(client, Pod)
        self._pods.on_change(self._pod_changed)
        self._unbound: WorkQueue[Key] = WorkQueue("binding", self._bind)
        self._nodes = Informer(client, Node)
        self._nodes.on_change(self._node_changed)
        self._events = EventRecorder(client, "kubelet", host=settings.name)
        self._host: Host | None = None
        self._unused = _addresses(settings.pod_network)
        self._given: set[str] = set()

    async def run(self) -> None:
        """Be a node until cancelled; then every container is stopped."""
        processes = Processes()
        connector = aiohttp.TCPConnector(force_close=True, limit=0)  # every probe opens a connection of its own
        async with aiohttp.ClientSession(connector=connector, headers={"User-Agent": _PROBE}) as http:
            self._host = Host(
                client=self._client,
                events=self._events,
                processes=processes,
                http=http,
                address_for=self._address_for,
                address=self._settings.address,
                directory=self._settings.directory,
                kubeconfig=self._settings.kubeconfig,
                pace=self._settings.pace,
            )
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._nodes.run())
                    group.create_task(self._keep_registered())
                    group.create_task(self._pods.run())
                    group.create_task(self._unbound.run())
            finally:
                for task in self._tasks.values():
                    task.cancel()
                await processes.stop(patience=_LAST_MOMENT)

    def find_log(self, namespace: str, pod: str, container: str, previous: bool) -> ContainerLog:
        """The log of a container. Raises ``LookupError`` with the message of a kubelet."""
        known = self._pods.get(Key(namespace, pod))
        worker = self._workers.get(known["metadata"]["uid"]) if known else None
        if worker is None:
            raise LookupError(f'pod "{pod}" does not run on this node')
        found = worker.container(container)
        if found is None:
            raise LookupError(f"container {container} is not valid for pod {pod}")
        wanted = found.previous_log if previous else found.log
        if wanted is None and previous:
            raise LookupError(f'previous terminated container "{container}" in pod "{pod}" not found')
        if wanted is None:
            raise LookupError(f'container "{container}" in pod "{pod}" is waiting to start: ContainerCreating')
        return wanted

    def _pod_changed(self, change: Change) -> None:
        old, new = change
        if old is not None and (new is None or new["metadata"]["uid"] != old["metadata"]["uid"]):
            worker = self._workers.get(old["metadata"]["uid"])
            if worker is not None:
                worker.gone()
        if new is None:
            return
        worker = self._workers.get(new["metadata"]["uid"])
        if worker is not None:
            worker.update(new)
        elif not new["spec"].get("nodeName"):
            self._unbound.add(key_of(new))
        elif new["spec"]["nodeName"] == self._settings.name:
            self._take(new)

    def _take(self, pod: Object) -> None:
        if self._host is None:
            raise RuntimeError("pods are taken while the agent runs")
        uid = pod["metadata"]["uid"]
        worker = self._workers[uid] = PodWorker(pod, self._host)
        task = self._tasks[uid] = asyncio.create_task(worker.run())
        task.add_done_callback(lambda done: self._leave(uid, done))

    def _leave(self, uid: str, task: asyncio.Task[None]) -> None:
        del self._workers[uid], self._tasks[uid]
        if not task.cancelled() and task.exception() is not None:
            log.error("pod with uid %s", uid, exc_info=task.exception())

    def _address_for(self, pod: Object) -> str:
        """One that no pod ever had; or, if *pod* asks for it as with Calico, one that a pod had which has gone."""
        asked = (pod["metadata"].get("annotations") or {}).get(_ASKED_ADDRESSES, "")
        free = self._given - {worker.ip for worker in self._workers.values()}
        address = next((one for one in sorted(free) if f'"{one}"' in asked), None) or next(self._unused)
        self._given.add(address)
        return address

    async def _bind(self, key: Key) -> None:
        """The smallest scheduler there can be: one node, which takes every pod that does not ask for another."""
        pod = self._pods.get(key)
        node = self._nodes.get(Key("", self._settings.name))
        if pod is None or node is None or pod["spec"].get("nodeName") or is_terminating(pod):
            return
        if not _fits(pod, node):
            self._events.record(pod, "FailedScheduling", "0/1 nodes are available", kind="Warning")
            return  # a change of the node has every such pod looked at again
        binding = PodBinding.from_dict(
            {
                "metadata": {"name": key.name, "uid": pod["metadata"]["uid"]},
                "target": {"apiVersion": "v1", "kind": "Node", "name": self._settings.name},
            }
        )
        try:
            await self._client.create(binding, key.name, namespace=key.namespace)
        except ApiError as error:
            if error.status.code not in (404, 409):  # gone, or bound meanwhile
                raise

    def _node_changed(self, change: Change) -> None:
        if change.new is not None:
            for pod in self._pods.objects():
                if not pod["spec"].get("nodeName"):
                    self._unbound.add(key_of(pod))

    async def _keep_registered(self) -> None:
        """Create the Node, and tell the server every few seconds that it is alive."""
        pause = _FIRST_RETRY
        while True:
            try:
                await self._register()
            except httpx2.HTTPError as error:
                log.info("registering the node: %s", error or type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(_HEARTBEAT, pause * 2)
            else:
                await asyncio.sleep(_HEARTBEAT)

    async def _register(self) -> None:
        name = self._settings.name
        node = self._nodes.get(Key("", name))
        if node is None:
            labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": _arch()}
            try:
                node = await self._client.create(
                    Node.from_dict({"metadata": {"name": name, "labels": labels}, "spec": {}})
                )
            except ApiError as error:
                if error.status.code != 409:
                    raise
                node = await self._client.get(Node, name)
        status = _node_status(self._settings, (node.get("status") or {}).get("conditions") or [])
        self._nodes.observe(await self._client.merge_status(node, status))


def _fits(pod: Object, node: Object) -> bool:
    labels = node["metadata"].get("labels") or {}
    wanted = pod["spec"].get("nodeSelector") or {}
    return not node.get("spec", {}).get("unschedulable") and wanted.items() <= labels.items()


def _addresses(network: ipaddress.IPv4Network) -> Iterator[str]:
    """The addresses of pods, each once: a sticky cookie may name one long after its pod is gone.

    The first 256 are the machine's own: API server, node. Those ending in 0 or 255 look odd and are left out.
    """
    for address in itertools.islice(network.hosts(), 256, None):
        if address.packed[-1] not in (0, 255):
            yield str(address)
    raise ConfigError(f"every address of {network} has been used")


def _arch() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _node_status(settings: Settings, conditions: list[Object]) -> Object:
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "the node agent is running",
        "lastHeartbeatTime": now(),
    }
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    size = {"cpu": str(os.cpu_count() or 1), "memory": f"{memory // 1024}Ki", "pods": "1000"}
    return {
        "addresses": [
            {"type": "InternalIP", "address": settings.address},
            {"type": "Hostname", "address": settings.name},
        ],
        "capacity": size,
        "allocatable": size,
        "conditions": with_condition(conditions, ready),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": settings.port}},
        "nodeInfo": {
            "architecture": _arch(),
            "bootID": "",
            "containerRuntimeVersion": "process://1",
            "kernelVersion": platform.release(),
            "kubeProxyVersion": "",
            "kubeletVersion": f"v{version('stickyconf')}-stickyconf",
            "machineID": "",
            "operatingSystem": "linux",
            "osImage": "stickyconf embedded node",
            "systemUUID": "",
        },
    }
