"""Echo pods that do not come up: what they say of themselves is told, and nothing is waited for in vain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lightkube import Client, KubeConfig
from lightkube.types import PatchType

from embedded_cluster.client import Pod
from stickyconf.ports import NAMESPACE, WorkloadBroken
from stickyconf.scenarios import Manifests, pods
from stickyconf.scenarios.pods import ready_pods, words_of
from stickyconf.scenarios.trial import try_workload
from stickyconf.targets.embedded.installation import embedded_cluster
from stickyconf.targets.installation import Installation
from stickyconf.targets.kubernetes import KubernetesCluster
from stickyconf.wait import Budgets, Waiter, WaitFailed

MANIFESTS = Manifests(Path(__file__).parents[1] / "manifests")
PULLING = {
    "state": {
        "waiting": {
            "reason": "ImagePullBackOff",
            "message": 'Back-off pulling image "no.test/python:9": ErrImagePull: rpc error: not found',
        }
    },
    "lastState": {},
    "restartCount": 0,
}


@pytest.fixture(scope="module")
def installed() -> Iterator[Installation]:
    with embedded_cluster(["--bare"]) as started:
        yield started


@dataclass(frozen=True)
class Broken(Manifests):
    """The workload with another command."""

    command: tuple[str, ...] = ()

    def echo(self, *arguments: Any) -> list[dict[str, Any]]:
        documents = super().echo(*arguments)
        documents[-1]["spec"]["template"]["spec"]["containers"][0]["command"] = list(self.command)
        return documents


def on(installed: Installation, tmp_path: Path, work: Callable[[KubernetesCluster], Awaitable[Any]]) -> Any:
    """Do this work with a client of its own."""

    async def connected() -> Any:
        async with KubernetesCluster(installed.kubeconfig, tmp_path / "cache.json") as cluster:
            return await work(cluster)

    return asyncio.run(connected())


async def stuck(installed: Installation, cluster: KubernetesCluster, name: str, **status: Any) -> str:
    """Make a namespace with an echo pod on a node that is not there, and write its status as that node would."""
    container = {"name": "echo", "image": "no.test/python:9"}
    metadata = {"name": "echo-1", "namespace": name, "labels": {"app": "echo"}}
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    spec = {"nodeName": "elsewhere", "containers": [container]}
    await cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    client = Client(KubeConfig.from_file(installed.kubeconfig), trust_env=False)
    client.patch(Pod.Status, "echo-1", {"status": status}, namespace=name, patch_type=PatchType.MERGE)
    return name


def test_a_crash_is_told_with_exit_code_and_log_and_not_waited_out(installed: Installation, tmp_path: Path) -> None:
    """The budget is ten minutes, and the pod is known to be broken after two restarts."""
    command = (
        "python3",
        "-c",
        "print('reading ECHO_PORT', flush=True); raise SystemExit('invalid literal: tcp://10.96.1.1:1027')",
    )
    manifests = Broken(MANIFESTS.directory, command=command)
    began = time.monotonic()
    with pytest.raises(WorkloadBroken) as caught:
        on(installed, tmp_path, lambda c: try_workload(c, Waiter(Budgets.of({"rollout": 600})), manifests, "crashes"))
    said = str(caught.value)
    assert "it ended with exit code 1 (Error), restarted" in said
    assert "it said last: reading ECHO_PORT | invalid literal: tcp://10.96.1.1:1027" in said
    assert "\n" not in said
    assert time.monotonic() - began < 500


def test_a_workload_that_comes_up_leaves_nothing(installed: Installation, tmp_path: Path) -> None:
    async def tried(cluster: KubernetesCluster) -> dict[str, str]:
        found = await try_workload(cluster, Waiter(Budgets.of()), MANIFESTS, "fine")
        left = [one["metadata"] for one in await cluster.list(NAMESPACE)]
        assert all("deletionTimestamp" in metadata for metadata in left if metadata["name"].endswith("-fine"))
        return found

    assert on(installed, tmp_path, tried) == {"echo image": "python:3.13-slim"}


def test_an_image_that_cannot_be_pulled_is_told_in_the_words_of_the_node(
    installed: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at once: a registry may be busy."""
    monkeypatch.setattr(pods, "PATIENCE", 0.5)

    async def pulled(cluster: KubernetesCluster) -> None:
        namespace = await stuck(
            installed, cluster, "pulling", containerStatuses=[{**PULLING, "name": "echo"}], phase="Pending"
        )
        await ready_pods(cluster, Waiter(Budgets.of()), namespace, 1)

    with pytest.raises(WorkloadBroken, match=r"echo-1: ImagePullBackOff: Back-off pulling image .*: not found"):
        on(installed, tmp_path, pulled)


def test_a_wait_in_vain_is_told_in_the_words_of_the_pod(installed: Installation, tmp_path: Path) -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes: no memory",
    }

    async def waited(cluster: KubernetesCluster) -> None:
        namespace = await stuck(installed, cluster, "unscheduled", phase="Pending", conditions=[condition])
        await ready_pods(cluster, Waiter(Budgets.of({"rollout": 0.5})), namespace, 1)

    with pytest.raises(WaitFailed, match=r"budget rollout.*0 ready; pod echo-1: Unschedulable: 0/1 nodes: no memory"):
        on(installed, tmp_path, waited)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({}, "phase unknown"),
        ({"phase": "Pending", "containerStatuses": [PULLING]}, PULLING["state"]["waiting"]),
        (
            {
                "containerStatuses": [
                    {
                        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                        "restartCount": 4,
                    }
                ]
            },
            "CrashLoopBackOff: back-off 10s; it ended with exit code 137 (OOMKilled), restarted 4 times",
        ),
        (
            {
                "containerStatuses": [{"state": {"running": {}}, "restartCount": 0}],
                "conditions": [
                    {"type": "Ready", "status": "False", "message": "containers with unready status: [echo]"}
                ],
            },
            "containers with unready status: [echo]",
        ),
    ],
    ids=["nothing", "an image", "a crash", "a probe"],
)
def test_the_words_of_a_pod(status: dict[str, Any], words: Any) -> None:
    if isinstance(words, dict):
        words = f"{words['reason']}: {words['message']}"
    assert words_of({"metadata": {"name": "echo-1"}, "status": status}) == words
