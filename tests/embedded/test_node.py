"""The node agent runs pods as a kubelet does, seen through the API of a running cluster."""

import base64
import json
import os
import signal
import subprocess
from pathlib import Path

from lightkube.types import PatchType

from embedded_cluster.client import ConfigMap, Event, Node, Pod, Secret, Service
from embedded_cluster.node.environment import Mounts, expand
from tests.embedded.apiserver_process import needs_kubectl
from tests.embedded.containers import POD_IP, SERVER, SLEEP, directory, serving
from tests.waiting import eventually

PRINT = "import json, os; print(json.dumps(dict(os.environ)))"


def test_variables_come_from_the_pod_configmaps_and_secrets(space):
    """env, envFrom, fieldRef and key references; a later $(NAME) sees an earlier variable."""
    space.create(ConfigMap, "settings", data={"COLOUR": "green", "shape": "round"})
    space.create(Secret, "password", data={"word": base64.b64encode(b"sesame").decode()})
    space.pod(
        "vars",
        ["python3", "-c", PRINT],
        metadata={"labels": {"app.kubernetes.io/name": "vars"}, "annotations": {"note": "a, b"}},
        restartPolicy="Never",
        container={
            "envFrom": [{"configMapRef": {"name": "settings"}, "prefix": "S_"}],
            "env": [
                {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {
                    "name": "LABEL",
                    "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app.kubernetes.io/name']"}},
                },
                {"name": "NOTE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['note']"}}},
                {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                POD_IP,
                {"name": "SHAPE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "shape"}}},
                {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "password", "key": "word"}}},
                {"name": "ABSENT", "valueFrom": {"secretKeyRef": {"name": "no", "key": "no", "optional": True}}},
                {"name": "LISTEN", "value": "$(POD_IP):80 $(UNKNOWN) $$(NAME)"},
            ],
        },
    )
    variables = json.loads(eventually("the output", lambda: space.log("vars"))[0])
    address = space.status("vars")["podIP"]
    assert {name: variables.get(name) for name in ("NAME", "LABEL", "NOTE", "NODE", "SHAPE", "WORD")} == {
        "NAME": "vars",
        "LABEL": "vars",
        "NOTE": "a, b",
        "NODE": "embedded",
        "SHAPE": "round",
        "WORD": "sesame",
    }
    assert variables["S_COLOUR"] == "green"
    assert variables["HOSTNAME"] == "vars"
    assert variables["LISTEN"] == f"{address}:80 $(UNKNOWN) $(NAME)"
    assert "ABSENT" not in variables
    assert "KUBECONFIG" not in variables


def test_services_are_in_the_environment_as_a_kubelet_puts_them_there(space):
    """All Services of the pod's namespace that have an address, and kubernetes; the pod's own variables come first."""
    ports = [{"name": "my-http", "port": 1027}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    host = space.create(Service, "web-echo", spec={"ports": ports})["spec"]["clusterIP"]
    space.create(Service, "headless", spec={"clusterIP": "None", "ports": [{"port": 80}]})
    env = [{"name": "WEB_ECHO_PORT_53_UDP_PORT", "value": "own"}, {"name": "SEEN", "value": "$(WEB_ECHO_PORT)"}]
    space.pod("linked", ["python3", "-c", PRINT], restartPolicy="Never", container={"env": env})
    variables = json.loads(eventually("the output", lambda: space.log("linked"))[0])
    assert {name: value for name, value in variables.items() if name.startswith("WEB_ECHO_")} == {
        "WEB_ECHO_SERVICE_HOST": host,
        "WEB_ECHO_SERVICE_PORT": "1027",
        "WEB_ECHO_SERVICE_PORT_MY_HTTP": "1027",
        "WEB_ECHO_SERVICE_PORT_DNS": "53",
        "WEB_ECHO_PORT": f"tcp://{host}:1027",
        "WEB_ECHO_PORT_1027_TCP": f"tcp://{host}:1027",
        "WEB_ECHO_PORT_1027_TCP_PROTO": "tcp",
        "WEB_ECHO_PORT_1027_TCP_PORT": "1027",
        "WEB_ECHO_PORT_1027_TCP_ADDR": host,
        "WEB_ECHO_PORT_53_UDP": f"udp://{host}:53",
        "WEB_ECHO_PORT_53_UDP_PROTO": "udp",
        "WEB_ECHO_PORT_53_UDP_PORT": "own",
        "WEB_ECHO_PORT_53_UDP_ADDR": host,
    }
    assert variables["SEEN"] == f"tcp://{host}:1027"
    assert variables["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert variables["KUBERNETES_SERVICE_PORT_HTTPS"] == "443"
    assert not [name for name in variables if name.startswith("HEADLESS_")]


def test_a_pod_without_service_links_knows_the_api_server_only(space):
    """enableServiceLinks false leaves out all Services but kubernetes."""
    space.create(Service, "web", spec={"ports": [{"port": 80}]})
    space.pod("alone", ["python3", "-c", PRINT], restartPolicy="Never", enableServiceLinks=False)
    variables = json.loads(eventually("the output", lambda: space.log("alone"))[0])
    assert not [name for name in variables if name.startswith("WEB_")]
    assert variables["KUBERNETES_PORT"] == "tcp://10.96.0.1:443"


def test_volumes_stand_behind_their_mount_paths(space):
    """A mountPath at the start of a command, argument or variable is the volume's place on this machine."""
    space.create(
        ConfigMap,
        "code",
        data={"main.py": "import os, sys; print(open(sys.argv[1]).read(), open(os.environ['F']).read())"},
    )
    space.create(Secret, "key", data={"key": base64.b64encode(b"secret").decode()})
    space.pod(
        "mounts",
        ["python3", "/app/main.py", "/etc/key/key"],
        restartPolicy="Never",
        container={
            "env": [{"name": "F", "value": "/etc/pod/labels"}],
            "volumeMounts": [
                {"name": "code", "mountPath": "/app"},
                {"name": "key", "mountPath": "/etc/key"},
                {"name": "pod", "mountPath": "/etc/pod/"},
            ],
        },
        metadata={"labels": {"app": "mounts"}},
        volumes=[
            {"name": "code", "configMap": {"name": "code"}},
            {"name": "key", "secret": {"secretName": "key"}},
            {
                "name": "pod",
                "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]},
            },
        ],
    )
    assert eventually("the output", lambda: space.log("mounts"))[0] == 'secret app="mounts"'
    file = directory(space, "mounts") / "volumes/key/key"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_pod_waits_for_what_it_refers_to(space):
    """A missing ConfigMap keeps the container waiting, with the reason in its status, until it is there."""
    space.pod("waits", SLEEP, container={"envFrom": [{"configMapRef": {"name": "later"}}]})
    waiting = eventually(
        "a reason", lambda: space.status("waits").get("containerStatuses", [{}])[0].get("state", {}).get("waiting")
    )
    eventually(
        "the reason",
        lambda: (
            space.status("waits")["containerStatuses"][0]["state"]["waiting"]["reason"] == "CreateContainerConfigError"
        ),
    )
    assert waiting
    assert space.status("waits")["phase"] == "Pending"
    space.create(ConfigMap, "later", data={})
    space.until_ready("waits")


def test_a_container_without_command_says_so(space):
    """Images are not run, so a container needs a command; without one the pod says what is wrong."""
    pod = {"containers": [{"name": "main", "image": "nginx"}]}
    space.create(Pod, "image", spec=pod)

    def message() -> str:
        [status] = space.status("image").get("containerStatuses") or [{}]
        return str(status.get("state", {}).get("waiting", {}).get("message", ""))

    assert "runs commands, not images" in eventually("a message", message)


def test_a_container_is_probed_quickly_until_it_is_ready(space):
    """Whatever the period: a cluster is up as soon as its processes are."""
    probe = {"exec": {"command": ["test", "-e", "up"]}, "periodSeconds": 3600}
    space.pod("starts", SLEEP, container={"readinessProbe": probe})
    eventually("not ready", lambda: space.condition("starts", "Ready") == "False")
    (directory(space, "starts") / "up").touch()
    space.until_ready("starts")


def test_ready_follows_the_readiness_probe(space):
    """Not ready when the probe fails, ready again when it passes again."""
    space.pod("probed", ["python3", "-c", SERVER], container=serving())
    space.until_ready("probed")
    (directory(space, "probed") / "ready").unlink()
    eventually("not ready", lambda: space.condition("probed", "Ready") == "False")
    assert space.condition("probed", "ContainersReady") == "False"
    (directory(space, "probed") / "ready").touch()
    space.until_ready("probed")


def test_a_failed_liveness_probe_restarts_the_container(space):
    """The container is ended and started again, and events say why."""
    space.pod(
        "lives",
        SLEEP,
        container={
            "livenessProbe": {"exec": {"command": ["test", "-e", "alive"]}, "periodSeconds": 1, "failureThreshold": 1}
        },
    )
    status = eventually(
        "a restart",
        lambda: [each for each in space.status("lives").get("containerStatuses", []) if each["restartCount"]],
    )[0]
    assert status["lastState"]["terminated"]["exitCode"] == 128 + signal.SIGTERM
    reasons = {event["reason"] for event in space.list(Event)}
    assert {"Unhealthy", "Killing"} <= reasons


def test_a_startup_probe_holds_the_others_back(space):
    """Not started, and so not ready, before the startup probe has passed."""
    space.pod(
        "starts", SLEEP, container={"startupProbe": {"exec": {"command": ["test", "-e", "up"]}, "failureThreshold": 30}}
    )
    eventually(
        "running", lambda: "running" in space.status("starts").get("containerStatuses", [{}])[0].get("state", {})
    )
    assert space.status("starts")["containerStatuses"][0]["started"] is False
    assert space.condition("starts", "Ready") == "False"
    (directory(space, "starts") / "up").touch()
    space.until_ready("starts")


def test_a_crashed_container_is_restarted_and_keeps_its_former_log(space):
    """The first restart comes at once; the previous log stays readable."""
    space.pod("crash", ["sh", "-c", "echo run; test -e second && exec sleep 600; touch second; exit 3"])
    status = eventually(
        "a restart",
        lambda: [
            s for s in space.status("crash").get("containerStatuses", []) if s["restartCount"] == 1 and s["ready"]
        ],
    )[0]
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert status["lastState"]["terminated"]["reason"] == "Error"
    assert len(space.log("crash")) == 1


def test_previous_log_with_kubectl(space, kubectl):
    """``kubectl logs --previous`` shows what the container said before it crashed."""
    space.pod("crash", ["sh", "-c", "test -e second && exec sleep 600; touch second; echo first; exit 3"])
    eventually(
        "a restart", lambda: [s for s in space.status("crash").get("containerStatuses", []) if s["restartCount"] == 1]
    )
    assert kubectl("logs", "crash", "--previous") == "first\n"


def test_a_pod_that_may_end_succeeds_or_fails(space):
    """restartPolicy Never: the phase tells how its container ended."""
    space.pod("good", ["true"], restartPolicy="Never")
    space.pod("bad", ["false"], restartPolicy="Never")
    eventually("Succeeded", lambda: space.status("good")["phase"] == "Succeeded")
    eventually("Failed", lambda: space.status("bad")["phase"] == "Failed")
    assert space.condition("good", "Ready") == "False"


def test_init_containers_come_first(space):
    """They run one after the other, before the others start."""
    space.pod(
        "init",
        ["sh", "-c", "cat order; exec sleep 600"],
        initContainers=[
            {"name": "one", "image": "test", "command": ["sh", "-c", "echo one > order"]},
            {"name": "two", "image": "test", "command": ["sh", "-c", "echo two >> order"]},
        ],
    )
    space.until_ready("init")
    assert eventually("output", lambda: space.log("init")) == ["one", "two"]
    assert space.condition("init", "Initialized") == "True"


def test_a_sidecar_lives_as_long_as_the_others(space):
    """An init container with restartPolicy Always holds nothing up, and ends after the main container."""
    sidecar = {"name": "side", "image": "test", "command": SLEEP, "restartPolicy": "Always"}
    space.pod("pair", ["true"], initContainers=[sidecar], restartPolicy="Never")
    eventually("Succeeded", lambda: space.status("pair")["phase"] == "Succeeded")
    assert "terminated" in space.status("pair")["initContainerStatuses"][0]["state"]


def test_logs_can_be_cut(space):
    """tailLines, sinceSeconds and timestamps."""
    space.pod("talks", ["sh", "-c", "for i in 1 2 3 4; do echo line $i; done; printf end"], restartPolicy="Never")
    eventually("all", lambda: len(space.log("talks")) == 5)
    assert space.log("talks", tail_lines=2) == ["line 4", "end"]
    assert space.log("talks", since=3600) == ["line 1", "line 2", "line 3", "line 4", "end"]
    stamp, text = space.log("talks", timestamps=True, tail_lines=1)[0].split(" ", 1)
    assert text == "end"
    assert len(stamp) == len("2006-01-02T15:04:05.999999999Z")


@needs_kubectl
def test_kubectl_follows_a_log_to_its_end(space):
    """``kubectl logs -f`` ends when the container does, with its last line, also when the pod is deleted."""
    space.pod(
        "says",
        [
            "python3",
            "-c",
            "import signal, sys, time; signal.signal(15, lambda *_: (print('bye'), sys.exit()));"
            "print('hello', flush=True); time.sleep(600)",
        ],
    )
    eventually("a line", lambda: space.log("says"))
    with subprocess.Popen(
        ["kubectl", "logs", "-f", "says", "-n", space.name],  # noqa: S607 - the one that people have
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"KUBECONFIG": space.cluster.kubeconfig},
    ) as following:
        assert following.stdout is not None
        assert following.stdout.readline() == "hello\n"
        space.client.delete(Pod, "says", namespace=space.name)
        assert following.stdout.read() == "bye\n"
    assert following.returncode == 0


def test_pods_with_an_account_can_reach_the_api(space):
    """A pod whose serviceAccountName is not default finds a kubeconfig in its environment."""
    space.pod(
        "client",
        ["python3", "-c", "import os; print(open(os.environ['KUBECONFIG']).read(1))"],
        restartPolicy="Never",
        serviceAccountName="robot",
    )
    assert eventually("output", lambda: space.log("client")) == ["{"]


def test_addresses_are_never_used_again(space):
    """A new pod of the same name has another address."""
    space.pod("one", SLEEP)
    first = space.until_ready("one")["podIP"]
    space.client.delete(Pod, "one", namespace=space.name, grace_period=0)
    space.pod("one", SLEEP)
    assert space.until_ready("one")["podIP"] != first


def test_a_pod_gets_an_address_that_it_asks_for_once_no_other_has_it(space):
    """As with Calico; one that a pod still has, or that none ever had, is not given."""
    space.pod("one", SLEEP)
    first = space.until_ready("one")["podIP"]
    asking = {"annotations": {"cni.projectcalico.org/ipAddrs": f'["{first}"]'}}
    space.pod("two", SLEEP, metadata=asking)
    assert space.until_ready("two")["podIP"] != first
    space.client.delete(Pod, "one", namespace=space.name, grace_period=1)
    assert eventually("gone", lambda: space.get(Pod, "one") is None)
    space.pod("three", SLEEP, metadata=asking)
    assert space.until_ready("three")["podIP"] == first


def test_a_cordoned_node_takes_no_pods(space):
    """An unschedulable node leaves pods Pending until it is schedulable again."""
    space.client.patch(Node, "embedded", {"spec": {"unschedulable": True}}, patch_type=PatchType.MERGE)
    try:
        space.pod("waits", SLEEP)
        eventually("an event", lambda: [e for e in space.list(Event) if e["reason"] == "FailedScheduling"])
        assert space.status("waits")["phase"] == "Pending"
    finally:
        space.client.patch(Node, "embedded", {"spec": {"unschedulable": None}}, patch_type=PatchType.MERGE)
    space.until_ready("waits")


def test_expansion_and_mounts():
    """The rules of $(NAME), and of mount paths inside one another."""
    assert expand("$(A)-$(B)-$$(A)-$A", {"A": "1"}) == "1-$(B)-$(A)-$A"
    mounts = Mounts({"/etc": Path("/x"), "/etc/tls": Path("/y"), "/": Path("/top")})
    assert mounts.resolve("/etc/tls/key") == "/y/key"
    assert mounts.resolve("/etc/hosts") == "/x/hosts"
    assert mounts.resolve("/etcetera") == "/top/etcetera"
    assert mounts.resolve("--file=/etc/hosts") == "--file=/etc/hosts"
