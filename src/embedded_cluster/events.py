"""Kubernetes events: what a part reports about an object. Best effort, as everywhere in Kubernetes."""

import asyncio
import logging
import time
from typing import Any, Literal, NamedTuple

import httpx2
from lightkube.core.resource import api_info
from lightkube.types import PatchType

from embedded_cluster.client import ApiClient, Event, Object
from embedded_cluster.objects import now

log = logging.getLogger(__name__)


class _Told(NamedTuple):
    uid: str
    reason: str
    message: str


class EventRecorder:
    """Writes events in the name of *component*. The same message about the same object is counted, not repeated."""

    def __init__(self, client: ApiClient, component: str, *, host: str = "") -> None:
        """*host* is the node that the component runs on, if it belongs to one."""
        self._client = client
        self._component = component
        self._host = host
        self._told: dict[_Told, tuple[str, int]] = {}  # name of the event and how often
        self._tasks: set[asyncio.Task[None]] = set()

    def record(
        self, about: Object, reason: str, message: str, *, kind: Literal["Normal", "Warning"] = "Normal"
    ) -> None:
        """Write an event about the object *about*, in the background."""
        task = asyncio.get_running_loop().create_task(self._write(about, reason, message, kind))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self, about: Object, reason: str, message: str, kind: str) -> None:
        told = _Told(about["metadata"]["uid"], reason, message)
        namespace = about["metadata"].get("namespace", "default")
        name, count = self._told.get(told, (f"{about['metadata']['name']}.{time.time_ns():x}", 0))
        self._told[told] = (name, count + 1)
        try:
            if count:
                patch = {"count": count + 1, "lastTimestamp": now()}
                await self._client.patch(Event, name, patch, namespace=namespace, patch_type=PatchType.MERGE)
            else:
                await self._client.create(Event.from_dict(self._event(about, name, namespace, reason, message, kind)))
        except httpx2.HTTPError as error:
            # The namespace may be ending, the server too. A lost event is worth no more than a line in the log.
            log.debug("event %s of %s/%s: %s", reason, namespace, about["metadata"]["name"], error)

    def _event(self, about: Object, name: str, namespace: str, reason: str, message: str, kind: str) -> Object:
        resource: Any = type(about)
        definition = api_info(resource).resource
        source = {"component": self._component}
        if self._host:
            source["host"] = self._host
        moment = now()
        return {
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {
                "apiVersion": definition.api_version,
                "kind": definition.kind,
                "name": about["metadata"]["name"],
                "namespace": about["metadata"].get("namespace", ""),
                "uid": about["metadata"]["uid"],
                "resourceVersion": about["metadata"].get("resourceVersion", ""),
            },
            "reason": reason,
            "message": message,
            "type": kind,
            "count": 1,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "source": source,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }
