"""An ordinary kubectl against the API server: what it prints, and what it makes of refusals."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.embedded.apiserver_process import CRDS, ApiServer, needs_kubectl, running_apiserver
from tests.waiting import PATIENCE, eventually

pytestmark = needs_kubectl

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo, labels: {app: echo}}
spec:
  replicas: 3
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      containers:
        - name: echo
          image: kong/go-echo:1
          ports: [{containerPort: 1027}]
---
apiVersion: v1
kind: Service
metadata: {name: echo, labels: {app: echo}}
spec:
  selector: {app: echo}
  ports: [{port: 80, targetPort: 1027}]
"""
# As in "Manage sticky sessions with KongUpstreamPolicy", Kong's documentation.
POLICY = """
apiVersion: configuration.konghq.com/v1beta1
kind: KongUpstreamPolicy
metadata:
  name: sticky-session-policy
spec:
  algorithm: "sticky-sessions"
  hashOn:
    input: "none"
  stickySessions:
    cookie: "session_id"
    cookiePath: "/"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    with running_apiserver() as running:
        running.kubectl("apply", "-f", str(CRDS))
        yield running


@pytest.fixture
def namespace(server: ApiServer, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:60].strip("-")
    server.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return name


def apply(server: ApiServer, namespace: str, manifest: str, *flags: str) -> list[str]:
    return server.kubectl("apply", "-n", namespace, *flags, "-f", "-", stdin=manifest).splitlines()


def stored(server: ApiServer, namespace: str, what: str) -> dict[str, Any]:
    """What the server has under ``PLURAL/NAME``, read without kubectl."""
    plural = what.partition("/")[0]
    group = {"deployments": "/apis/apps/v1", "kongupstreampolicies": "/apis/configuration.konghq.com/v1beta1"}
    found: dict[str, Any] = server.request("GET", f"{group.get(plural, '/api/v1')}/namespaces/{namespace}/{what}")
    return found


@pytest.fixture
def workload(server: ApiServer, namespace: str) -> str:
    """The namespace, with Deployment and Service in it."""
    deployment, service = yaml.safe_load_all(DEPLOYMENT)
    server.request("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment)
    server.request("POST", f"/api/v1/namespaces/{namespace}/services", service)
    return namespace


def test_apply_creates_updates_and_leaves_alone(server: ApiServer, namespace: str) -> None:
    """With kubectl's own validation on, as it is by default."""
    assert apply(server, namespace, DEPLOYMENT) == ["deployment.apps/echo created", "service/echo created"]
    assert apply(server, namespace, DEPLOYMENT) == ["deployment.apps/echo unchanged", "service/echo unchanged"]
    changed = DEPLOYMENT.replace("replicas: 3", "replicas: 4").replace("go-echo:1", "go-echo:2")
    assert apply(server, namespace, changed)[0] == "deployment.apps/echo configured"
    assert stored(server, namespace, "deployments/echo")["spec"]["replicas"] == 4
    unlabelled = DEPLOYMENT.replace("name: echo, labels: {app: echo}", "name: echo", 1)
    assert apply(server, namespace, unlabelled)[0] == "deployment.apps/echo configured"
    assert "labels" not in stored(server, namespace, "deployments/echo")["metadata"]


def test_apply_on_the_servers_side(server: ApiServer, namespace: str) -> None:
    applied = ["deployment.apps/echo serverside-applied", "service/echo serverside-applied"]
    assert apply(server, namespace, DEPLOYMENT, "--server-side") == applied
    assert apply(server, namespace, DEPLOYMENT.replace("replicas: 3", "paused: true"), "--server-side") == applied
    spec = stored(server, namespace, "deployments/echo")["spec"]
    assert (spec["replicas"], spec["paused"]) == (1, True)


def test_apply_server_side_dry_run_stores_nothing(server: ApiServer, namespace: str) -> None:
    assert apply(server, namespace, POLICY, "--dry-run=server")[0].endswith("created (server dry run)")
    assert server.kubectl("get", "-n", namespace, "kup", "--ignore-not-found") == ""


def test_misspelt_field_is_refused_with_its_path(server: ApiServer, namespace: str) -> None:
    for manifest, path in (
        (DEPLOYMENT.replace("replicas", "replica"), "spec.replica"),
        (POLICY.replace("stickySessions", "stickySession"), "spec.stickySession"),
    ):
        said = server.kubectl("apply", "-n", namespace, "-f", "-", stdin=manifest, fails=True)
        assert f'strict decoding error: unknown field "{path}"' in said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param('input: "none"', 'input: "ip"', "spec.hashOn.input must be set to 'none'", id="API-03"),
        pytest.param('cookie: "session_id"', 'cookie: ""', "spec.stickySessions.cookie: Invalid value", id="API-04"),
        pytest.param('"sticky-sessions"', '"latency"', "spec.algorithm must be set to 'sticky-sessions'", id="API-05"),
        pytest.param('input: "none"', "header: X", "no other hash_on fields allowed", id="API-06"),
        pytest.param(
            '"sticky-sessions"', '"random"', 'supported values: "round-robin", "consistent-hashing"', id="API-07"
        ),
    ],
)
def test_wrong_policy_is_refused(server: ApiServer, namespace: str, old: str, new: str, said: str) -> None:
    manifest = POLICY.replace(old, new)
    answer = server.kubectl("apply", "-n", namespace, "-f", "-", stdin=manifest, fails=True)
    assert answer.startswith('The KongUpstreamPolicy "sticky-session-policy" is invalid: ')
    assert said in answer


def test_policy_is_admitted_and_attached_as_the_how_to_says(server: ApiServer, workload: str) -> None:
    created = "kongupstreampolicy.configuration.konghq.com/sticky-session-policy created"
    assert apply(server, workload, POLICY.replace('    cookiePath: "/"\n', "")) == [created]
    path = "jsonpath={.spec.stickySessions.cookiePath}"
    assert server.kubectl("get", "-n", workload, "kup/sticky-session-policy", "-o", path) == "/"
    annotate = ("annotate", "-n", workload, "service", "echo")
    attach = "konghq.com/upstream-policy=sticky-session-policy"
    assert server.kubectl(*annotate, attach) == "service/echo annotated\n"
    assert "--overwrite is false" in server.kubectl(*annotate, attach + "-2", fails=True)
    server.kubectl(*annotate, "--overwrite", attach + "-2")
    annotations = stored(server, workload, "services/echo")["metadata"]["annotations"]
    assert annotations["konghq.com/upstream-policy"] == "sticky-session-policy-2"


def test_labels_choose(server: ApiServer, workload: str) -> None:
    server.kubectl("label", "-n", workload, "service/echo", "tier=front")
    for selector, found in (("tier=front", "service/echo"), ("app in (echo),!tier", "deployment.apps/echo")):
        assert server.kubectl("get", "-n", workload, "deploy,svc", "-l", selector, "-o", "name").split() == [found]
    everywhere = server.kubectl("get", "services", "-A", "--field-selector", f"metadata.namespace={workload}")
    assert everywhere.splitlines()[1].split()[:3] == [workload, "echo", "ClusterIP"]
    server.kubectl("label", "-n", workload, "service/echo", "tier-")
    assert "tier" not in stored(server, workload, "services/echo")["metadata"]["labels"]


def test_scale_and_rollout_status(server: ApiServer, workload: str) -> None:
    """The status is the controllers' work; here the test does it."""
    assert (
        server.kubectl("scale", "-n", workload, "--replicas", "2", "deployment", "echo")
        == "deployment.apps/echo scaled\n"
    )
    status = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}
    waiting = subprocess.Popen(
        ["kubectl", "rollout", "status", "-n", workload, "deployment/echo", f"--timeout={PATIENCE:g}s"],  # noqa: S607
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "KUBECONFIG": str(server.kubeconfig), "HOME": str(server.directory)},
    )
    patch = json.dumps({"status": status})
    server.kubectl("patch", "-n", workload, "deployment/echo", "--subresource=status", "--type=merge", "-p", patch)
    output, _ = waiting.communicate(timeout=PATIENCE)
    assert 'deployment "echo" successfully rolled out' in output
    row = server.kubectl("get", "-n", workload, "deployment/echo", "-o", "wide").splitlines()
    assert row[0].split()[:8] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert row[1].split()[:4] == ["echo", "2/2", "2", "2"]


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("json", '[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "new:1"}]'),
        ("merge", '{"spec": {"template": {"spec": {"containers": [{"name": "echo", "image": "new:1"}]}}}}'),
        ("strategic", '{"spec": {"template": {"spec": {"containers": [{"name": "echo", "image": "new:1"}]}}}}'),
    ],
)
def test_every_patch_type(server: ApiServer, workload: str, kind: str, patch: str) -> None:
    server.kubectl("patch", "-n", workload, "deployment/echo", f"--type={kind}", "-p", patch)
    (container,) = stored(server, workload, "deployments/echo")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "new:1"
    assert ("ports" in container) is (kind != "merge")


def test_set_image_and_restart_change_the_template(server: ApiServer, workload: str) -> None:
    server.kubectl("set", "image", "-n", workload, "deployment/echo", "echo=other:2")
    server.kubectl("rollout", "restart", "-n", workload, "deployment/echo")
    changed = stored(server, workload, "deployments/echo")
    assert changed["spec"]["template"]["spec"]["containers"][0]["image"] == "other:2"
    assert "kubectl.kubernetes.io/restartedAt" in changed["spec"]["template"]["metadata"]["annotations"]
    assert changed["metadata"]["generation"] == 3


def test_create_with_a_generated_name(server: ApiServer, namespace: str) -> None:
    manifest = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "gen-"}})
    made = [server.kubectl("create", "-n", namespace, "-f", "-", stdin=manifest) for _ in range(2)]
    assert made[0] != made[1]
    assert all(line.startswith("configmap/gen-") for line in made)


@pytest.mark.parametrize(
    ("command", "path", "part", "value"),
    [
        ("configmap made --from-literal=a=b", "api/v1 configmaps", "data", {"a": "b"}),
        ("secret generic made --from-literal=a=b", "api/v1 secrets", "data", {"a": "Yg=="}),
        ("serviceaccount made", "api/v1 serviceaccounts", "kind", "ServiceAccount"),
        (
            "role made --verb=get --resource=pods",
            "apis/rbac.authorization.k8s.io/v1 roles",
            "rules",
            [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
        ),
        (
            "rolebinding made --role=made --serviceaccount=default:made",
            "apis/rbac.authorization.k8s.io/v1 rolebindings",
            "subjects",
            [{"kind": "ServiceAccount", "name": "made", "namespace": "default"}],
        ),
        (
            "ingress made --class=kong --rule=foo.example/bar*=made:80",
            "apis/networking.k8s.io/v1 ingresses",
            "spec",
            {
                "ingressClassName": "kong",
                "rules": [
                    {
                        "host": "foo.example",
                        "http": {
                            "paths": [
                                {
                                    "path": "/bar",
                                    "pathType": "Prefix",
                                    "backend": {"service": {"name": "made", "port": {"number": 80}}},
                                }
                            ]
                        },
                    }
                ],
            },
        ),
    ],
)
def test_create_commands_whose_bodies_are_protobuf(
    server: ApiServer, namespace: str, command: str, path: str, part: str, value: object
) -> None:
    """kubectl sends these in protobuf whatever a server says it accepts."""
    assert server.kubectl("create", "-n", namespace, *command.split()).endswith("/made created\n")
    prefix, plural = path.split()
    assert server.request("GET", f"/{prefix}/namespaces/{namespace}/{plural}/made")[part] == value


def test_create_commands_for_workloads_are_protobuf_too(server: ApiServer, namespace: str) -> None:
    command = "create deployment made --image=i --replicas=0 --port=80 -- sleep 5"
    server.kubectl(*command.split()[:2], "-n", namespace, *command.split()[2:])
    spec = stored(server, namespace, "deployments/made")["spec"]
    assert spec["replicas"] == 0
    (container,) = spec["template"]["spec"]["containers"]
    assert (container["command"], container["ports"][0]["containerPort"]) == (["sleep", "5"], 80)
    server.kubectl("create", "service", "clusterip", "made", "-n", namespace, "--tcp=80:8080")
    (port,) = stored(server, namespace, "services/made")["spec"]["ports"]
    assert (port["port"], port["targetPort"], port["name"]) == (80, 8080, "80-8080")


def test_permissions_are_those_of_the_token(server: ApiServer) -> None:
    assert server.kubectl("auth", "can-i", "delete", "pods") == "yes\n"
    assert server.kubectl("create", "namespace", "made") == "namespace/made created\n"


def run_pod(server: ApiServer, namespace: str, name: str) -> None:
    """A pod that looks as if a node ran it."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    spec = {
        "nodeName": "here",
        "terminationGracePeriodSeconds": 9,
        "containers": [{"name": name, "image": "echo"}],
    }
    server.request("POST", path, {"metadata": {"name": name}, "spec": spec})
    running = {"name": name, "ready": True, "restartCount": 2, "state": {"running": {}}}
    conditions = [{"type": "Ready", "status": "True"}]
    status = {"phase": "Running", "podIP": "127.9.1.1", "containerStatuses": [running], "conditions": conditions}
    server.patch(f"{path}/{name}/status", {"status": status})


def test_pods_are_shown_as_on_any_cluster(server: ApiServer, namespace: str) -> None:
    server.kubectl("run", "-n", namespace, "new", "--image=echo")
    run_pod(server, namespace, "runs")
    run_pod(server, namespace, "ends")
    server.kubectl("delete", "-n", namespace, "pod", "ends", "--wait=false")
    rows = [line.split() for line in server.kubectl("get", "pods", "-n", namespace).splitlines()]
    assert [row[:4] for row in rows] == [
        ["NAME", "READY", "STATUS", "RESTARTS"],
        ["ends", "1/1", "Terminating", "2"],
        ["new", "0/1", "Pending", "0"],
        ["runs", "1/1", "Running", "2"],
    ]
    wide = server.kubectl("get", "pods", "-n", namespace, "-o", "wide", "--field-selector=spec.nodeName=here")
    assert "127.9.1.1" in wide.splitlines()[1]
    described = server.kubectl("describe", "-n", namespace, "pod", "ends")
    assert "Terminating" in described
    assert "Termination Grace Period:  9s" in described


def test_delete_waits_until_the_pod_is_gone(server: ApiServer, namespace: str) -> None:
    run_pod(server, namespace, "slow")
    deleting = subprocess.Popen(
        ["kubectl", "delete", "pod", "slow", "-n", namespace, f"--timeout={PATIENCE:g}s"],  # noqa: S607
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "KUBECONFIG": str(server.kubeconfig), "HOME": str(server.directory)},
    )
    path = f"/api/v1/namespaces/{namespace}/pods/slow"
    eventually("deletion begins", lambda: "deletionTimestamp" in server.request("GET", path)["metadata"])
    assert deleting.poll() is None
    server.request("DELETE", f"{path}?gracePeriodSeconds=0")  # the node's last word
    output, _ = deleting.communicate(timeout=PATIENCE)
    assert output.startswith('pod "slow" deleted')
    assert deleting.returncode == 0


def test_delete_without_grace_does_not_wait(server: ApiServer, namespace: str) -> None:
    run_pod(server, namespace, "quick")
    server.kubectl("delete", "-n", namespace, "pod", "quick", "--grace-period=0", "--force")
    assert server.kubectl("get", "-n", namespace, "pod", "quick", "--ignore-not-found") == ""


def test_wait_sees_conditions_and_deletion(server: ApiServer, namespace: str) -> None:
    run_pod(server, namespace, "waited")
    assert "condition met" in server.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/waited")
    assert "condition met" in server.kubectl(
        "wait", "-n", namespace, "--for=jsonpath={.status.phase}=Running", "pod/waited"
    )
    server.kubectl("delete", "-n", namespace, "pod", "waited", "--grace-period=0", "--force")
    server.kubectl("wait", "-n", namespace, "--for=delete", "pod/waited", f"--timeout={PATIENCE:g}s")


def test_watch_prints_a_row_per_change(server: ApiServer, workload: str, tmp_path: Path) -> None:
    printed = tmp_path / "printed"
    with printed.open("w") as output:
        watching = subprocess.Popen(
            ["kubectl", "get", "deployments", "-w", "-n", workload],  # noqa: S607
            stdout=output,
            env={**os.environ, "KUBECONFIG": str(server.kubeconfig), "HOME": str(server.directory)},
        )
        try:
            eventually("the first row", lambda: "0/3" in printed.read_text())
            server.kubectl("scale", "-n", workload, "deployment/echo", "--replicas=5")
            eventually("the second row", lambda: "0/5" in printed.read_text())
        finally:
            watching.terminate()
            watching.wait(timeout=PATIENCE)
    assert printed.read_text().count("NAME") == 1


def test_custom_resources_are_printed_with_their_columns(server: ApiServer, namespace: str) -> None:
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "echo"},
        "spec": {"parentRefs": [{"name": "kong"}], "hostnames": ["a.example", "b.example"]},
    }
    apply(server, namespace, json.dumps(route))
    header, row = server.kubectl("get", "-n", namespace, "httproute").splitlines()
    assert header.split() == ["NAME", "HOSTNAMES", "AGE"]
    assert row.split()[:2] == ["echo", '["a.example","b.example"]']
    assert "PathPrefix" in server.kubectl("describe", "-n", namespace, "httproute", "echo")


def test_missing_objects_and_kinds_are_said_plainly(server: ApiServer, namespace: str) -> None:
    said = server.kubectl("get", "-n", namespace, "deployment", "none", fails=True)
    assert said == 'Error from server (NotFound): deployments.apps "none" not found\n'
    assert "doesn't have a resource type" in server.kubectl("get", "nothings", fails=True)
    manifest = json.dumps({"apiVersion": "v9", "kind": "Nothing", "metadata": {"name": "x"}})
    assert "no matches for kind" in server.kubectl("apply", "-f", "-", stdin=manifest, fails=True)


def test_versions_and_resources_are_listed(server: ApiServer) -> None:
    assert "+embedded" in server.kubectl("version")
    assert "Kubernetes control plane" in server.kubectl("cluster-info")
    resources = server.kubectl("api-resources", "-o", "wide")
    for name in ("deployments", "kongupstreampolicies", "httproutes", "endpointslices"):
        assert name in resources
