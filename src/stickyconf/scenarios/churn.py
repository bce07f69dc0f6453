"""Endpoints of one Service change again and again beside the sessions of another.

residents   --x--x--x--x--x--x--x--x--x--x--x--x--   on every pod, visiting steadily
requests      x x x x x x x x x x x x x x x x x     to the Service whose endpoints change
endpoints   | | | | | | | |                          a beat apart, whatever the gateway makes of them
              |   |   |   |   |   |                  then one by one, each until every worker acts on it
"""

from __future__ import annotations

import asyncio
from typing import Any

from stickyconf.checks.churn import CHANGES, CHURNED, CHURNING
from stickyconf.model import Happening
from stickyconf.scenarios.residents import residing
from stickyconf.scenarios.settling import Asked
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.steady import send_steadily
from stickyconf.scenarios.workload import ECHO_PORT, Topology, upstream_name
from stickyconf.wait import Beat, WaitFailed

BEAT = 0.4  # seconds between two changes: 150 a minute, so that a busy machine makes 100
AWAITED = 11  # changes that are waited for: a gateway that loses one in ten loses one of them


def churn_endpoints() -> Scenario:
    """Give a Service without a selector one of the echo pods after the other, as its only endpoint."""

    async def play(stage: Stage) -> None:
        pods = sorted(stage.pods)
        host = stage.host_name(CHURNED)
        _, service, _ = stage.manifests.echo(stage.namespace, Topology(), 0, 0)
        service["metadata"]["name"] = CHURNED
        del service["spec"]["selector"]
        route = stage.manifests.route(stage.namespace, host)
        route["metadata"]["name"] = CHURNED
        route["spec"]["rules"][0]["backendRefs"][0]["name"] = CHURNED
        for manifest in (service, route):
            await stage.target.cluster.apply(manifest)
        await _point(stage, pods[0])
        if not await _arrived(stage, pods[0], host):
            return
        stopped = asyncio.Event()
        async with (
            residing(stage) as residents,
            stage.client(CHURNING, fresh=True, keeps=False, host=host) as client,
            asyncio.TaskGroup() as traffic,
        ):
            await residents.visited(times=1)
            traffic.create_task(send_steadily(stage.recorder, BEAT, stopped, lambda: client.get("/")))
            await _churn(stage, pods)
            for number in range(AWAITED):
                pod = pods[(number + 1) % len(pods)]
                await _point(stage, pod)
                if not await _arrived(stage, pod, host):
                    break
            await residents.visited(times=1)
            stopped.set()

    return play


async def _churn(stage: Stage, pods: list[str]) -> None:
    """Make CHANGES changes on the beat, however long the API server takes for each."""
    beat = Beat(BEAT, stage.recorder.late)
    async with asyncio.TaskGroup() as changes:
        for number in range(CHANGES):
            changes.create_task(_point(stage, pods[number % len(pods)]))
            await beat.tick()


async def _point(stage: Stage, pod: str) -> None:
    """Make a pod the only endpoint."""
    await stage.target.cluster.apply(_slice(stage, pod))
    stage.recorder.event(Happening.CHANGED, f"EndpointSlice/{CHURNED}", how="edited", pod=pod)


async def _arrived(stage: Stage, pod: str, host: str) -> bool:
    """Wait until every gateway replica shows a pod as the only target, and every worker leads there."""
    name = upstream_name(stage.namespace, CHURNED)

    async def shown() -> list[list[str]]:
        return [sorted(await stage.target.gateway.targets(replica, name)) for replica in stage.gateways]

    wanted = [stage.pods[pod]]
    try:
        await stage.waiter.until(f"{pod} in {name}", "programmed", shown, lambda seen: all(x == wanted for x in seen))
    except WaitFailed as failure:
        stage.recorder.event(Happening.UNCONVERGED, name, budget=failure.budget, last=failure.last)
        return False
    if await stage.settled(Asked(f"lead to {pod}", name, lambda exchange: exchange.pod == pod), host):
        stage.recorder.event(Happening.CONVERGED, name, sticky="true", pod=pod)
        return True
    return False


def _slice(stage: Stage, pod: str) -> dict[str, Any]:
    address, _, _ = stage.pods[pod].rpartition(":")
    address = address.strip("[]")
    _, service, _ = stage.manifests.echo(stage.namespace, Topology(), 0, 0)
    [port] = service["spec"]["ports"]
    named = {"name": port["name"]} if "name" in port else {"name": ""}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": CHURNED,
            "namespace": stage.namespace,
            "labels": {"kubernetes.io/service-name": CHURNED},
        },
        "addressType": "IPv6" if ":" in address else "IPv4",
        "endpoints": [
            {
                "addresses": [address],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {"kind": "Pod", "name": pod, "namespace": stage.namespace},
            }
        ],
        "ports": [{**named, "port": ECHO_PORT, "protocol": "TCP"}],
    }
