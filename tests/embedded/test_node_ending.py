"""The node agent ends pods as a kubelet does: hooks, signals, grace periods, and what is told of them."""

import time

from embedded_cluster.client import EndpointSlice, Pod, Service
from tests.embedded.conftest import endpoints, seen
from tests.embedded.containers import SERVER, SLEEP, directory, process_of, serving
from tests.processes import is_alive
from tests.waiting import eventually


def test_termination_sequence(space):
    """preStop, SIGTERM, exit, terminal phase, removal: the endpoint's conditions follow, as in Kubernetes.

    While the preStop hook runs, the probe goes on: the endpoint is not ready, but serving and terminating.
    """
    space.create(Service, "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]})
    space.pod(
        "web",
        ["python3", "-c", SERVER],
        metadata={"labels": {"app": "web"}},
        container=serving(
            lifecycle={"preStop": {"exec": {"command": ["sh", "-c", "until test -e go; do sleep 0.02; done"]}}}
        ),
        terminationGracePeriodSeconds=600,
    )
    space.until_ready("web")
    eventually("the endpoint", seen(space, {"web": "TTF"}))
    version = space.version()
    space.client.delete(Pod, "web", namespace=space.name)
    eventually("serving, terminating", seen(space, {"web": "FTT"}))
    assert space.condition("web", "Ready") == "True", "the pod's own condition follows the probe"
    (directory(space, "web") / "ready").unlink()
    eventually("not serving", seen(space, {"web": "FFT"}))
    (directory(space, "web") / "ready").touch()
    eventually("serving again", seen(space, {"web": "FTT"}))
    (directory(space, "web") / "go").touch()
    eventually("gone", lambda: space.get(Pod, "web") is None)
    pods = space.since(version, Pod, lambda event, _: event == "DELETED")
    phases = [pod["status"]["phase"] for _, pod in pods]
    ended = [pod["status"]["containerStatuses"][0]["state"].get("terminated") is not None for _, pod in pods]
    assert phases[-1] == "Succeeded"
    assert ("Running", True) in zip(phases, ended, strict=True), "exited, but in no terminal phase yet"
    eventually("no endpoint", seen(space, {}))
    slices = space.since(version, EndpointSlice, lambda _, obj: not endpoints(obj))
    conditions = [endpoints(obj).get("web") for _, obj in slices]
    assert conditions[:4] == ["FTT", "FFT", "FTT", *conditions[3:4]]
    assert conditions[-1] is None


def test_the_endpoint_goes_before_the_pod(space):
    """A pod in a terminal phase has no endpoint, though its object is still there."""
    space.create(Service, "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]})
    space.pod(
        "web",
        ["sh", "-c", "until test -e go; do sleep 0.02; done"],
        restartPolicy="Never",
        metadata={"labels": {"app": "web"}},
    )
    space.until_ready("web")
    eventually("its endpoint", lambda: [s for s in space.list(EndpointSlice) if endpoints(s)])
    (directory(space, "web") / "go").touch()
    eventually("no endpoint", lambda: [s for s in space.list(EndpointSlice) if not endpoints(s)])
    assert space.status("web")["phase"] == "Succeeded"


def test_sigterm_comes_after_prestop_and_sigkill_after_the_grace_period(space):
    """A process that ignores SIGTERM is killed when the grace period, which includes the preStop hook, is over."""
    script = """
import os, signal, time
signal.signal(signal.SIGTERM, lambda *_: print("term", flush=True))
print(os.getpid(), flush=True)
while True: time.sleep(1)
"""
    space.pod(
        "stubborn",
        ["python3", "-c", script],
        container={"lifecycle": {"preStop": {"sleep": {"seconds": 1}}}},
        terminationGracePeriodSeconds=3,
    )
    pid = process_of(space, "stubborn")
    space.until_ready("stubborn")
    said = space.client.log("stubborn", namespace=space.name, follow=True, newlines=False)
    assert next(said) == str(pid)
    began = time.monotonic()
    space.client.delete(Pod, "stubborn", namespace=space.name)
    assert list(said) == ["term"]
    eventually("gone", lambda: space.get(Pod, "stubborn") is None)
    assert time.monotonic() - began >= 3
    assert not is_alive(pid)


def test_a_shortened_grace_period_counts(space):
    """Deleting again with less grace ends a long preStop hook."""
    space.pod(
        "slow",
        SLEEP,
        container={"lifecycle": {"preStop": {"sleep": {"seconds": 600}}}},
        terminationGracePeriodSeconds=900,
    )
    space.until_ready("slow")
    space.client.delete(Pod, "slow", namespace=space.name)
    space.client.delete(Pod, "slow", namespace=space.name, grace_period=1)
    eventually("gone, long before its hook is over", lambda: space.get(Pod, "slow") is None)


def test_forced_deletion_removes_the_object_and_then_the_process(space):
    """Grace 0: the object goes at once; the process is ended all the same, with everything it started."""
    space.pod("forced", ["sh", "-c", "echo $$$$; sleep 600 & sleep 600"], terminationGracePeriodSeconds=30)
    pid = process_of(space, "forced")
    space.client.delete(Pod, "forced", namespace=space.name, grace_period=0)
    assert space.get(Pod, "forced") is None
    eventually("the process ended", lambda: not is_alive(pid))


def test_nothing_that_a_container_started_outlives_it(space):
    """When the main process ends, its process group does."""
    space.pod("parent", ["sh", "-c", "sleep 600 & echo $!; sleep 0.2"], restartPolicy="Never")
    child = process_of(space, "parent")
    eventually("Succeeded", lambda: space.status("parent")["phase"] == "Succeeded")
    assert not is_alive(child)
