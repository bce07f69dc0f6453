"""Deletion: grace periods of pods, finalizers, propagation, namespaces."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.embedded.apiserver_process import ApiServer, running_apiserver

PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    with running_apiserver() as running:
        yield running


def running_pod(server: ApiServer, name: str, **spec: Any) -> str:
    """A pod on a node, Running; returns its path."""
    containers = [{"name": "main", "image": "echo"}]
    body = {"metadata": {"name": name}, "spec": {"nodeName": "here", "containers": containers, **spec}}
    server.request("POST", PODS, body)
    server.patch(f"{PODS}/{name}/status", {"status": {"phase": "Running"}})
    return f"{PODS}/{name}"


def test_pod_on_a_node_waits_for_its_node(server: ApiServer) -> None:
    """The API server only marks it; it goes when the node agent, done with it, deletes it with no grace."""
    path = running_pod(server, "waits", terminationGracePeriodSeconds=45)
    marked = server.request("DELETE", path)["metadata"]
    assert marked["deletionGracePeriodSeconds"] == 45
    assert marked["generation"] == 2
    end = datetime.fromisoformat(marked["deletionTimestamp"])
    assert abs(end - datetime.now(UTC) - timedelta(seconds=45)) < timedelta(seconds=5)
    assert server.request("GET", path)["status"]["phase"] == "Running"
    server.request("DELETE", f"{path}?gracePeriodSeconds=0")
    server.request("GET", path, code=404)


def test_grace_period_defaults_to_30_seconds_and_can_be_asked_for(server: ApiServer) -> None:
    assert server.request("DELETE", running_pod(server, "default"))["metadata"]["deletionGracePeriodSeconds"] == 30
    path = running_pod(server, "asked")
    marked = server.client.request("DELETE", path, json={"kind": "DeleteOptions", "gracePeriodSeconds": 7}).json()
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 7


def test_second_deletion_can_only_shorten(server: ApiServer) -> None:
    path = running_pod(server, "shorter")
    first = server.request("DELETE", f"{path}?gracePeriodSeconds=20")
    assert server.request("DELETE", f"{path}?gracePeriodSeconds=50") == first
    third = server.request("DELETE", f"{path}?gracePeriodSeconds=5")["metadata"]
    assert third["deletionGracePeriodSeconds"] == 5
    assert third["deletionTimestamp"] < first["metadata"]["deletionTimestamp"]


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
def test_pod_that_no_node_works_on_goes_at_once(server: ApiServer, phase: str) -> None:
    """Not scheduled, or finished."""
    name = phase.lower()
    if phase == "Pending":
        containers = [{"name": "main", "image": "echo"}]
        server.request("POST", PODS, {"metadata": {"name": name}, "spec": {"containers": containers}})
    else:
        server.patch(f"{running_pod(server, name)}/status", {"status": {"phase": phase}})
    server.request("DELETE", f"{PODS}/{name}")
    server.request("GET", f"{PODS}/{name}", code=404)


def test_deletion_marks_cannot_be_taken_back(server: ApiServer) -> None:
    path = running_pod(server, "marked")
    marked = server.request("DELETE", path)
    unmarked = {**marked, "metadata": {k: v for k, v in marked["metadata"].items() if not k.startswith("deletion")}}
    assert server.request("PUT", path, unmarked)["metadata"]["deletionTimestamp"]


def test_finalizer_keeps_an_object_until_it_is_removed(server: ApiServer) -> None:
    path = f"{CONFIG_MAPS}/finalized"
    server.request("POST", CONFIG_MAPS, {"metadata": {"name": "finalized", "finalizers": ["example.org/f"]}})
    marked = server.request("DELETE", path)
    assert marked["metadata"]["deletionTimestamp"]
    assert server.request("DELETE", path)["metadata"]["deletionTimestamp"] == marked["metadata"]["deletionTimestamp"]
    server.patch(path, {"data": {"still": "here"}})
    server.patch(path, [{"op": "remove", "path": "/metadata/finalizers"}], "json")
    server.request("GET", path, code=404)


@pytest.mark.parametrize(
    ("policy", "finalizers"), [("Foreground", ["foregroundDeletion"]), ("Orphan", ["orphan"]), ("Background", None)]
)
def test_propagation_is_left_to_the_garbage_collector(
    server: ApiServer, policy: str, finalizers: list[str] | None
) -> None:
    """Foreground and Orphan hold the object by a finalizer that the collector removes; Background lets it go."""
    path = f"{DEPLOYMENTS}/owner"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    server.request("POST", DEPLOYMENTS, {"metadata": {"name": "owner"}, "spec": spec})
    answer = server.client.request("DELETE", path, json={"propagationPolicy": policy})
    assert answer.status_code == (202 if policy == "Foreground" else 200)
    if finalizers is None:
        assert (answer.json()["kind"], answer.json()["status"]) == ("Status", "Success")
    else:
        assert answer.json()["metadata"]["finalizers"] == finalizers
        server.patch(path, {"metadata": {"finalizers": None}})
    server.request("GET", path, code=404)


def test_preconditions_protect_another_object_of_the_name(server: ApiServer) -> None:
    made = server.request("POST", CONFIG_MAPS, {"metadata": {"name": "precise"}})["metadata"]
    path = f"{CONFIG_MAPS}/precise"
    for wrong in ({"uid": "other"}, {"resourceVersion": "1"}):
        answer = server.client.request("DELETE", path, json={"preconditions": wrong})
        assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
    right = {"uid": made["uid"], "resourceVersion": made["resourceVersion"]}
    assert server.client.request("DELETE", path, json={"preconditions": right}).status_code == 200


def test_collection_is_deleted_by_selector(server: ApiServer) -> None:
    for name, label in (("c1", "x"), ("c2", "x"), ("c3", "y")):
        server.request("POST", CONFIG_MAPS, {"metadata": {"name": name, "labels": {"group": label}}})
    server.request("DELETE", f"{CONFIG_MAPS}?labelSelector=group%3Dx")
    left = server.request("GET", f"{CONFIG_MAPS}?labelSelector=group")["items"]
    assert [item["metadata"]["name"] for item in left] == ["c3"]


def test_namespace_waits_for_its_controller(server: ApiServer) -> None:
    """Terminating, closed to new objects, and gone once /finalize took the finalizer from its spec."""
    path = "/api/v1/namespaces/ending"
    server.request("POST", "/api/v1/namespaces", {"metadata": {"name": "ending"}})
    server.request("POST", f"{path}/configmaps", {"metadata": {"name": "inside"}})
    ending = server.request("DELETE", path)
    assert ending["status"]["phase"] == "Terminating"
    refused = server.request("POST", f"{path}/configmaps", {"metadata": {"name": "late"}}, code=403)
    assert refused["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    assert "because it is being terminated" in refused["message"]
    server.patch(path, {"spec": {"finalizers": None}})
    assert server.request("GET", path)["spec"]["finalizers"] == ["kubernetes"]  # only /finalize writes them
    server.request("DELETE", f"{path}/configmaps/inside")
    server.request("PUT", f"{path}/finalize", {**server.request("GET", path), "spec": {"finalizers": []}})
    server.request("GET", path, code=404)


def test_object_in_a_namespace_that_does_not_exist_is_refused(server: ApiServer) -> None:
    status = server.request("POST", "/api/v1/namespaces/none/configmaps", {"metadata": {"name": "a"}}, code=404)
    assert status["message"] == 'namespaces "none" not found'


def test_default_namespace_stays(server: ApiServer) -> None:
    assert server.request("DELETE", "/api/v1/namespaces/default", code=403)["reason"] == "Forbidden"


def test_deleted_definition_takes_its_objects_along(server: ApiServer) -> None:
    server.install_crds()
    grants = "/apis/gateway.networking.k8s.io/v1beta1/namespaces/default/referencegrants"
    spec = {"from": [{"group": "a", "kind": "A", "namespace": "n"}], "to": [{"group": "b", "kind": "B"}]}
    server.request("POST", grants, {"metadata": {"name": "g"}, "spec": spec})
    crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/referencegrants.gateway.networking.k8s.io"
    server.request("DELETE", crd)
    server.request("GET", grants, code=404)
