"""KIC and its stand-in are given the same objects; what each then writes is compared, entity by entity.

Needs STICKYCONF_KIC, the path of a KIC binary; with STICKYCONF_ASSETS, too, KIC runs against a real kube-apiserver.
"""

import difflib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fidelity import written
from tests.fidelity.clusters import ASSETS, KIC, NAMESPACE, Cluster, Object, running
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(not KIC, reason="STICKYCONF_KIC names no KIC binary to compare the stand-in with")

OBJECTS = Path(__file__).parent / "objects.yaml"
SETTLED = 3.0  # seconds without a change: six sync periods
UPSTREAMS = ("httproute.fidelity.one.0", "httproute.fidelity.twins.0", "sticky.fidelity.80.svc")


@dataclass
class Written:
    """What one controller has written: at rest, and while one pod of three ends."""

    configuration: Object
    statuses: Object
    events: Object
    ending: dict[str, Object] = field(default_factory=dict)


@pytest.fixture(scope="module")
def stand_in() -> Written:
    return observe()


@pytest.fixture(scope="module")
def real() -> Written:
    return observe("--controller-binary", str(KIC), *(("--control-plane-assets", ASSETS) if ASSETS else ()))


def observe(*options: str) -> Written:
    """Give the objects to a cluster started with *options*, end one pod, and write down what the controller did."""
    with running("--drain-support", "--sync-period", "0.5", *options) as cluster:
        create_all(cluster)
        eventually("the last route translated", lambda: written.weights(cluster, UPSTREAMS[1])["staying"])
        eventually("three pods behind it", lambda: len(written.weights(cluster, UPSTREAMS[0])["staying"]) == 3)
        configuration = settled(lambda: written.configuration(cluster))
        found = Written(configuration, settled(lambda: written.statuses(cluster)), written.events(cluster))
        name = end_one(cluster)
        eventually(f"pod {name} seen to end", lambda: written.weights(cluster, UPSTREAMS[0])["ending"])
        eventually("its successor", lambda: len(written.weights(cluster, UPSTREAMS[0])["staying"]) == 3)
        settled(lambda: [written.weights(cluster, upstream) for upstream in UPSTREAMS])
        found.ending = {upstream: written.weights(cluster, upstream) for upstream in UPSTREAMS}
        return found


def create_all(cluster: Cluster) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    for obj in (namespace, *yaml.safe_load_all(OBJECTS.read_text())):
        answer = cluster.create(obj)
        assert answer.status_code == 201, f"{obj['kind']} {obj['metadata']['name']}: {answer.text}"


def end_one(cluster: Cluster) -> str:
    """Delete a pod of the workload whose preStop hook holds it."""
    pods = sorted(p["metadata"]["name"] for p in cluster.pods().values() if p["metadata"]["labels"]["app"] == "blue")
    cluster.api.delete(f"/api/v1/namespaces/{NAMESPACE}/pods/{pods[0]}").raise_for_status()
    return str(pods[0])


def settled(look: Callable[[], Any]) -> Any:
    """What *look* gives when it has given the same for a while."""
    last, since = look(), time.monotonic()
    while time.monotonic() - since < SETTLED:
        time.sleep(0.2)
        if (now := look()) != last:
            last, since = now, time.monotonic()
    return last


def lasting(events: Object) -> Object:
    """*events* but for one of the moment: KIC's store gets a policy some time after the API server has it."""
    return {said: times for said, times in events.items() if "KongUpstreamPolicy fidelity/sticky not found" not in said}


def without_quarrel(found: Any) -> Any:
    """*found* without what concerns the one route whose Services disagree; see its own test."""
    if isinstance(found, dict):
        return {
            key: without_quarrel(value) for key, value in found.items() if "quarrel" not in key and "twin, " not in key
        }
    return found


def differences(ours: Any, theirs: Any) -> str:
    """A unified diff of both as YAML; empty where they are the same."""
    texts = [yaml.safe_dump(each, sort_keys=True, width=200).splitlines() for each in (ours, theirs)]
    return "\n".join(difflib.unified_diff(*texts, "stand-in", "real part", lineterm="", n=4))


def test_gateways_are_given_the_same_configuration(stand_in: Written, real: Written) -> None:
    """Names, hosts, tags, paths, policies, targets and weights."""
    found = differences(without_quarrel(stand_in.configuration), without_quarrel(real.configuration))
    assert not found, f"\n{found}"


def test_statuses_say_the_same(stand_in: Written, real: Written) -> None:
    """Conditions with reasons and messages, of routes, policies, Ingresses, the Gateway and its class."""
    found = differences(without_quarrel(stand_in.statuses), without_quarrel(real.statuses))
    assert not found, f"\n{found}"


def test_events_say_the_same(stand_in: Written, real: Written) -> None:
    """What the controller refuses to translate, it says at the same objects in the same words."""
    found = differences(without_quarrel(lasting(stand_in.events)), without_quarrel(lasting(real.events)))
    assert not found, f"\n{found}"


def test_an_ending_pod_has_the_same_weight(stand_in: Written, real: Written) -> None:
    """With drain support: 0, in every upstream that only one Service leads to."""
    found = differences(stand_in.ending, real.ending)
    assert not found, f"\n{found}"


def test_a_rule_whose_services_disagree_is_dropped_by_both(stand_in: Written, real: Written) -> None:
    """Neither serves a rule whose Services have different policies: no Kong service, an upstream without targets."""
    name = "httproute.fidelity.quarrel.0"
    for either in (stand_in, real):
        assert name not in either.configuration["services"]
        assert either.configuration["upstreams"][name]["targets"] == []
        parent = either.statuses["httproutes/quarrel"]["parents"][0]
        conditions = {condition["type"]: condition["reason"] for condition in parent["conditions"]}
        assert conditions["Programmed"] == "TranslationError"
