"""Policies that the API server admits and the gateway may not take, beside a Service that goes on.

residents   --x--x--x--x--x--x--x--x--x--x--x--   of the Service, visiting steadily
policies      admitted | announced by events | ............ | taken away
the Service                                     scaled | seen by the gateway
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from stickyconf.checks.refusals import LACKING, announced_objects
from stickyconf.model import Happening
from stickyconf.ports import EVENT, HTTP_ROUTE, SERVICE, UPSTREAM_POLICY
from stickyconf.scenarios.ending import scale
from stickyconf.scenarios.policies import submit
from stickyconf.scenarios.residents import VISITS_AFTER, residing
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.statuses import look_at_the_policy
from stickyconf.scenarios.visits import visit
from stickyconf.scenarios.workload import upstream_name
from stickyconf.wait import WaitFailed

LOOK_SECONDS = 0.2


def attach_a_policy_without_settings(*, sessions: int, requests: int) -> Scenario:
    """Attach a policy that names the algorithm and has no stickySessions to a Service beside; visit it."""

    async def play(stage: Stage) -> None:
        await _attach(stage, LACKING, {"algorithm": "sticky-sessions"})
        await _until_told(stage, [LACKING], or_shown=upstream_name(stage.namespace, LACKING))
        await _look_at_the_upstream(stage, LACKING)
        await look_at_the_policy(stage, LACKING)
        await visit(LACKING, sessions=sessions, requests=requests, host=LACKING)(stage)
        await _take_away(stage, [LACKING])

    return play


def refuse_policies_under_traffic(specs: Mapping[str, Mapping[str, Any]]) -> Scenario:
    """Attach each policy to a Service of its own beside; once events tell of them, scale the case's own Service up."""

    async def play(stage: Stage) -> None:
        async with residing(stage) as residents:
            await residents.visited(times=1)
            await asyncio.gather(*(_attach(stage, name, spec) for name, spec in specs.items()))
            await _until_told(stage, list(specs))
            for name in specs:
                await _look_at_the_upstream(stage, name)
            await scale(stage, len(stage.pods) + 1)
            await stage.refresh_pods(len(stage.pods) + 1)
            arrived = await stage.converge(sticky=True)
            await residents.visited(times=VISITS_AFTER)
            await _take_away(stage, list(specs))
            if not arrived:  # whether it was the policies that kept it from arriving
                await stage.converge(sticky=True)

    return play


async def _attach(stage: Stage, name: str, spec: Mapping[str, Any]) -> None:
    """Submit a policy, and have a Service beside name it, with a route for a host name of its own."""
    await submit(stage, name, spec)
    for manifest in stage.manifests.beside(stage.namespace, name, stage.host_name(name), policy=name):
        await stage.target.cluster.apply(manifest)


async def _look_at_the_upstream(stage: Stage, name: str) -> None:
    """Record what every gateway replica shows of the upstream of a Service beside."""
    upstream = upstream_name(stage.namespace, name)
    for replica in stage.gateways:
        stage.record_upstream(replica, upstream, await stage.target.gateway.upstream(replica, upstream))


async def _take_away(stage: Stage, names: Sequence[str]) -> None:
    for name in names:
        stage.recorder.event(Happening.CHANGED, f"KongUpstreamPolicy/{name}", how="deleted")
        for kind in (HTTP_ROUTE, SERVICE, UPSTREAM_POLICY):
            await stage.target.cluster.delete(kind, name, stage.namespace)


async def _until_told(stage: Stage, names: Sequence[str], or_shown: str = "") -> None:
    """Record the Warning events about each policy or its Service, as they come; if they do not, the history shows it.

    ``or_shown`` is an upstream that is enough of an answer, too, once every gateway replica shows it.
    """
    known: set[str] = set()
    gateway = stage.target.gateway

    async def told() -> bool:
        for event in await stage.target.cluster.list(EVENT, stage.namespace):
            about, own = event.get("involvedObject") or {}, event["metadata"]["name"]
            if event.get("type") == "Warning" and own not in known and about.get("kind") != "Pod":
                known.add(own)
                subject = f"{about.get('kind')}/{about.get('name')}"
                said = {"type": "Warning", "reason": event.get("reason", ""), "message": event.get("message", "")}
                stage.recorder.event(Happening.CLUSTER_EVENT, subject, **said)
        events = stage.recorder.events(Happening.CLUSTER_EVENT)
        if all(announced_objects(events, name) for name in names):
            return True
        return bool(or_shown) and all([await gateway.upstream(replica, or_shown) for replica in stage.gateways])

    with contextlib.suppress(WaitFailed):
        what = f"an event about {', '.join(names)}"
        await stage.waiter.until(what, "programmed", told, bool, every=LOOK_SECONDS)
