"""What EndpointSlices say of a pod while it ends: kube-controller-manager's and the stand-in's, step by step.

Needs STICKYCONF_ASSETS, a directory with etcd, kube-apiserver and kube-controller-manager.
"""

import json
from pathlib import Path

import httpx
import pytest

from tests.fidelity.clusters import ASSETS, NAMESPACE, Cluster, running
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(
    not (ASSETS and (Path(ASSETS) / "kube-controller-manager").exists()),
    reason="STICKYCONF_ASSETS names no directory with kube-controller-manager",
)

State = tuple[str, bool | None, bool | None, bool | None]
"""Service, ready, serving, terminating; None is "not said"."""

SERVES = ["python3", "-m", "http.server", "8080", "--bind", "$(POD_IP)"]
STUBBORN = [
    "python3",
    "-c",
    "import signal, time; signal.signal(15, lambda *_: None); time.sleep(4); time.sleep(60)",
]


def watched(*options: str) -> dict[str, list[State]]:
    """By pod, each different state that a Service's slices gave its endpoint, in order, until it was gone."""
    with running("--bare", *options) as cluster:
        _create(cluster)
        with cluster.api.stream("GET", _slices() + "?watch=true", timeout=httpx.Timeout(30, read=60)) as stream:
            for name in ("held", "quick", "stubborn"):
                cluster.api.delete(f"/api/v1/namespaces/{NAMESPACE}/pods/{name}").raise_for_status()
            return _follow(stream)


def _follow(stream: httpx.Response) -> dict[str, list[State]]:
    seen: dict[str, list[State]] = {}
    listed: dict[str, set[str]] = {}
    for line in stream.iter_lines():
        slice_ = json.loads(line)["object"]
        service = slice_["metadata"]["labels"]["kubernetes.io/service-name"]
        endpoints = {each["targetRef"]["name"]: each["conditions"] for each in slice_.get("endpoints") or ()}
        for pod, conditions in endpoints.items():
            state = (service, *(conditions.get(key) for key in ("ready", "serving", "terminating")))
            history = seen.setdefault(f"{pod} in {service}", [])
            if history[-1:] != [state]:
                history.append(state)  # type: ignore[arg-type]
        listed[service] = set(endpoints)
        if len(listed) == 2 and not any(listed.values()):
            break
    return seen


def _create(cluster: Cluster) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    assert cluster.create(namespace).status_code == 201
    for name, more in {"usual": {}, "eager": {"publishNotReadyAddresses": True}}.items():
        spec = {"selector": {"app": "x"}, "ports": [{"port": 80, "targetPort": 8080}], **more}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
        assert cluster.create(service).status_code == 201
    hook = {"lifecycle": {"preStop": {"exec": {"command": ["sleep", "4"]}}}}
    for name, command, more in (("held", SERVES, hook), ("quick", SERVES, {}), ("stubborn", STUBBORN, {})):
        container = {
            "name": "c",
            "image": "i",
            "command": command,
            "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
            **more,
        }
        if name != "stubborn":
            container["readinessProbe"] = {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 1}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": "x"}},
            "spec": {"terminationGracePeriodSeconds": 6, "containers": [container]},
        }
        answer = cluster.create(pod)
        assert answer.status_code == 201, answer.text
    eventually("three ready endpoints twice", lambda: _ready(cluster) == 6)


def _slices() -> str:
    return f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"


def _ready(cluster: Cluster) -> int:
    slices = cluster.get(_slices())["items"]
    return sum(bool(e["conditions"].get("ready")) for each in slices for e in each.get("endpoints") or ())


def test_an_ending_pod_goes_through_the_same_states() -> None:
    """A pod that preStop holds, one that ends at once, and one that only SIGKILL ends; published unready, and not."""
    assert watched() == watched("--control-plane-assets", str(ASSETS))
