"""Removes what a killed run left on a foreign cluster: by the run's label, and by nothing else."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stickyconf.ports import DEPLOYMENT, NAMESPACE, POD, RUN_LABEL, Cluster, HarnessError, Rejected
from stickyconf.targets.contexts import kubeconfig_files, only_context, written
from stickyconf.targets.installation import KONG_TEMPO, BadOption, Installation, NoTarget
from stickyconf.targets.kong import DRAIN_BEFORE, IngressController
from stickyconf.targets.kubeconfig.discovery import GATEWAY_CLASS, looked_up
from stickyconf.targets.kubernetes import KubernetesCluster
from stickyconf.wait import Waiter, WaitFailed

ECHO_PORT = 1027


async def clean(option: Namespace, waiter: Waiter) -> list[str]:
    """Remove what the run ``option.cleanup`` left on the cluster of ``option.context``; return one line for each thing.

    Namespaces and GatewayClasses with the run's label go, and a KIC that the run had switched is switched back. Raises
    NoTarget, in one line, for a run that left nothing (with those that did), and for what cannot be removed.
    """
    try:
        files = kubeconfig_files(option.kubeconfig)
        with written(only_context(files, option.context)) as file, tempfile.TemporaryDirectory() as cache:
            async with KubernetesCluster(file, Path(cache) / "discovery.json", option.context) as cluster:
                return await _clean(cluster, waiter, option.cleanup, option.kong_namespace, file)
    except (BadOption, HarnessError, Rejected, WaitFailed) as error:
        raise NoTarget(f"--cleanup {option.cleanup}: {error}") from error


async def _clean(cluster: KubernetesCluster, waiter: Waiter, run: str, kong: str, kubeconfig: Path) -> list[str]:
    namespaces = await looked_up(cluster, NAMESPACE)
    classes = await _gateway_classes(cluster)
    marked = {
        one["metadata"]["name"]: mark.partition(" ")[0]
        for one in await looked_up(cluster, DEPLOYMENT, kong)
        if (mark := (one["metadata"].get("annotations") or {}).get(DRAIN_BEFORE))
    }
    runs = {*_runs([*namespaces, *classes]), *marked.values()}
    if run not in runs:
        listed = ", ".join(sorted(runs)) or "none"
        raise NoTarget(f"no run {run!r} has left anything on this cluster; runs that have: {listed}")
    done = []
    for name in sorted(name for name, owner in marked.items() if owner == run):
        installed = Installation(
            target="kubeconfig", kubeconfig=kubeconfig, tempo=KONG_TEMPO, namespace=kong, controller=name, foreign=True
        )
        await IngressController(cluster, waiter, installed, run).restore_drain_support()
        done.append(f"drain support of Deployment {kong}/{name} put back")
    own = [one["metadata"]["name"] for one in namespaces if _run(one) == run]
    for name in own:
        await _release(cluster, name)
        await cluster.delete(NAMESPACE, name)
        done.append(f"namespace {name} removed")
    for one in classes:
        if _run(one) == run:
            await cluster.delete(GATEWAY_CLASS, one["metadata"]["name"])
            done.append(f"GatewayClass {one['metadata']['name']} removed")

    async def left() -> list[str]:
        return sorted(
            one["metadata"]["name"] for one in await cluster.list(NAMESPACE) if one["metadata"]["name"] in own
        )

    await waiter.until("the run's namespaces to be gone", "cleanup", left, lambda names: not names, every=0.5)
    return done


async def _gateway_classes(cluster: Cluster) -> list[dict[str, Any]]:
    try:
        return await cluster.list(GATEWAY_CLASS)
    except HarnessError:  # a cluster without Gateway API has none
        return []


async def _release(cluster: Cluster, namespace: str) -> None:
    """Let the echo pods of a namespace end at once instead of holding on, if they still answer."""
    for pod in await cluster.list(POD, namespace, "app=echo"):
        try:
            await cluster.post_to_pod(pod["metadata"]["name"], namespace, ECHO_PORT, "/-/release")
        except HarnessError:  # then it holds as long as it would
            continue


def _runs(objects: Iterable[dict[str, Any]]) -> Iterable[str]:
    return filter(None, map(_run, objects))


def _run(item: dict[str, Any]) -> str:
    return str((item["metadata"].get("labels") or {}).get(RUN_LABEL, ""))
