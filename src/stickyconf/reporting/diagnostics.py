"""What helps to understand a failure: logs, configuration, objects and events, collected while they are still there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any

import yaml

from stickyconf.plainyaml import DUMPER
from stickyconf.ports import (
    ENDPOINT_SLICE,
    EVENT,
    HTTP_ROUTE,
    POD,
    SERVICE,
    UPSTREAM_POLICY,
    Cluster,
    Gateway,
    HarnessError,
    Kind,
    OutOfReach,
    Rejected,
)
from stickyconf.reporting.redaction import publishable, redact_data
from stickyconf.reporting.tables import aligned

LOG_LINES = 2000
KINDS = {
    "pods": POD,
    "services": SERVICE,
    "endpointslices": ENDPOINT_SLICE,
    "httproutes": HTTP_ROUTE,
    "kongupstreampolicies": UPSTREAM_POLICY,
}


async def collect(
    cluster: Cluster, gateway: Gateway, namespaces: Sequence[str], directory: Path, *, system_namespace: str = "kong"
) -> None:
    """Write what can be seen now into a directory, redacted, no file larger than ``redaction.LIMIT``.

    logs/<pod>.log: the last lines of each pod in ``system_namespace``, and <pod>.previous.log those from before a
    restart. <system_namespace>/pods.yaml and events.txt: how often and why its pods restarted. gateway/<replica>.yaml:
    the configuration each replica has in force. <namespace>/<kind>.yaml and <namespace>/events.txt: the case's objects
    with their status, and what happened to them. What cannot be collected leaves a line in its file that says why.
    """
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_logs(cluster, system_namespace, directory / "logs"))
        tasks.create_task(_configurations(gateway, directory / "gateway"))
        system = directory / system_namespace
        tasks.create_task(_keep(system / "pods.yaml", _objects(cluster, POD, system_namespace)))
        tasks.create_task(_keep(system / "events.txt", _events(cluster, system_namespace)))
        for namespace in namespaces:
            there = directory / namespace
            for name, kind in KINDS.items():
                tasks.create_task(_keep(there / f"{name}.yaml", _objects(cluster, kind, namespace)))
            tasks.create_task(_keep(there / "events.txt", _events(cluster, namespace)))


async def _logs(cluster: Cluster, namespace: str, directory: Path) -> None:
    try:
        pods = await cluster.list(POD, namespace)
    except (HarnessError, OutOfReach, Rejected) as error:
        _write(directory / "none.log", f"the pods of {namespace} could not be listed: {error}\n")
        return
    for pod in pods:
        name = pod["metadata"]["name"]
        await _keep(directory / f"{name}.log", cluster.log(name, namespace, LOG_LINES))
        if any(one["restartCount"] for one in pod.get("status", {}).get("containerStatuses", ())):
            await _keep(directory / f"{name}.previous.log", cluster.log(name, namespace, LOG_LINES, previous=True))


async def _configurations(gateway: Gateway, directory: Path) -> None:
    try:
        replicas = await gateway.replicas()
    except (HarnessError, OutOfReach, Rejected) as error:
        _write(directory / "none.yaml", f"# the gateway's replicas could not be listed: {error}\n")
        return
    for replica in replicas:
        name = re.sub(r"[^\w.-]+", "-", replica)  # it may be an address
        await _keep(directory / f"{name}.yaml", _configuration(gateway, replica))


async def _configuration(gateway: Gateway, replica: str) -> str:
    return _yaml([await gateway.configuration(replica)])


async def _objects(cluster: Cluster, kind: Kind, namespace: str) -> str:
    found = await cluster.list(kind, namespace)
    for item in found:
        item["metadata"].pop("managedFields", None)  # half of the text, and of no use here
    return _yaml(found) if found else f"# there is no {kind.kind} in {namespace}\n"


async def _events(cluster: Cluster, namespace: str) -> str:
    rows = sorted(_event(event) for event in await cluster.list(EVENT, namespace))
    if not rows:
        return f"there is no event in {namespace}\n"
    return "\n".join(aligned([["last seen", "type", "reason", "object", "message"], *rows])) + "\n"


def _event(event: dict[str, Any]) -> list[str]:
    about = event.get("involvedObject") or {}
    return [
        str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")),
        str(event.get("type")),
        str(event.get("reason")),
        f"{about.get('kind')}/{about.get('name')}",
        str(event.get("message")),
    ]


async def _keep(path: Path, text: Awaitable[str]) -> None:
    try:
        said = await text
    except (HarnessError, OutOfReach, Rejected) as error:
        said = f"# could not be collected: {error}\n"
    _write(path, said)


def _yaml(objects: list[dict[str, Any]]) -> str:
    return yaml.dump_all(redact_data(objects), Dumper=DUMPER, sort_keys=False, allow_unicode=True)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(publishable(text), encoding="utf-8")
