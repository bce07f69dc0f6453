"""A kind cluster for one run: made through pytest-kind, shared by the run's workers, removed by its maker."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from pytest_kind import KindCluster

from stickyconf.shipped import project
from stickyconf.targets.installation import NoTarget
from stickyconf.targets.kind.faults import not_made
from stickyconf.targets.kind.kongmanifest import NODE_PORT
from stickyconf.targets.kind.preflight import Tools
from stickyconf.targets.kind.programs import finished, last_words, output_of
from stickyconf.targets.kind.record import HOME, Claim, Record, node_containers
from stickyconf.targets.kind.settings import KindSettings
from stickyconf.wait import Waiter

PREFIX = "stickyconf-"
NETWORK = "kind"


@contextlib.contextmanager
def kind_cluster(settings: KindSettings, tools: Tools, run: str, root: Path, waiter: Waiter) -> Iterator[KindCluster]:
    """Make a cluster, or use one that this suite made and kept, and yield it. Nodes may not be ready yet.

    Without a name of its own the cluster is called after the ``run``. It is deleted in the end unless it was there
    before, is to be kept, or another worker of the run uses it. Raises NoTarget if it cannot be made, or if its
    name belongs to a cluster that this suite did not make.
    """
    lifecycle = _Lifecycle(settings, tools, run, root, waiter)
    asyncio.run(lifecycle.begin())
    try:
        yield lifecycle.cluster
    finally:
        lifecycle.end()


def proxy_url(tools: Tools, cluster: KindCluster) -> str:
    """Return where the gateway's NodePort is on this machine; NoTarget if Docker does not publish it."""
    node = f"{cluster.name}-control-plane"
    said = _docker(tools, "port", node, f"{NODE_PORT}/tcp")
    address = said.splitlines()[0] if said else ""
    if not re.fullmatch(r"127\.0\.0\.1:\d+", address):
        raise NoTarget(
            f"Docker does not publish port {NODE_PORT} of {node} on 127.0.0.1: was it made with another config?"
        )
    return f"http://{address}"


def remove_left_over(run: str, tools: Tools, root: Path) -> list[str]:
    """Delete the clusters that a run left when it was killed, and return their names; those kept on purpose, too.

    A cluster is the run's if its name says so, or if the run's record names the very containers that are there.
    One that is in use at this moment stays.
    """
    removed = []
    recorded = [path.parent.name for path in (root / HOME).glob("*/record.json")]
    for name in dict.fromkeys([f"{PREFIX}{run}", *recorded]):
        claim = Claim(root, name)
        record, named = claim.record, name == f"{PREFIX}{run}"
        if not (named or (record and record.run == run)) or not claim.take_now():
            continue
        nodes = _nodes(tools, name)
        ours = named or (record is not None and dict(record.nodes) == nodes)
        if nodes and ours:
            _delete(tools, name, claim.directory / "kubeconfig", network=record is not None and record.network)
            removed.append(name)
        claim.release(remove=ours or not nodes)
    return removed


class _Lifecycle:
    """The cluster of one run, as one of its workers sees it."""

    cluster: KindCluster

    def __init__(self, settings: KindSettings, tools: Tools, run: str, root: Path, waiter: Waiter) -> None:
        self._settings, self._tools, self._root, self._waiter = settings, tools, root, waiter
        self._run = os.environ.get("PYTEST_XDIST_TESTRUNUID", run)[:12]  # workers are one run
        self._name = settings.name or f"{PREFIX}{self._run}"
        self._claim = Claim(root, self._name)
        self._kubeconfig = settings.kubeconfig or self._claim.directory / "kubeconfig"
        self._mine = self._shared = False  # made here; made by another worker of this run

    async def begin(self) -> None:
        """Make the cluster or join those who use it."""
        await self._claim.take(self._waiter)
        try:
            await self._make_or_find()
            self.cluster = self._attached()
            self._claim.share()
        except BaseException:
            # What was there before is never touched here: only what this call has begun to make.
            if self._mine and (record := self._claim.record):
                self._take_back(record)
            self._claim.release(remove=self._mine)
            raise

    async def _make_or_find(self) -> None:
        record, nodes = self._claim.record, _nodes(self._tools, self._name)
        if not nodes:
            await self._create()
        elif record and dict(record.nodes) == nodes and (record.kept or record.run == self._run):
            output_of(self._tools.kind, "export", "kubeconfig", "--name", self._name, "--kubeconfig", self._kubeconfig)
            self._shared = record.run == self._run
        else:
            raise NoTarget(self._taken(record, nodes))

    def end(self) -> None:
        """Delete the cluster if this run made it and no other worker of the run uses it."""
        record = self._claim.record
        ours = self._mine or self._shared
        if not self._claim.is_last() or not ours or self._settings.keep or record is None:
            self._claim.release(remove=False)
            return
        if _nodes(self._tools, self._name) == dict(record.nodes):
            self._take_back(record)
        self._claim.release(remove=True)

    async def _create(self) -> None:
        network = not _docker(self._tools, "network", "ls", "-q", "-f", f"name=^{NETWORK}$")
        record = Record(run=self._run, kept=self._settings.keep, network=network)
        self._claim.write(record)
        self._mine = True  # nothing of this name was here before, so what is from now on is ours to take back
        configuration = self._claim.directory / "kind.yaml"
        configuration.write_text(yaml.safe_dump(self._configuration()), encoding="utf-8")
        command: list[str | Path] = [
            *(sys.executable, "-m", "stickyconf.targets.kind.create"),
            *(self._root, self._name, self._kubeconfig, self._settings.node_image),
            *(self._tools.docker, self._tools.kind, self._tools.kubectl, configuration),
        ]
        status, output = await finished(self._waiter, f"kind to make {self._name}", command, self._root)
        if status:
            raise NoTarget(not_made(self._name, output))
        self._claim.write(replace(record, nodes=_nodes(self._tools, self._name)))

    def _configuration(self) -> dict[str, Any]:
        configuration: dict[str, Any] = yaml.safe_load(
            (project() / "manifests" / "kind.yaml").read_text(encoding="utf-8")
        )
        if self._settings.proxy_port:
            [mapping] = configuration["nodes"][0]["extraPortMappings"]
            mapping["hostPort"] = self._settings.proxy_port
        return configuration

    def _attached(self) -> KindCluster:
        """Return pytest-kind's object for the cluster that is there."""
        with contextlib.chdir(self._root):  # it makes a directory below the current one
            cluster = KindCluster(
                self._name, self._kubeconfig, self._settings.node_image or None, self._tools.kind, self._tools.kubectl
            )
        cluster.create()  # finds it, and opens the API
        return cluster

    def _take_back(self, record: Record) -> None:
        _delete(self._tools, self._name, self._kubeconfig, network=record.network)
        if self._settings.kubeconfig:
            self._settings.kubeconfig.unlink(missing_ok=True)  # there was none before

    def _taken(self, record: Record | None, nodes: dict[str, str]) -> str:
        if record and dict(record.nodes) == nodes:
            return (
                f"the kind cluster {self._name!r} was left by run {record.run}, which did not end in order or goes on:"
                f" wait for it, or remove it: kind delete cluster --name {self._name}"
            )
        return (
            f"there is a kind cluster {self._name!r} already, which this suite did not make and will not touch:"
            f" give another --cluster-name, or judge that one: --target kubeconfig --context kind-{self._name}"
        )


async def load_archives(archives: Sequence[Path], tools: Tools, cluster: KindCluster, waiter: Waiter) -> None:
    """Load image archives into the node; NoTarget for one that kind does not take."""
    for archive in archives:
        command = [tools.kind, "load", "image-archive", archive, "--name", cluster.name]
        status, output = await finished(waiter, f"kind to load {archive.name}", command, archive.parent)
        if status:
            raise NoTarget(f"--preload-images: kind cannot load {archive}: {last_words(output)}")


def _delete(tools: Tools, name: str, kubeconfig: Path, *, network: bool) -> None:
    """Delete a cluster, and the ``network`` that was made along with the first one if nothing else is on it."""
    output_of(tools.kind, "delete", "cluster", "--name", name, "--kubeconfig", kubeconfig)
    if network and not _docker(tools, "ps", "-aq", "--filter", f"network={NETWORK}"):
        # Docker refuses if another container has joined in between, and that is fine.
        subprocess.run([tools.docker, "network", "rm", NETWORK], capture_output=True, check=False)


def _nodes(tools: Tools, name: str) -> dict[str, str]:
    return node_containers(tools.docker, name)


def _docker(tools: Tools, *arguments: str) -> str:
    return output_of(tools.docker, *arguments)
