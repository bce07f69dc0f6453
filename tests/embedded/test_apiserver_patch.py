"""The four patch formats."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.embedded.apiserver_process import ApiServer, running_apiserver

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SERVICES = "/api/v1/namespaces/default/services"


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    with running_apiserver() as running:
        yield running


@pytest.fixture
def path(server: ApiServer) -> Iterator[str]:
    """A Deployment of two containers."""
    containers = [
        {"name": "main", "image": "echo:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
        {"name": "side", "image": "side:1"},
    ]
    body = {
        "metadata": {"name": "patched", "labels": {"a": "b"}, "finalizers": ["example.org/one"]},
        "spec": {
            "selector": {"matchLabels": {"app": "patched"}},
            "template": {"metadata": {"labels": {"app": "patched"}}, "spec": {"containers": containers}},
        },
    }
    server.request("POST", DEPLOYMENTS, body)
    yield f"{DEPLOYMENTS}/patched"
    server.patch(f"{DEPLOYMENTS}/patched", {"metadata": {"finalizers": None}})
    server.request("DELETE", f"{DEPLOYMENTS}/patched")


def containers_of(deployment: dict[str, Any]) -> list[dict[str, Any]]:
    containers: list[dict[str, Any]] = deployment["spec"]["template"]["spec"]["containers"]
    return containers


def pod_spec(**fields: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": fields}}}


# --- JSON Patch -------------------------------------------------------------------------------------------------------


def test_json_patch_operates_on_paths(server: ApiServer, path: str) -> None:
    operations = [
        {"op": "test", "path": "/spec/replicas", "value": 1},
        {"op": "replace", "path": "/spec/replicas", "value": 4},
        {"op": "add", "path": "/metadata/labels/example.org~1x", "value": "y"},
        {"op": "remove", "path": "/metadata/labels/a"},
        {"op": "add", "path": "/metadata/finalizers/-", "value": "example.org/two"},
        {"op": "copy", "from": "/metadata/labels/example.org~1x", "path": "/metadata/labels/z"},
        {"op": "move", "from": "/metadata/labels/z", "path": "/metadata/labels/w"},
    ]
    patched = server.patch(path, operations, "json")
    assert patched["spec"]["replicas"] == 4
    assert patched["metadata"]["labels"] == {"example.org/x": "y", "w": "y"}
    assert patched["metadata"]["finalizers"] == ["example.org/one", "example.org/two"]


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ({"op": "test", "path": "/spec/replicas", "value": 9}, 422),
        ({"op": "remove", "path": "/metadata/labels/none"}, 422),
        ({"op": "replace", "path": "/spec/none/deeper", "value": 1}, 422),
        ({"op": "explode", "path": "/spec"}, 400),
        ({"op": "add", "path": "spec", "value": 1}, 400),
        ({"op": "add", "path": "/spec"}, 400),
    ],
)
def test_json_patch_that_cannot_be_applied_changes_nothing(
    server: ApiServer, path: str, operation: dict[str, Any], code: int
) -> None:
    before = server.request("GET", path)
    server.patch(path, [{"op": "replace", "path": "/spec/replicas", "value": 7}, operation], "json", code=code)
    assert server.request("GET", path) == before


# --- JSON Merge Patch -------------------------------------------------------------------------------------------------


def test_merge_patch_merges_objects_replaces_lists_and_deletes_nulls(server: ApiServer, path: str) -> None:
    patch = {"metadata": {"labels": {"a": None, "c": "d"}}, **pod_spec(containers=[{"name": "only", "image": "x:1"}])}
    patched = server.patch(path, patch)
    assert patched["metadata"]["labels"] == {"c": "d"}
    assert [container["name"] for container in containers_of(patched)] == ["only"]


def test_merge_patch_with_an_old_version_is_a_conflict(server: ApiServer, path: str) -> None:
    server.patch(path, {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 2}}, code=409)


# --- strategic merge patch --------------------------------------------------------------------------------------------


def test_strategic_merge_merges_lists_by_their_key(server: ApiServer, path: str) -> None:
    changed = {"name": "main", "image": "echo:2", "env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]}
    patched = server.patch(path, pod_spec(containers=[changed, {"name": "new", "image": "n:1"}]), "strategic-merge")
    main, side, new = containers_of(patched)
    assert (main["image"], side["image"], new["image"]) == ("echo:2", "side:1", "n:1")
    assert [(v["name"], v["value"]) for v in main["env"]] == [("A", "1"), ("B", "3"), ("C", "4")]


def test_strategic_merge_deletes_and_replaces_on_demand(server: ApiServer, path: str) -> None:
    gone = server.patch(path, pod_spec(containers=[{"name": "side", "$patch": "delete"}]), "strategic-merge")
    assert [container["name"] for container in containers_of(gone)] == ["main"]
    only = [{"$patch": "replace"}, {"name": "only", "image": "o:1"}]
    replaced = server.patch(path, pod_spec(containers=only), "strategic-merge")
    assert [container["name"] for container in containers_of(replaced)] == ["only"]


def test_strategic_merge_retains_only_the_named_keys(server: ApiServer, path: str) -> None:
    """How kubectl changes a strategy of one type into another without its old settings."""
    strategy = {"$retainKeys": ["type"], "type": "Recreate"}
    patched = server.patch(path, {"spec": {"strategy": strategy}}, "strategic-merge")
    assert patched["spec"]["strategy"] == {"type": "Recreate"}


def test_strategic_merge_orders_and_unites_lists(server: ApiServer, path: str) -> None:
    order = {"$setElementOrder/containers": [{"name": "side"}, {"name": "main"}], "containers": []}
    patched = server.patch(path, pod_spec(**order), "strategic-merge")
    assert [container["name"] for container in containers_of(patched)] == ["side", "main"]
    united = server.patch(path, {"metadata": {"finalizers": ["example.org/two"]}}, "strategic-merge")
    assert united["metadata"]["finalizers"] == ["example.org/one", "example.org/two"]
    removed = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.org/one"]}}
    assert server.patch(path, removed, "strategic-merge")["metadata"]["finalizers"] == ["example.org/two"]


def test_strategic_merge_of_conditions_goes_by_type(server: ApiServer, path: str) -> None:
    def condition(kind: str, status: str) -> dict[str, str]:
        return {"type": kind, "status": status}

    both = {"status": {"conditions": [condition("Available", "False"), condition("Progressing", "True")]}}
    server.patch(f"{path}/status", both)
    one = {"status": {"conditions": [condition("Available", "True")]}}
    patched = server.patch(f"{path}/status", one, "strategic-merge")
    assert patched["status"]["conditions"] == [condition("Available", "True"), condition("Progressing", "True")]


def test_service_ports_are_merged_by_port(server: ApiServer) -> None:
    """The same field name has another key in a Service than in a container."""
    ports = [{"name": "http", "port": 80}, {"name": "metrics", "port": 90}]
    server.request("POST", SERVICES, {"metadata": {"name": "ports"}, "spec": {"ports": ports}})
    patched = server.patch(
        f"{SERVICES}/ports", {"spec": {"ports": [{"port": 90, "targetPort": 9090}]}}, "strategic-merge"
    )
    assert [(port["port"], port["targetPort"]) for port in patched["spec"]["ports"]] == [(80, 80), (90, 9090)]


# --- server-side apply ------------------------------------------------------------------------------------------------


def apply(server: ApiServer, name: str, manager: str, body: dict[str, Any], code: int | None = None) -> dict[str, Any]:
    applied: dict[str, Any] = server.patch(
        f"{SERVICES}/{name}",
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, **body},
        "apply",
        code=code,
        query=f"?fieldManager={manager}&force=true",
    )
    return applied


def test_apply_creates_then_updates(server: ApiServer) -> None:
    made = apply(server, "applied", "me", {"spec": {"ports": [{"port": 80}]}}, code=201)
    assert made["spec"]["clusterIP"]
    again = apply(server, "applied", "me", {"spec": {"ports": [{"port": 80}]}}, code=200)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    (entry,) = again["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"], entry["fieldsType"]) == ("me", "Apply", "FieldsV1")
    assert entry["fieldsV1"] == {
        "f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}}},
    }


def test_apply_removes_what_its_manager_leaves_out_and_nothing_else(server: ApiServer) -> None:
    first = {
        "spec": {"ports": [{"port": 80, "name": "a"}, {"port": 90, "name": "b"}], "selector": {"x": "1", "y": "2"}}
    }
    apply(server, "left-out", "me", first)
    server.patch(f"{SERVICES}/left-out", {"metadata": {"annotations": {"kept": "yes"}}})
    apply(server, "left-out", "other", {"spec": {"selector": {"y": "2"}}})
    second = apply(server, "left-out", "me", {"spec": {"ports": [{"port": 80, "name": "a"}]}})
    assert [port["port"] for port in second["spec"]["ports"]] == [80]
    assert second["spec"]["selector"] == {"y": "2"}  # the other manager applied it too
    assert second["metadata"]["annotations"] == {"kept": "yes"}
    assert {entry["manager"] for entry in second["metadata"]["managedFields"]} == {"me", "other"}


def test_apply_knows_the_lists_of_custom_resources_and_their_status(server: ApiServer) -> None:
    """By the keys that their schema declares; each subresource is owned apart."""
    server.install_crds()
    path = "/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways/applied"
    api = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway"}

    def listeners(*names: str) -> dict[str, Any]:
        ports = [{"name": name, "port": 80 + index, "protocol": "HTTP"} for index, name in enumerate(names)]
        return {**api, "spec": {"gatewayClassName": "kong", "listeners": ports}}

    def conditions(*kinds: str) -> dict[str, Any]:
        about = {"status": "True", "reason": "Done", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        return {**api, "status": {"conditions": [{"type": kind, **about} for kind in kinds]}}

    query = "?fieldManager=me"
    server.patch(path, listeners("a", "b"), "apply", query=query)
    applied = server.patch(path, listeners("a"), "apply", query=query)
    assert [listener["name"] for listener in applied["spec"]["listeners"]] == ["a"]
    server.patch(f"{path}/status", conditions("Ready", "Special"), "apply", query=query)
    applied = server.patch(f"{path}/status", conditions("Ready"), "apply", query=query)
    kinds = {condition["type"] for condition in applied["status"]["conditions"]}
    assert kinds == {"Ready", "Accepted", "Programmed"}  # the last two came from the definition's default
    assert [entry.get("subresource", "") for entry in applied["metadata"]["managedFields"]] == ["", "status"]


def test_apply_needs_a_manager(server: ApiServer) -> None:
    status = server.patch(f"{SERVICES}/nobody", {"spec": {"ports": [{"port": 80}]}}, "apply", code=422)
    assert "fieldManager" in status["message"]
