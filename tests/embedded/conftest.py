"""A bare cluster (API server, controllers, node) that the tests of one session share, and a namespace for each test."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from lightkube import ApiError, Client, KubeConfig

from embedded_cluster.client import EndpointSlice, Namespace, Object, Pod
from tests.waiting import PATIENCE, eventually

UP = [sys.executable, "-m", "embedded_cluster", "up"]


@dataclass
class Cluster:
    """A running ``up``, and a client for it."""

    process: subprocess.Popen[str]
    said: dict[str, Any]
    client: Client = field(repr=False)

    @property
    def kubeconfig(self) -> str:
        """Path of the kubeconfig."""
        return str(self.said["kubeconfig"])

    def kubectl(self, *arguments: str, stdin: str | None = None, seconds: float = PATIENCE) -> str:
        """What kubectl prints; it has to succeed."""
        done = subprocess.run(
            ["kubectl", *arguments],  # noqa: S607 - the one that people have
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            env=os.environ | {"KUBECONFIG": self.kubeconfig},
            check=False,
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout


def client_of(said: dict[str, Any]) -> Client:
    """A client for the cluster that said this of itself."""
    return Client(KubeConfig.from_file(said["kubeconfig"]), timeout=PATIENCE, trust_env=False)


@contextlib.contextmanager
def running(*options: str) -> Iterator[Cluster]:
    """A cluster started with these options; it is stopped in the end, or with the test run."""
    process = subprocess.Popen(
        [*UP, "--json", "--stdin-lifeline", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"the cluster did not come up: status {process.wait()}"
        said = json.loads(line)
        yield Cluster(process, said, client_of(said))
    finally:
        process.stdin.close()
        process.wait(timeout=PATIENCE)
        process.stdout.close()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One bare cluster for all tests."""
    with running("--bare") as cluster:
        yield cluster


@pytest.fixture
def space(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator["Space"]:
    """A namespace of the test's own; it is left to be deleted in the background."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    cluster.client.create(Namespace.from_dict({"metadata": {"name": name}}))
    yield Space(cluster, name)
    cluster.client.delete(Namespace, name)


@pytest.fixture
def kubectl(space: "Space") -> Callable[..., str]:
    """Runs kubectl in the test's namespace."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    return lambda *arguments, **options: space.cluster.kubectl("-n", space.name, *arguments, **options)


@dataclass
class Space:
    """A namespace of a cluster."""

    cluster: Cluster
    name: str

    @property
    def client(self) -> Client:
        """The cluster's."""
        return self.cluster.client

    def create(self, resource: Any, name: str, **content: Any) -> Object:
        """Create an object, with ``metadata`` merged from *content*."""
        metadata = {"name": name, "namespace": self.name, **content.pop("metadata", {})}
        created: Object = self.client.create(resource.from_dict({**content, "metadata": metadata}))
        return created

    def get(self, resource: Any, name: str) -> Object | None:
        """The object, or None."""
        try:
            found: Object = self.client.get(resource, name, namespace=self.name)
        except ApiError as error:
            if error.status.code != 404:
                raise
            return None
        return found

    def list(self, resource: Any, **labels: str) -> "list[Object]":
        """The objects of a kind with these labels."""
        return list(self.client.list(resource, namespace=self.name, labels=labels))

    def pod(self, name: str, command: "list[str]", *, metadata: Object | None = None, **spec: Any) -> Object:
        """Create a pod of one container, *main*; ``container`` in *spec* has more about that."""
        container = {"name": "main", "image": "test", "command": command, **spec.pop("container", {})}
        return self.create(
            Pod,
            name,
            metadata=metadata or {},
            spec={"terminationGracePeriodSeconds": 60, "containers": [container], **spec},
        )

    def status(self, name: str) -> Object:
        """The status of a pod."""
        pod = self.get(Pod, name)
        assert pod is not None, f"pod {name} is gone"
        return dict(pod["status"])

    def condition(self, name: str, kind: str) -> str | None:
        """The status of a pod's condition."""
        found = {each["type"]: each["status"] for each in self.status(name).get("conditions") or []}
        return found.get(kind)

    def until_ready(self, name: str) -> Object:
        """Wait until a pod is ready; its status."""
        eventually(f"pod {name} ready", lambda: self.condition(name, "Ready") == "True")
        return self.status(name)

    def log(self, name: str, **parameters: Any) -> "list[str]":
        """The lines of a pod's log; none while its container waits to start."""
        try:
            return list(self.client.log(name, namespace=self.name, newlines=False, **parameters))
        except ApiError as error:
            if error.status.code != 400:
                raise
            return []

    def version(self) -> str:
        """The present version of everything: where :meth:`since` may begin."""
        listed = self.client.list(Pod, namespace=self.name)
        list(listed)
        return str(listed.resourceVersion)

    def since(self, version: str, resource: Any, last: Callable[[str, Object], bool]) -> "list[tuple[str, Object]]":
        """All that has happened to the objects of a kind since *version*, up to the *last* that is asked for."""
        seen = []
        for event, obj in self.client.watch(resource, namespace=self.name, resource_version=version):
            seen.append((event, obj))
            if last(event, obj):
                break
        return seen


def seen(space: Space, conditions: dict[str, str]) -> Callable[[], bool]:
    """Is there a slice with exactly these endpoints?"""
    return lambda: any(endpoints(found) == conditions for found in space.list(EndpointSlice))


def endpoints(slice_: Object) -> "dict[str, str]":
    """Conditions of the endpoints by pod, as three letters: ready, serving, terminating."""
    return {
        each["targetRef"]["name"]: "".join(
            "FT"[each["conditions"][name]] for name in ("ready", "serving", "terminating")
        )
        for each in slice_.get("endpoints") or []
    }
