"""With a real Docker Engine and a real kind: what happens up to the first image, and to what belongs to others."""

import shutil
import subprocess
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from stickyconf.targets.installation import NoTarget
from stickyconf.targets.kind.cluster import kind_cluster, remove_left_over
from stickyconf.targets.kind.preflight import Tools, preflight
from stickyconf.targets.kind.settings import settings
from stickyconf.wait import Budgets, Waiter

WAITER = Waiter(Budgets.of({"node": 120}))
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tools() -> Tools:
    """The real ones."""
    try:
        return preflight(settings(Namespace()))
    except NoTarget as error:
        pytest.skip(str(error))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project's directory."""
    (tmp_path / "manifests").mkdir()
    shutil.copy(ROOT / "manifests" / "kind.yaml", tmp_path / "manifests")
    return tmp_path


def docker(tools: Tools, *arguments: str, stdin: bytes = b"") -> str:
    done = subprocess.run([tools.docker, *arguments], input=stdin, capture_output=True, check=True)
    return done.stdout.decode().strip()


def world(tools: Tools) -> tuple[str, ...]:
    """All containers, networks and volumes."""
    lists = (["ps", "-aq", "--no-trunc"], ["network", "ls", "-q", "--no-trunc"], ["volume", "ls", "-q"])
    return tuple(docker(tools, *arguments) for arguments in lists)


@pytest.fixture
def decoy(tools: Tools) -> Iterator[str]:
    """A node of somebody else's cluster, as far as kind and Docker know: a container that was never started."""
    image = docker(tools, "import", "-", "stickyconf-decoy:empty", stdin=bytes(10240))  # an empty archive
    labels = ("io.x-k8s.kind.cluster=stickyconf-decoy", "io.x-k8s.kind.role=control-plane")
    name = "stickyconf-decoy-control-plane"
    made = docker(tools, "create", "--name", name, *(f"--label={label}" for label in labels), image, "/none")
    yield made
    docker(tools, "rm", made)
    docker(tools, "rmi", image)


def test_image_that_cannot_be_pulled(tools, root, decoy):
    """Its name and what to do are said; no container, network, volume or file is left, and no other is gone."""
    before = world(tools)
    image = "127.0.0.1:1/kindest/node:v0"  # a registry that nobody runs
    with pytest.raises(NoTarget) as caught:
        kind_cluster(settings(Namespace(kind_image=image)), tools, "pull", root, WAITER).__enter__()
    said = str(caught.value)
    assert said.startswith(
        f"image {image} cannot be pulled: the registry cannot be reached; check the network, or bring"
    )
    assert "docker load -i FILE here" in said
    assert world(tools) == before
    assert sorted(path.name for path in root.iterdir()) == ["manifests"]


def test_node_that_does_not_start(tools, root, decoy):
    """The container and the network that were made are gone again, and Docker's own words are in the line."""
    before = world(tools)
    image = docker(tools, "import", "-c", 'ENTRYPOINT ["/none"]', "-", "stickyconf-node:none", stdin=bytes(10240))
    begun = kind_cluster(settings(Namespace(kind_image="stickyconf-node:none")), tools, "start", root, WAITER)
    try:
        with pytest.raises(NoTarget) as caught:
            begun.__enter__()
    finally:
        docker(tools, "rmi", image)
    assert str(caught.value).startswith("kind could not make the cluster stickyconf-start: ")
    assert "Error response from daemon" in str(caught.value)
    assert world(tools) == before
    assert sorted(path.name for path in root.iterdir()) == ["manifests"]


def test_cluster_of_somebody_else(tools, root, decoy):
    """It is neither used nor removed, by the name that was asked for or by --cleanup."""
    before = world(tools)
    with pytest.raises(NoTarget, match="which this suite did not make"):
        kind_cluster(settings(Namespace(cluster_name="stickyconf-decoy")), tools, "r", root, WAITER).__enter__()
    assert remove_left_over("other", tools, root) == []
    assert world(tools) == before
    assert decoy in before[0]
