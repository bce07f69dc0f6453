"""The image of the echo pods and the Secret it is pulled with: what is refused, what is taken, what is hidden."""

from __future__ import annotations

import asyncio
import base64
import json
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stickyconf.ports import NAMESPACE, Workload
from stickyconf.reporting.redaction import redact
from stickyconf.targets import workload
from stickyconf.targets.embedded.installation import embedded_cluster
from stickyconf.targets.installation import BadOption, Installation, NoTarget
from stickyconf.targets.kubernetes import KubernetesCluster
from stickyconf.targets.workload import SECRET, workload_in

PASSWORD = "correct-horse"


def option(target: str = "kubeconfig", image: str | None = None, secret: str | None = None) -> Namespace:
    return Namespace(target=target, echo_image=image, echo_pull_secret=secret)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (option(image=""), "--echo-image '' is no image's name"),
        (option(image="python 3"), "--echo-image 'python 3' is no image's name"),
        (option(secret="registry"), "--echo-pull-secret registry is not NAMESPACE/NAME"),
        (option(secret="ci/"), "--echo-pull-secret ci/ is not NAMESPACE/NAME"),
        (option("kind", secret="ci/registry"), "a kind cluster gets images by --preload-images"),
        (option("embedded", secret="ci/registry"), "--echo-pull-secret is for --target kubeconfig"),
    ],
)
def test_what_cannot_be_is_one_line(given: Namespace, said: str) -> None:
    with pytest.raises(BadOption) as caught:
        workload.check(given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("target", ["embedded", "kind", "kubeconfig"])
def test_every_target_takes_an_image(target: str) -> None:
    workload.check(option(target, image="registry.test:5000/python@sha256:0123"))
    workload.check(option(target))


@pytest.fixture(scope="module")
def installed() -> Iterator[Installation]:
    with embedded_cluster(["--bare"]) as started:
        yield started


def found(installed: Installation, tmp_path: Path, given: Namespace, *secrets: dict[str, Any]) -> Workload:
    """Look the workload up in a cluster that has these Secrets in the namespace ci."""

    async def connected() -> Workload:
        async with KubernetesCluster(installed.kubeconfig, tmp_path / "cache.json") as cluster:
            if await cluster.get(NAMESPACE, "ci") is None:
                await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ci"}})
            for secret in secrets:
                meta = {"name": secret["name"], "namespace": "ci"}
                content = {"type": secret["type"], "data": secret["data"]}
                await cluster.delete(SECRET, secret["name"], "ci")
                await cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, **content})
            return await workload_in(cluster, given)

    return asyncio.run(connected())


def test_a_secret_is_read_and_hidden(installed: Installation, tmp_path: Path) -> None:
    """Its password and its whole content are hidden from then on, wherever they turn up."""
    config = json.dumps({"auths": {"registry.test": {"username": "robot", "password": PASSWORD}}})
    content = base64.b64encode(config.encode()).decode()
    secret = {"name": "registry", "type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": content}}
    read = found(installed, tmp_path, option(image="registry.test/python", secret="ci/registry"), secret)
    assert (read.image, read.labelled) == ("registry.test/python", False)
    assert read.secret == {"type": secret["type"], "data": secret["data"]}
    assert content not in repr(read)
    hidden = redact(f"it said {PASSWORD}, {content} and {config}")
    assert PASSWORD not in hidden
    assert content.rstrip("=") not in hidden


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent", "is not there"),
        ("other", "is of type Opaque; a node pulls with one of kubernetes.io/dockerconfigjson or"),
    ],
)
def test_a_secret_that_does_not_do_is_one_line(installed: Installation, tmp_path: Path, name: str, said: str) -> None:
    other = {"name": "other", "type": "Opaque", "data": {"a": "Yg=="}}
    with pytest.raises(NoTarget) as caught:
        found(installed, tmp_path, option(secret=f"ci/{name}"), other)
    assert f"the Secret ci/{name} (--echo-pull-secret) {said}" in redact(str(caught.value))


def test_without_one_nothing_is_read(installed: Installation, tmp_path: Path) -> None:
    assert found(installed, tmp_path, option()) == Workload(labelled=False)
