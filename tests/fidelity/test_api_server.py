"""kube-apiserver and its stand-in are asked the same; their answers are compared.

Needs STICKYCONF_ASSETS, a directory with etcd and kube-apiserver.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fidelity.clusters import ASSETS, Cluster, Object, running
from tests.fidelity.probes import CORE, GATEWAY_API, JSON, POLICIES, TABLE, probes
from tests.fidelity.test_controller import differences
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(not ASSETS, reason="STICKYCONF_ASSETS names no directory with etcd and kube-apiserver")

CRDS = Path(__file__).parents[2] / "src/embedded_cluster/crds"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PROBES = dict(probes())

# What is a server's own, or a matter of the moment.
_OWN = {"uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink", "deletionTimestamp", "time"}
_AGE = re.compile(r"^\d+s$")  # of an object, in tables
_ADDRESS = re.compile(r"\b10\.96\.\d+\.\d+\b")

_NULL = '1.34 writes null where the stand-in, as 1.33, writes "null"'
_POD = "no admission: no tolerations, and a service account's name without the plugin ServiceAccount"
_TABLE = "descriptions of columns, and the types of the usual ones"
# Probe -> what differs, as docs/fidelity.md has it. One that has come to agree fails (xfail is strict here).
KNOWN = {
    "policy sticky-without-cookie": _NULL,
    "policy unknown-algorithm": _NULL,
    "policy wrong-type": _NULL,
    "policy no-such-health": _NULL,
    "route match type unknown": _NULL,
    "policy name not allowed": "a policy without spec also has every rule complain that there is none",
    "deployment without selector": "only the first of two causes",
    "service port out of range": "only the first of two causes",
    "scale below zero": "the kind in the refusal: Deployment, not Scale",
    "pod defaults": _POD,
    "pod probed": _POD,
    "pod held": _POD,
    "pod image changed": "the refusal without a diff of the pod",
    "ingress": "an empty status without loadBalancer",
    "ingress without rules": "admitted",
    "endpoint slice with address: pod": "no empty conditions",
    "endpoint slice with address: loopback": "admitted, as its pods have such addresses",
    "endpoint slice with address: name": "admitted",
    "json patch that fails": "says which test failed",
    "apply by another": "server-side apply reports no conflicts",
    "delete with wrong uid": "the words of the refusal",
    "object of another kind": "the words of the refusal",
    f"GET {CORE}/pods?labelSelector=a%20b%20c": "the words of the refusal",
    f"GET {CORE}/wishes": "a Status in JSON, not text",
    "GET /apis/nobody.test/v1": "a Status in JSON, not text",
    f"table {POLICIES}": _TABLE,
    f"table {GATEWAY_API}/httproutes": _TABLE,
    f"table {GATEWAY_API}/gateways": _TABLE,
    f"table {CORE}/services": _TABLE,
}


@pytest.fixture(scope="module")
def stand_in() -> dict[str, list[Any]]:
    return answers()


@pytest.fixture(scope="module")
def real() -> dict[str, list[Any]]:
    return answers("--control-plane-assets", str(ASSETS))


def answers(*options: str) -> dict[str, list[Any]]:
    """What a bare cluster started with *options* answers to each probe, in their order."""
    with running("--bare", *options) as cluster:
        for file in sorted(CRDS.glob("*.yaml")):
            for definition in filter(None, yaml.safe_load_all(file.read_text())):
                cluster.api.post(DEFINITIONS, json=definition).raise_for_status()
                name = definition["metadata"]["name"]
                _established(cluster, f"{DEFINITIONS}/{name}")
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "probe"}}
        cluster.api.post("/api/v1/namespaces", json=namespace).raise_for_status()
        return {name: [_answer(cluster, *step) for step in steps] for name, steps in PROBES.items()}


def _established(cluster: Cluster, path: str) -> None:
    def conditions() -> set[tuple[str, str]]:
        found = cluster.get(path).get("status", {}).get("conditions") or ()
        return {(each["type"], each["status"]) for each in found}

    eventually(f"{path} established", lambda: ("Established", "True") in conditions())


def _answer(cluster: Cluster, method: str, path: str, body: Object | None, media: str) -> Any:
    headers = {"Accept": TABLE} if media == TABLE else {}
    if body is not None:
        headers["Content-Type"] = JSON if media == TABLE else media
    answer = cluster.api.request(method, path, json=body, headers=headers)
    is_json = answer.headers["Content-Type"].startswith("application/json")
    return {"status": answer.status_code, "body": _timeless(answer.json() if is_json else answer.text)}


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in _OWN}
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    return _AGE.sub("AGE", _ADDRESS.sub("CLUSTER-IP", value)) if isinstance(value, str) else value


@pytest.mark.parametrize(
    "probe",
    [pytest.param(name, marks=pytest.mark.xfail(reason=KNOWN[name])) if name in KNOWN else name for name in PROBES],
)
def test_answers_are_the_same(probe: str, stand_in: dict[str, list[Any]], real: dict[str, list[Any]]) -> None:
    """Status code, stored object with its defaults, or the refusal word for word."""
    found = differences(stand_in[probe], real[probe])
    assert not found, f"\n{found}"
