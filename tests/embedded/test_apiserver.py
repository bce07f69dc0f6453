"""The API server as a process, and the plain verbs of its API."""

import base64
import json
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.embedded.apiserver_process import (
    ApiServer,
    command,
    ready_url,
    running_apiserver,
    write_credentials,
)
from tests.waiting import PATIENCE

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    with running_apiserver() as running:
        yield running


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


def pod(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"app": "echo"}},
        "spec": {"containers": [{"name": "main", "image": "echo"}], **spec},
    }


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": "echo:1"}]}}
    return {
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template, **spec},
    }


# --- the process ------------------------------------------------------------------------------------------------------


def test_requests_without_the_token_are_refused(server: ApiServer) -> None:
    """Whoever may create pods may run processes on this machine, so loopback alone is not enough."""
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": server.token}):
        answer = httpx.get(
            f"{server.url}{PODS}", headers=headers, verify=_trust(server), timeout=PATIENCE, trust_env=False
        )
        assert answer.status_code == 401
        assert answer.json()["kind"] == "Status"
        assert answer.json()["reason"] == "Unauthorized"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/version"])
def test_health_and_version_need_no_token(server: ApiServer, path: str) -> None:
    assert httpx.get(f"{server.url}{path}", verify=_trust(server), timeout=PATIENCE, trust_env=False).status_code == 200


def _trust(server: ApiServer) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server.authority)


def test_address_that_cannot_be_bound_is_said_in_one_line(tmp_path: Path) -> None:
    write_credentials(tmp_path, "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            command(tmp_path, port=port), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert str(port) in done.stderr


@pytest.mark.parametrize("broken", ["cert.pem", "token"])
def test_unusable_credentials_are_said_in_one_line(tmp_path: Path, broken: str) -> None:
    write_credentials(tmp_path, "127.0.0.1")
    (tmp_path / broken).write_text("")
    done = subprocess.run(command(tmp_path), capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert broken in done.stderr


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_server_and_its_watches(tmp_path: Path, signum: signal.Signals) -> None:
    write_credentials(tmp_path, "127.0.0.1")
    with subprocess.Popen(command(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        url = ready_url(process)
        token = (tmp_path / "token").read_text()
        trust = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        headers = {"Authorization": f"Bearer {token}"}
        with (
            httpx.Client(base_url=url, headers=headers, verify=trust, timeout=PATIENCE, trust_env=False) as client,
            client.stream("GET", f"{PODS}?watch=1") as watch,
        ):
            process.send_signal(signum)
            assert list(watch.iter_lines()) == []
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert errors == ""


def test_audit_log_names_requests_and_no_secrets(tmp_path: Path) -> None:
    """The log is what least privilege is checked against."""
    log = tmp_path / "audit"
    with running_apiserver("--audit", str(log)) as server:
        server.request("POST", CONFIG_MAPS, config_map("a", password="hidden"), headers={"User-Agent": "tester"})
        server.request("GET", PODS)
        server.patch(f"{DEPLOYMENTS}/none/scale", {}, code=404)
        text = log.read_text()
        assert "hidden" not in text
        assert server.token not in text
        first, second, third = map(json.loads, text.splitlines())
    assert first["verb"] == "create"
    assert (first["resource"], first["namespace"], first["userAgent"]) == ("configmaps", "default", "tester")
    assert (second["verb"], second["resource"]) == ("list", "pods")
    assert (third["verb"], third["resource"], third["subresource"]) == ("patch", "deployments", "scale")


# --- discovery --------------------------------------------------------------------------------------------------------


def test_discovery_lists_groups_resources_and_subresources(server: ApiServer) -> None:
    groups = {group["name"] for group in server.request("GET", "/apis")["groups"]}
    assert {"apps", "discovery.k8s.io", "networking.k8s.io", "coordination.k8s.io"} <= groups
    apps = {resource["name"]: resource for resource in server.request("GET", "/apis/apps/v1")["resources"]}
    assert apps["deployments"]["shortNames"] == ["deploy"]
    assert apps["deployments/scale"]["kind"] == "Scale"
    core = {resource["name"] for resource in server.request("GET", "/api/v1")["resources"]}
    assert {"pods", "pods/log", "pods/status", "namespaces/finalize"} <= core


def test_aggregated_discovery_says_the_same(server: ApiServer) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    groups = server.request("GET", "/apis", headers={"Accept": accept})
    assert groups["kind"] == "APIGroupDiscoveryList"
    (apps,) = (item for item in groups["items"] if item["metadata"]["name"] == "apps")
    resources = {resource["resource"] for resource in apps["versions"][0]["resources"]}
    assert resources == {"deployments", "replicasets"}


@pytest.mark.parametrize("path", ["/apis/none.example", "/apis/apps/v2", "/api/v1/nothings", "/nowhere"])
def test_unknown_path_is_a_404_status(server: ApiServer, path: str) -> None:
    status = server.request("GET", path, code=404)
    assert (status["kind"], status["reason"]) == ("Status", "NotFound")


# --- create, get, list, update ----------------------------------------------------------------------------------------


def test_created_object_is_completed_by_the_server(server: ApiServer) -> None:
    made = server.request("POST", CONFIG_MAPS, config_map("complete", a="b"), code=201)
    metadata = made["metadata"]
    assert (made["apiVersion"], made["kind"], metadata["namespace"]) == ("v1", "ConfigMap", "default")
    assert metadata["uid"]
    assert metadata["creationTimestamp"].endswith("Z")
    assert server.request("GET", f"{CONFIG_MAPS}/complete") == made


def test_second_object_of_a_name_is_a_conflict(server: ApiServer) -> None:
    server.request("POST", CONFIG_MAPS, config_map("twice"))
    status = server.request("POST", CONFIG_MAPS, config_map("twice"), code=409)
    assert status["reason"] == "AlreadyExists"
    assert status["message"] == 'configmaps "twice" already exists'


def test_generated_names_differ(server: ApiServer) -> None:
    body = {"metadata": {"generateName": "gen-"}}
    names = {server.request("POST", CONFIG_MAPS, body)["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("gen-") and len(name) == 9 for name in names)


def test_missing_object_is_named(server: ApiServer) -> None:
    status = server.request("GET", f"{DEPLOYMENTS}/none", code=404)
    assert status["message"] == 'deployments.apps "none" not found'
    assert status["details"] == {"name": "none", "group": "apps", "kind": "deployments"}


def test_update_needs_the_current_version(server: ApiServer) -> None:
    """Of two clients that read the same state, one loses: 409 Conflict, and its write is not stored."""
    first = server.request("POST", CONFIG_MAPS, config_map("race", n="0"))
    server.request("PUT", f"{CONFIG_MAPS}/race", {**first, "data": {"n": "1"}})
    status = server.request("PUT", f"{CONFIG_MAPS}/race", {**first, "data": {"n": "2"}}, code=409)
    assert status["reason"] == "Conflict"
    assert "the object has been modified" in status["message"]
    assert server.request("GET", f"{CONFIG_MAPS}/race")["data"] == {"n": "1"}


def test_update_that_changes_nothing_makes_no_new_version(server: ApiServer) -> None:
    made = server.request("POST", CONFIG_MAPS, config_map("same", a="b"))
    again = server.request("PUT", f"{CONFIG_MAPS}/same", made)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_generation_counts_changes_of_the_spec_only(server: ApiServer) -> None:
    server.request("POST", DEPLOYMENTS, deployment("counted"))
    path = f"{DEPLOYMENTS}/counted"
    assert server.patch(path, {"metadata": {"labels": {"a": "b"}}})["metadata"]["generation"] == 1
    assert server.patch(f"{path}/status", {"status": {"replicas": 1}})["metadata"]["generation"] == 1
    assert server.patch(path, {"spec": {"replicas": 2}})["metadata"]["generation"] == 2


def test_status_and_spec_are_written_apart(server: ApiServer) -> None:
    server.request("POST", DEPLOYMENTS, {**deployment("apart"), "status": {"replicas": 9}})
    path = f"{DEPLOYMENTS}/apart"
    assert server.request("GET", path)["status"] == {}
    both = {"spec": {"replicas": 5}, "status": {"replicas": 4}}
    through_status = server.patch(f"{path}/status", both)
    assert (through_status["spec"]["replicas"], through_status["status"]["replicas"]) == (1, 4)
    both["status"]["replicas"] = 7
    through_object = server.patch(path, both)
    assert (through_object["spec"]["replicas"], through_object["status"]["replicas"]) == (5, 4)


def test_scale_changes_replicas_and_nothing_else(server: ApiServer) -> None:
    server.request("POST", DEPLOYMENTS, deployment("scaled", replicas=3))
    path = f"{DEPLOYMENTS}/scaled/scale"
    scale = server.request("GET", path)
    assert (scale["apiVersion"], scale["kind"], scale["spec"]["replicas"]) == ("autoscaling/v1", "Scale", 3)
    assert scale["status"]["selector"] == "app=scaled"
    assert server.patch(path, {"spec": {"replicas": 2}})["spec"]["replicas"] == 2
    server.request("PUT", path, {**scale, "spec": {"replicas": 9}}, code=409)
    scale["metadata"].pop("resourceVersion")
    server.request("PUT", path, {**scale, "spec": {"replicas": 4}})
    assert server.request("GET", f"{DEPLOYMENTS}/scaled")["spec"]["replicas"] == 4
    assert server.patch(path, {"spec": {"replicas": -1}}, code=422)["reason"] == "Invalid"


def test_dry_run_stores_nothing(server: ApiServer) -> None:
    made = server.request("POST", f"{CONFIG_MAPS}?dryRun=All", config_map("dry"), code=201)
    assert made["metadata"]["uid"]
    server.request("GET", f"{CONFIG_MAPS}/dry", code=404)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("labelSelector=tier%3Dfront", {"a"}),
        ("labelSelector=tier%21%3Dfront", {"b", "c"}),
        ("labelSelector=tier in (front,back)", {"a", "b"}),
        ("labelSelector=tier notin (front)", {"b", "c"}),
        ("labelSelector=tier", {"a", "b"}),
        ("labelSelector=!tier", {"c"}),
        ("labelSelector=tier,rank>1", {"b"}),
        ("fieldSelector=metadata.name%3Da", {"a"}),
        ("fieldSelector=metadata.name!%3Da,metadata.namespace%3Dselect", {"b", "c"}),
        ("limit=1", {"a", "b", "c"}),
    ],
)
def test_selectors_choose(server: ApiServer, query: str, names: set[str]) -> None:
    path = "/api/v1/namespaces/select/configmaps"
    if server.client.get("/api/v1/namespaces/select").status_code == 404:
        server.request("POST", "/api/v1/namespaces", {"metadata": {"name": "select"}})
        labels: dict[str, dict[str, str]] = {
            "a": {"tier": "front", "rank": "1"},
            "b": {"tier": "back", "rank": "2"},
            "c": {},
        }
        for name, given in labels.items():
            server.request("POST", path, {"metadata": {"name": name, "labels": given}})
    found = server.request("GET", f"{path}?{query}")
    assert {item["metadata"]["name"] for item in found["items"]} == names


@pytest.mark.parametrize("query", ["labelSelector=a in b", "labelSelector=%3D", "fieldSelector=spec.what%3Da"])
def test_bad_selectors_are_400(server: ApiServer, query: str) -> None:
    assert server.request("GET", f"{CONFIG_MAPS}?{query}", code=400)["reason"] == "BadRequest"


def test_pods_are_selected_by_node_and_phase(server: ApiServer) -> None:
    server.request("POST", PODS, pod("on-node", nodeName="here"))
    server.request("POST", PODS, pod("pending"))
    server.patch(f"{PODS}/on-node/status", {"status": {"phase": "Running"}})
    for selector in ("spec.nodeName=here", "status.phase=Running", "spec.nodeName!=,status.phase=Running"):
        found = server.request("GET", PODS, params={"fieldSelector": selector})
        assert [item["metadata"]["name"] for item in found["items"]] == ["on-node"], selector


# --- defaults ---------------------------------------------------------------------------------------------------------


def test_deployment_gets_the_defaults_clients_rely_on(server: ApiServer) -> None:
    spec = server.request("POST", DEPLOYMENTS, deployment("defaulted"))["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    assert (spec["progressDeadlineSeconds"], spec["revisionHistoryLimit"]) == (600, 10)
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 30
    assert spec["template"]["spec"]["restartPolicy"] == "Always"
    assert spec["template"]["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


def test_probes_get_their_periods(server: ApiServer) -> None:
    container = {"name": "main", "image": "echo", "readinessProbe": {"httpGet": {"port": 80}}}
    made = server.request("POST", PODS, pod("probed", containers=[container]))
    assert made["spec"]["containers"][0]["readinessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def test_services_get_addresses_of_their_own(server: ApiServer) -> None:
    ports = [{"port": 80}]
    one = server.request("POST", SERVICES, {"metadata": {"name": "one"}, "spec": {"ports": ports}})["spec"]
    two = server.request("POST", SERVICES, {"metadata": {"name": "two"}, "spec": {"ports": ports}})["spec"]
    assert one["type"] == "ClusterIP"
    assert one["ports"] == [{"port": 80, "targetPort": 80, "protocol": "TCP"}]
    assert one["clusterIP"] != two["clusterIP"]
    headless = {"metadata": {"name": "headless"}, "spec": {"ports": ports, "clusterIP": "None"}}
    assert server.request("POST", SERVICES, headless)["spec"]["clusterIP"] == "None"
    outside = {"metadata": {"name": "outside"}, "spec": {"ports": ports, "type": "NodePort"}}
    assert 30000 <= server.request("POST", SERVICES, outside)["spec"]["ports"][0]["nodePort"] < 32768
    kept = server.request("PUT", f"{SERVICES}/one", {"metadata": {"name": "one"}, "spec": {"ports": [{"port": 81}]}})
    assert kept["spec"]["clusterIP"] == one["clusterIP"]


def test_secret_text_is_stored_encoded(server: ApiServer) -> None:
    body = {"metadata": {"name": "secret"}, "stringData": {"key": "value"}}
    made = server.request("POST", "/api/v1/namespaces/default/secrets", body)
    assert base64.b64decode(made["data"]["key"]) == b"value"
    assert "stringData" not in made


def test_namespace_is_born_active_and_labelled(server: ApiServer) -> None:
    made = server.request("POST", "/api/v1/namespaces", {"metadata": {"name": "born"}})
    assert made["status"]["phase"] == "Active"
    assert made["metadata"]["labels"]["kubernetes.io/metadata.name"] == "born"
    assert made["spec"]["finalizers"] == ["kubernetes"]


# --- other ------------------------------------------------------------------------------------------------------------


def test_both_kinds_of_event_are_one(server: ApiServer) -> None:
    """What a controller writes as events.k8s.io/v1, kubectl reads as v1."""
    regarding = {"kind": "Pod", "name": "p", "namespace": "default"}
    event = {"metadata": {"name": "p.1"}, "regarding": regarding, "reason": "Started", "note": "it runs"}
    server.request("POST", "/apis/events.k8s.io/v1/namespaces/default/events", event)
    query = "fieldSelector=involvedObject.name%3Dp"
    (core,) = server.request("GET", f"/api/v1/namespaces/default/events?{query}")["items"]
    assert (core["apiVersion"], core["message"], core["involvedObject"]) == ("v1", "it runs", regarding)
    back = server.request("GET", "/apis/events.k8s.io/v1/namespaces/default/events/p.1")
    assert (back["apiVersion"], back["note"]) == ("events.k8s.io/v1", "it runs")


def test_binding_puts_a_pod_on_a_node_once(server: ApiServer) -> None:
    server.request("POST", PODS, pod("bound"))
    binding = {"metadata": {"name": "bound"}, "target": {"kind": "Node", "name": "here"}}
    server.request("POST", f"{PODS}/bound/binding", binding, code=201)
    assert server.request("GET", f"{PODS}/bound")["spec"]["nodeName"] == "here"
    server.request("POST", f"{PODS}/bound/binding", binding, code=409)


class _Kubelet(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{self.path}\n".encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        pass


def test_logs_come_from_the_kubelet_of_the_pods_node(server: ApiServer) -> None:
    kubelet = HTTPServer(("127.0.0.1", 0), _Kubelet)
    threading.Thread(target=kubelet.serve_forever, daemon=True).start()
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.server_port}},
    }
    server.request("POST", "/api/v1/nodes", {"metadata": {"name": "logger"}, "status": status})
    server.request("POST", PODS, pod("logged", nodeName="logger"))
    try:
        answer = server.client.get(f"{PODS}/logged/log?tailLines=2&timestamps=true&ignored=1")
        assert answer.text == "/containerLogs/default/logged/main?tailLines=2&timestamps=true\n"
        wrong = server.request("GET", f"{PODS}/logged/log?container=side", code=400)
        assert wrong["message"] == "container side is not valid for pod logged"
    finally:
        kubelet.shutdown()
        kubelet.server_close()
    assert server.request("GET", f"{PODS}/logged/log", code=500)["reason"] == "InternalError"


def test_wrong_method_body_and_media_type_are_refused(server: ApiServer) -> None:
    server.request("DELETE", "/api/v1/pods/anything", code=405)
    server.request("PUT", CONFIG_MAPS, config_map("a"), code=405)
    xml = {"Content-Type": "application/xml"}
    assert server.request("POST", CONFIG_MAPS, code=415, content=b"<a/>", headers=xml)["code"] == 415
    js = {"Content-Type": "application/json"}
    for content in (b"{", b"[]", b'{"kind":"Pod","apiVersion":"v1"}', b'{"apiVersion":"v2"}', b'{"metadata":1}'):
        assert server.request("POST", CONFIG_MAPS, code=400, content=content, headers=js)["reason"] == "BadRequest"
    elsewhere = {"metadata": {"name": "a", "namespace": "other"}}
    assert "does not match the namespace" in server.request("POST", CONFIG_MAPS, elsewhere, code=400)["message"]
