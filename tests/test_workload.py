"""The objects a case is made of: each option of a topology changes what it names, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stickyconf.ports import Workload
from stickyconf.scenarios import Manifests, Topology

ROOT = Path(__file__).parents[1] / "manifests"
MANIFESTS = Manifests(Path(__file__).parents[1] / "manifests")
HOLD, GRACE = 30.0, 45.0


def made(topology: Topology) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the echo workload's objects by kind and name."""
    objects = MANIFESTS.echo("sticky", topology, HOLD, GRACE)
    return {(document["kind"], document["metadata"]["name"]): document for document in objects}


def backends(topology: Topology) -> list[str]:
    [rule] = MANIFESTS.route("sticky", "sticky.test", topology)["spec"]["rules"]
    return [backend["name"] for backend in rule["backendRefs"]]


def test_the_pods_ask_for_no_variables_about_services() -> None:
    assert made(Topology())["Deployment", "echo"]["spec"]["template"]["spec"]["enableServiceLinks"] is False


def restricted(spec: dict[str, Any]) -> list[str]:
    """Return what the Pod Security Standard "restricted" objects to in a pod's spec, control by control.

    The controls are those of kubernetes.io/docs/concepts/security/pod-security-standards, baseline and restricted.
    """
    pod, objections = spec.get("securityContext") or {}, []
    volumes = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    objections += [f"host namespace {name}" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    objections += [f"volume {v['name']}" for v in spec.get("volumes") or () if not set(v) - {"name"} <= volumes]
    objections += ["sysctls"] if pod.get("sysctls") else []
    for container in [*spec["containers"], *(spec.get("initContainers") or ())]:
        own = container.get("securityContext") or {}
        capabilities = own.get("capabilities") or {}
        seccomp = (own.get("seccompProfile") or pod.get("seccompProfile") or {}).get("type")
        found = {
            "privileged": bool(own.get("privileged")),
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is not False,
            "runAsNonRoot": own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True,
            "runAsUser": own.get("runAsUser", pod.get("runAsUser")) == 0,
            "seccompProfile": seccomp not in ("RuntimeDefault", "Localhost"),
            "capabilities dropped": "ALL" not in (capabilities.get("drop") or ()),
            "capabilities added": not set(capabilities.get("add") or ()) <= {"NET_BIND_SERVICE"},
            "procMount": own.get("procMount", "Default") != "Default",
            "hostPort": any(port.get("hostPort") for port in container.get("ports") or ()),
        }
        objections += [f"{name} of {container['name']}" for name, objected in found.items() if objected]
    return objections


def test_the_pods_are_admitted_where_pod_security_is_restricted() -> None:
    """Also with preStop, and the neighbour's. The read-only root file system is more than the standard asks for."""
    specs = [made(Topology(hold=hold))["Deployment", "echo"]["spec"]["template"]["spec"] for hold in (True, False)]
    specs.append(MANIFESTS.neighbour("sticky", "neighbour.sticky.test")[1]["spec"]["template"]["spec"])
    for spec in specs:
        assert restricted(spec) == []
        assert [one["securityContext"]["readOnlyRootFilesystem"] for one in spec["containers"]] == [True]
        assert spec["securityContext"]["runAsUser"] > 0, "the image's own user is root"


def test_what_is_not_restricted_is_objected_to() -> None:
    spec = {
        "hostNetwork": True,
        "containers": [{"name": "bare", "securityContext": {"capabilities": {"add": ["ALL"]}}}],
    }
    assert restricted(spec) == [
        "host namespace hostNetwork",
        "allowPrivilegeEscalation of bare",
        "runAsNonRoot of bare",
        "seccompProfile of bare",
        "capabilities dropped of bare",
        "capabilities added of bare",
    ]


def test_our_namespaces_enforce_it_where_they_may() -> None:
    labels = MANIFESTS.namespace("sticky", "abcdef")["metadata"]["labels"]
    assert labels == {"stickyconf/run": "abcdef", "pod-security.kubernetes.io/enforce": "restricted"}
    foreign = Manifests(ROOT, workload=Workload(labelled=False))
    assert foreign.namespace("sticky", "abcdef")["metadata"]["labels"] == {"stickyconf/run": "abcdef"}


def test_another_image_with_the_secret_that_it_is_pulled_with() -> None:
    secret = {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}}
    manifests = Manifests(ROOT, workload=Workload(image="registry.test/python:3", secret=secret))
    deployment = manifests.echo("sticky", Topology(), HOLD, GRACE)[-1]
    spec = deployment["spec"]["template"]["spec"]
    [copy] = manifests.pull_secret("sticky")
    assert spec["containers"][0]["image"] == "registry.test/python:3"
    assert spec["imagePullSecrets"] == [{"name": copy["metadata"]["name"]}]
    assert (copy["metadata"]["namespace"], copy["type"], copy["data"]) == ("sticky", secret["type"], secret["data"])
    assert "e30=" not in repr(manifests)


def test_without_a_secret_none_is_made() -> None:
    assert MANIFESTS.pull_secret("sticky") == []
    assert "imagePullSecrets" not in made(Topology())["Deployment", "echo"]["spec"]["template"]["spec"]


def test_one_service_is_in_front_of_the_pods_unless_more_are_asked_for() -> None:
    assert set(made(Topology())) == {("ConfigMap", "echo"), ("Service", "echo"), ("Deployment", "echo")}
    assert backends(Topology()) == ["echo"]


def test_two_services_select_the_same_pods_and_share_the_rule() -> None:
    objects = made(Topology(services=2))
    first, second = objects["Service", "echo"], objects["Service", "echo-2"]

    assert first["spec"] == second["spec"]
    assert first["metadata"]["annotations"] == second["metadata"]["annotations"]
    assert backends(Topology(services=2)) == ["echo", "echo-2"]


def test_not_ready_addresses_are_published_where_asked_for_only() -> None:
    assert "publishNotReadyAddresses" not in made(Topology())["Service", "echo"]["spec"]
    assert made(Topology(publish_not_ready=True))["Service", "echo"]["spec"]["publishNotReadyAddresses"] is True


def test_a_hold_is_within_the_grace_period() -> None:
    pod = made(Topology(hold=True))["Deployment", "echo"]["spec"]["template"]["spec"]

    assert pod["terminationGracePeriodSeconds"] == GRACE
    assert pod["containers"][0]["lifecycle"]["preStop"]["httpGet"]["path"] == "/-/hold?seconds=30"
    assert "lifecycle" not in made(Topology())["Deployment", "echo"]["spec"]["template"]["spec"]["containers"][0]


def test_a_neighbour_is_another_application_that_only_the_gateway_connects_to() -> None:
    service, deployment, route = MANIFESTS.neighbour("sticky", "neighbour.sticky.test")
    template = deployment["spec"]["template"]
    [container] = template["spec"]["containers"]

    assert service["spec"]["selector"] == template["metadata"]["labels"] == {"app": "neighbour"}
    assert deployment["spec"]["selector"]["matchLabels"] == {"app": "neighbour"}
    assert "readinessProbe" not in container
    assert {"name": "ECHO_LOG_CONNECTIONS", "value": "1"} in container["env"]
    assert route["spec"]["hostnames"] == ["neighbour.sticky.test"]
    assert [backend["name"] for backend in route["spec"]["rules"][0]["backendRefs"]] == ["neighbour"]
    assert {document["metadata"]["namespace"] for document in (service, deployment, route)} == {"sticky"}


def test_a_neighbour_asks_for_an_address_as_with_calico() -> None:
    _, deployment, _ = MANIFESTS.neighbour("sticky", "neighbour.sticky.test", "10.0.0.9")
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]

    assert annotations == {"cni.projectcalico.org/ipAddrs": '["10.0.0.9"]'}


def test_a_service_beside_is_the_same_pods_under_its_own_policy_and_route() -> None:
    service, route = MANIFESTS.beside("sticky", "other", "other.sticky.test", policy="theirs")

    assert service["metadata"]["name"] == route["metadata"]["name"] == "other"
    assert service["metadata"]["annotations"] == {"konghq.com/upstream-policy": "theirs"}
    assert service["spec"] == made(Topology())["Service", "echo"]["spec"]
    assert route["spec"]["hostnames"] == ["other.sticky.test"]
    [rule] = route["spec"]["rules"]
    assert [backend["name"] for backend in rule["backendRefs"]] == ["other"]
    assert rule["filters"][0]["responseHeaderModifier"] == {"set": [{"name": "x-change", "value": "other"}]}


def test_a_rule_is_inserted_before_the_services_own() -> None:
    [own] = MANIFESTS.route("sticky", "sticky.test")["spec"]["rules"]
    before, after = MANIFESTS.inserted("sticky", "sticky.test", "other", "/inserted")["spec"]["rules"]

    assert after == own
    assert before["matches"] == [{"path": {"type": "PathPrefix", "value": "/inserted"}}]
    assert [backend["name"] for backend in before["backendRefs"]] == ["other"]
