"""The pace of a real node: a pod's end takes longer, and is seen in another order."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import pytest

from embedded_cluster.client import EndpointSlice, Pod, Service
from embedded_cluster.node.pace import PACES, Pace, seconds
from tests.embedded.conftest import Cluster, Space, endpoints, eventually, running
from tests.embedded.containers import SERVER, directory, serving


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A bare cluster at the pace of a real node, in the place of the quick one."""
    with running("--bare", "--node-pace", "real") as slow:
        yield slow


def test_a_pod_ends_as_on_a_real_node(space: Space) -> None:
    """Never unready while it serves no probe has failed; Succeeded first, then no endpoint, then no object."""
    space.create(Service, "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]})
    # One probe may fail between SIGTERM and the end of the process; three do not.
    probed = serving(readinessProbe=serving()["readinessProbe"] | {"failureThreshold": 3})
    space.pod("web", ["python3", "-c", SERVER], metadata={"labels": {"app": "web"}}, container=probed)
    space.until_ready("web")
    eventually("the endpoint", lambda: [one for one in space.list(EndpointSlice) if endpoints(one)])
    version, began = space.version(), time.monotonic()
    space.client.delete(Pod, "web", namespace=space.name)
    eventually("gone", lambda: space.get(Pod, "web") is None, seconds=30)
    assert time.monotonic() - began > PACES["real"].notice[0] + PACES["real"].teardown[0] + PACES["real"].removal[0]
    pods = [pod for _, pod in space.since(version, Pod, lambda event, _: event == "DELETED")]
    ended = [pod for pod in pods if "terminated" in pod["status"]["containerStatuses"][0]["state"]]
    assert {pod["status"]["phase"] for pod in ended} == {"Succeeded"}, "the end of the container is told with the phase"
    slices = [one for _, one in space.since(version, EndpointSlice, lambda _, one: not endpoints(one))]
    assert {endpoints(one)["web"] for one in slices if endpoints(one)} == {"FTT"}, "serving until it is removed"


def test_a_probe_that_fails_while_it_ends_is_told(space: Space) -> None:
    """As a kubelet does: readiness is followed as long as the process lives."""
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "until test -e go; do sleep 0.02; done"]}}}
    space.pod("web", ["python3", "-c", SERVER], container=serving(lifecycle=hook), terminationGracePeriodSeconds=30)
    space.until_ready("web")
    space.client.delete(Pod, "web", namespace=space.name)
    (directory(space, "web") / "ready").unlink()
    eventually("not ready", lambda: space.condition("web", "Ready") == "False")
    assert space.status("web")["phase"] == "Running"
    (directory(space, "web") / "go").touch()


def test_force_takes_no_time(space: Space) -> None:
    space.pod("web", ["sleep", "600"])
    space.until_ready("web")
    space.client.delete(Pod, "web", namespace=space.name, grace_period=0)
    assert space.get(Pod, "web") is None


def test_the_figures() -> None:
    """On a real node SIGTERM to object gone took 1.4 to 5.8 s, 2.65 s in the median; a process of ours takes 0.3."""
    real = PACES["real"]
    ends = [0.3 + seconds(real.teardown) + seconds(real.removal) for _ in range(5000)]
    assert min(ends) >= 1.4
    assert max(ends) <= 5.8
    assert statistics.median(ends) == pytest.approx(2.65, abs=0.2)
    assert PACES["quick"] == Pace()
    assert seconds(PACES["quick"].removal) == 0
