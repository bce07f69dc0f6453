"""A documentation page followed as a reader would: its own commands, in a shell, in its own namespace."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from stickyconf.checks.documentation import DRAINED, STICKY
from stickyconf.model import Happening
from stickyconf.ports import DEPLOYMENT, HTTP_ROUTE, POD, SERVICE, UPSTREAM_POLICY, Kind, OutOfReach
from stickyconf.scenarios.ending import placed_elsewhere
from stickyconf.scenarios.recorder import Recorder
from stickyconf.scenarios.stage import Scenario, Stage, cookie_set
from stickyconf.scenarios.workload import POLICY, ROUTE, Topology, upstream_name
from stickyconf.scenarios.workload import SERVICE as ECHO
from stickyconf.wait import WaitFailed

PAGE_NAMESPACE, PATH = "kong", "/echo"  # the pages name them in their commands
TOOLS = ("bash", "kubectl", "curl", "grep", "sed")
_CONFIG_MAP = Kind("v1", "ConfigMap")


@dataclass(frozen=True, slots=True)
class Step:
    """One block of commands. ``verbatim`` tells the page's own from the suite's; ``until`` must hold before it."""

    id: str
    command: str
    verbatim: bool = True
    until: str = ""


def missing_tools() -> list[str]:
    """Return the programs a page needs that this machine does not have."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def follow_page(steps: tuple[Step, ...]) -> Scenario:
    """Run a page's steps in order, each in a shell of its own with PROXY_IP and KUBECONFIG set.

    OutOfReach if this machine lacks a program that the commands need.
    """

    async def play(stage: Stage) -> None:
        if missing := missing_tools():
            lacking = ", ".join(missing)
            raise OutOfReach(f"the page's commands need {lacking}, which this machine does not have")
        try:
            await _prepare(stage)
            with tempfile.TemporaryDirectory(prefix="stickyconf-page-") as directory:
                for step in steps:
                    if step.until:
                        await _hold_until(stage, step.until)
                    await _run(stage, step, directory)
        finally:
            await _clear(stage)

    return play


async def _prepare(stage: Stage) -> None:
    """Deploy what the pages expect to be there: one echo pod, its Service without a policy, and a route for /echo."""
    cluster, tempo = stage.target.cluster, stage.target.tempo
    workload = Topology(replicas=1, policy=None, hold=stage.topology.hold)
    for manifest in stage.manifests.echo(PAGE_NAMESPACE, workload, tempo.hold, tempo.grace):
        await cluster.apply(manifest)
    route = stage.manifests.route(PAGE_NAMESPACE, "any.invalid")
    del route["spec"]["hostnames"]
    route["metadata"]["annotations"] = {"konghq.com/strip-path": "true"}
    route["spec"]["rules"][0]["matches"][0]["path"]["value"] = PATH
    await cluster.apply(route)


async def _clear(stage: Stage) -> None:
    """Delete what the page made, and return when its pods are gone: the next page lists the pods of this namespace."""
    for kind, name in (
        (HTTP_ROUTE, ROUTE),
        (UPSTREAM_POLICY, POLICY),
        (DEPLOYMENT, ECHO),
        (SERVICE, ECHO),
        (_CONFIG_MAP, ECHO),
    ):
        await stage.target.cluster.delete(kind, name, PAGE_NAMESPACE)
    if stage.topology.hold:
        await stage.release_all(PAGE_NAMESPACE)

    async def pods() -> list[str]:
        return [pod["metadata"]["name"] for pod in await stage.target.cluster.list(POD, PAGE_NAMESPACE, "app=echo")]

    await stage.waiter.until("the page's pods to be gone", "cleanup", pods, lambda left: not left)


async def _hold_until(stage: Stage, condition: str) -> None:
    """Wait until every gateway replica shows a condition, and every worker acts on it, as a patient reader would.

    If that does not come, it is recorded, and the commands go on.
    """
    name = upstream_name(PAGE_NAMESPACE)
    conditions: dict[str, Callable[[Mapping[str, Any], Mapping[str, int]], bool]] = {
        STICKY: lambda upstream, targets: (
            upstream.get("sticky_sessions_cookie") == stage.policy.cookie and len(targets) == 3
        ),
        DRAINED: lambda upstream, targets: 0 in targets.values() or len(targets) < 3,
    }
    holds = conditions[condition]

    async def look() -> list[tuple[dict[str, Any], dict[str, int]]]:
        gateway = stage.target.gateway
        return [
            (await gateway.upstream(replica, name) or {}, await gateway.targets(replica, name))
            for replica in await gateway.replicas()
        ]

    try:
        await stage.waiter.until(
            f"{name}: {condition}", "programmed", look, lambda seen: bool(seen) and all(holds(*one) for one in seen)
        )
    except WaitFailed as failure:
        stage.recorder.event(Happening.UNCONVERGED, condition, budget=failure.budget, last=failure.last)
        return
    if late := await _late_worker(stage, condition):
        stage.recorder.event(Happening.UNCONVERGED, condition, budget="workers", last=late)
    else:
        stage.recorder.event(Happening.CONVERGED, condition)


async def _late_worker(stage: Stage, condition: str) -> str:
    """Return what the last one of the gateway's workers did if it does not act on a condition in time; "" if all do.

    These requests are not part of the record: nothing follows the logs of the pages' pods.
    """
    pods = await stage.target.cluster.list(POD, PAGE_NAMESPACE, "app=echo")
    ending = [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" in pod["metadata"]]
    due = {
        STICKY: [cookie_set(PAGE_NAMESPACE, stage.policy, sticky=True)],
        DRAINED: [placed_elsewhere(pod, len(pods)) for pod in ending],
    }
    asking = replace(stage, recorder=Recorder())
    await asking.count_workers(await stage.target.gateway.replicas())
    for asked in due[condition]:
        if not await asking.settled(asked, urlsplit(stage.target.traffic.address()).netloc, path=PATH):
            return asking.recorder.events(Happening.UNSETTLED)[-1].detail["last"]
    return ""


async def _run(stage: Stage, step: Step, directory: str) -> None:
    proxy = stage.target.traffic.address().removeprefix("http://")
    environment = os.environ | {"PROXY_IP": proxy, "KUBECONFIG": stage.target.kubeconfig}
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        step.command,
        cwd=directory,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    budget = stage.waiter.budgets["command"].total_seconds()
    began = stage.recorder.now()
    try:
        with stage.waiter.told(f"the page's step {step.id}"):
            stdout, stderr = await asyncio.wait_for(process.communicate(), budget)
        status = str(process.returncode)
    except TimeoutError:
        stdout, stderr, status = b"", f"not ended after {budget:g} s".encode(), "timeout"
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    stage.recorder.event(
        Happening.RAN,
        step.id,
        when=began,
        command=step.command,
        verbatim=str(step.verbatim).lower(),
        exit=status,
        stdout=stdout.decode(errors="replace"),
        stderr=stderr.decode(errors="replace"),
    )
