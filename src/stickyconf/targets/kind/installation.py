"""The kind target: everything checked first, then a cluster, KIC and Kong in it, and where they are."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pytest_kind import KindCluster

from stickyconf.ports import Cluster, HarnessError, Kind, Part, Rejected, Workload
from stickyconf.targets.installation import KONG_TEMPO, BadOption, Installation, NoTarget, Release
from stickyconf.targets.kind import kongmanifest
from stickyconf.targets.kind.cluster import load_archives, proxy_url, remove_left_over
from stickyconf.targets.kind.install import Sources, install
from stickyconf.targets.kind.licence import Licence, demand, hide, read_licence
from stickyconf.targets.kind.preflight import Tools, preflight
from stickyconf.targets.kind.published import sources
from stickyconf.targets.kind.record import HOME
from stickyconf.targets.kind.settings import KindSettings
from stickyconf.targets.kind.settings import settings as settings_of
from stickyconf.targets.kubernetes import KubernetesCluster
from stickyconf.wait import Waiter, WaitFailed

NODE = Kind("v1", "Node")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a kind target needs, all of it checked before anything starts."""

    settings: KindSettings
    licence: Licence | None
    tools: Tools
    wanted: Sources


def prepare(settings: KindSettings, root: Path) -> Prepared:
    """Check and fetch what is needed; ``root`` is the project's directory. NoTarget, in one line, if one is missing."""
    licence = _licence(settings)
    tools = preflight(settings)
    return Prepared(settings, licence, tools, sources(settings, root / "manifests"))


def install_on(cluster: KindCluster, prepared: Prepared, root: Path, waiter: Waiter) -> Installation:
    """Install KIC and Kong Gateway in a kind cluster, and return where they are; NoTarget if they do not work."""
    settings, tools = prepared.settings, prepared.tools
    kubeconfig, directory = Path(cluster.kubeconfig_path), root / HOME / cluster.name
    asyncio.run(load_archives(settings.archives, tools, cluster, waiter))
    context = f"kind-{cluster.name}"
    versions = asyncio.run(_installed(kubeconfig, context, directory, prepared, waiter))
    return Installation(
        target="kind",
        kubeconfig=kubeconfig,
        context=context,
        tempo=KONG_TEMPO,
        namespace=kongmanifest.NAMESPACE,
        controller=kongmanifest.CONTROLLER,
        gateway=kongmanifest.GATEWAY,
        proxy_service=kongmanifest.PROXY,
        admin_service=kongmanifest.ADMIN,
        proxy_url=proxy_url(tools, cluster),
        versions=versions
        | {"Gateway API": settings.gateway_api_version, "kind": tools.kind_version}
        | ({"Konnect control plane": settings.setup.konnect.control_plane} if settings.setup.konnect else {})
        | dict(prepared.wanted.notes),
        kept=_kept(cluster.name, kubeconfig),
        workload=Workload(image=settings.echo_image),
        releases=_releases(settings),
    )


def _releases(settings: KindSettings) -> dict[Part, Release]:
    """Return the next releases that were given."""
    given: dict[Part, str] = {"controller": settings.upgrade_kic, "gateway": settings.upgrade_kong}
    return {part: Release(image) for part, image in given.items() if image}


def clean(option: Namespace, root: Path) -> list[str]:
    """Remove the clusters that run ``option.cleanup`` left and return a line for each; NoTarget if there is none."""
    removed = remove_left_over(option.cleanup, preflight(settings_of(option)), root)
    if not removed:
        raise NoTarget(f"--cleanup {option.cleanup}: that run has left no kind cluster here, or still uses it")
    return [f"kind cluster {name} removed" for name in removed]


def _licence(settings: KindSettings) -> Licence | None:
    try:
        licence = read_licence(settings.licence_file, datetime.now(UTC).date())
    except BadOption as error:
        raise NoTarget(str(error)) from None
    hide(licence)
    demand(settings.setup.kong_image, licence)
    return licence


async def _installed(
    kubeconfig: Path, context: str, directory: Path, prepared: Prepared, waiter: Waiter
) -> dict[str, str]:
    try:
        async with KubernetesCluster(kubeconfig, directory / "discovery.json", context) as cluster:
            await nodes_ready(cluster, waiter)
            return await install(cluster, waiter, prepared.wanted, prepared.settings.setup, prepared.licence)
    except (HarnessError, Rejected) as error:
        raise NoTarget(f"the kind cluster cannot be used: {error}") from error


async def nodes_ready(cluster: Cluster, waiter: Waiter) -> None:
    """Wait until every node is ready; NoTarget if one is not in time."""

    async def look() -> str:
        return ", ".join(
            f"node {node['metadata']['name']} is not ready: {condition.get('message')}"
            for node in await cluster.list(NODE)
            for condition in node.get("status", {}).get("conditions") or ()
            if condition["type"] == "Ready" and condition["status"] != "True"
        )

    try:
        await waiter.until("the nodes to be ready", "node", look, lambda missing: not missing, every=0.5)
    except WaitFailed as error:
        raise NoTarget(str(error)) from error


def _kept(name: str, kubeconfig: Path) -> str:
    return (
        f"cluster kept: export KUBECONFIG={kubeconfig} (judge it again: --target kind --cluster-name {name};"
        f" delete it: kind delete cluster --name {name})"
    )
