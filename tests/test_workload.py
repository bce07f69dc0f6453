"""The objects a case is made of: each option of a topology changes what it names, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stickyconf.scenarios import Manifests, Topology

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
    assert pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][-2:] == ["hold", "30"]
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
