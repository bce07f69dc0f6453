"""A pytest plugin: ``--target kind`` with the embedded cluster in the place of the kind cluster, and all else as it is.

Checks, licence, installation, waits, discovery and the suites are the target's own; only the cluster, its port
and the downloaded manifests are stand-ins.
"""

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stickyconf.ports import POD
from stickyconf.targets.kind import cluster as kind
from stickyconf.targets.kind import installation as kind_installation
from stickyconf.targets.kind.downloads import MIRROR
from stickyconf.targets.kind.install import Sources
from stickyconf.targets.kind.published import sources
from stickyconf.targets.kind.settings import KindSettings
from stickyconf.targets.kubernetes import KubernetesCluster
from tests.targets import stand_in
from tests.waiting import PATIENCE


@dataclass(frozen=True)
class Cluster:
    """What pytest-kind's object says of itself."""

    name: str
    kubeconfig_path: Path


@contextlib.contextmanager
def embedded_cluster(_settings: Any, _tools: Any, run: str, root: Path, _waiter: Any) -> Iterator[Cluster]:
    """Yield a bare embedded cluster whose kubeconfig reads as kind's does."""
    command = [sys.executable, "-m", "embedded_cluster", "up", "--bare", "--json", "--stdin-lifeline"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    try:
        config = yaml.safe_load(Path(json.loads(process.stdout.readline())["kubeconfig"]).read_text())
        config["current-context"] = config["contexts"][0]["name"] = f"kind-{run}"
        with tempfile.TemporaryDirectory() as directory:
            (root / ".pytest-kind" / run).mkdir(parents=True)
            kubeconfig = Path(directory) / "kubeconfig"
            kubeconfig.write_text(yaml.safe_dump(config))
            yield Cluster(run, kubeconfig)
    finally:
        process.stdin.close()
        process.wait(timeout=PATIENCE)
        process.stdout.close()
        shutil.rmtree(root / ".pytest-kind" / run, ignore_errors=True)
        with contextlib.suppress(OSError):  # another run's is there, too
            (root / ".pytest-kind").rmdir()


def pod_url(_tools: Any, cluster: Cluster) -> str:
    """The gateway's address: pods of the embedded cluster are reachable from here."""

    async def look() -> str:
        async with KubernetesCluster(cluster.kubeconfig_path, cluster.kubeconfig_path.with_name("cache")) as api:
            [pod] = await api.list(POD, "kong", "app=proxy-kong")
            return f"http://{pod['status']['podIP']}:8000"

    return asyncio.run(look())


def stand_ins(settings: KindSettings, manifests: Path) -> Sources:
    """The manifest whose containers the embedded cluster can run; with a mirror, what is published there."""
    if settings.store.mirror != MIRROR:
        return sources(settings, manifests)
    return stand_in.sources((manifests / "gateway.yaml").read_text())


kind.kind_cluster = embedded_cluster  # type: ignore[assignment]
kind_installation.proxy_url = pod_url  # type: ignore[assignment]
kind_installation.sources = stand_ins
