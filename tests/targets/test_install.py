"""KIC and Kong are installed through a real API server, changed while they run, and their failures said in one line."""

import asyncio
import base64
import json
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from stickyconf.ports import DEPLOYMENT, EVENT, POD, SERVICE, Kind
from stickyconf.targets.installation import NoTarget
from stickyconf.targets.kind import install as installing
from stickyconf.targets.kind.install import install, reconfigure
from stickyconf.targets.kind.installation import nodes_ready
from stickyconf.targets.kind.kongmanifest import Setup
from stickyconf.targets.kind.licence import Licence
from stickyconf.targets.kubernetes import KubernetesCluster
from stickyconf.wait import Budgets, Waiter
from tests.embedded.apiserver_process import needs_kubectl, running_apiserver
from tests.targets.stand_in import sources
from tests.waiting import PATIENCE

GATEWAY_YAML = (Path(__file__).parents[2] / "manifests" / "gateway.yaml").read_text()
SETUP = Setup(kong_image="kong/kong-gateway:3.11.0.14", kic_image="kong/kubernetes-ingress-controller:3.5.13")
SECRET = Kind("v1", "Secret")
LICENCE = Licence('{"license": {"signature": "0123456789abcdef"}}', date(2099, 1, 1))
"""Not one of Kong's."""


def waiter(**seconds: float) -> Waiter:
    return Waiter(Budgets.of({"rollout": PATIENCE, "node": PATIENCE} | seconds))


@pytest.fixture(scope="module")
def kubeconfig() -> Iterator[Path]:
    """A cluster with nothing in it."""
    command = [sys.executable, "-m", "embedded_cluster", "up", "--bare", "--json", "--stdin-lifeline"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    try:
        yield Path(json.loads(process.stdout.readline())["kubeconfig"])
    finally:
        process.stdin.close()
        process.wait(timeout=PATIENCE)
        process.stdout.close()


@pytest.fixture
def do(kubeconfig: Path, tmp_path: Path) -> Callable[[Callable[[KubernetesCluster], Awaitable[Any]]], Any]:
    """Run something against the cluster."""

    def run(action: Callable[[KubernetesCluster], Awaitable[Any]]) -> Any:
        async def connected() -> Any:
            async with KubernetesCluster(kubeconfig, tmp_path / "discovery.json") as cluster:
                return await action(cluster)

        return asyncio.run(connected())

    return run


def environment(deployment: dict[str, Any]) -> dict[str, Any]:
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    return {item["name"]: item.get("value", item.get("valueFrom")) for item in container["env"]}


def test_install_and_change(do):
    """What is installed works, its parameters change while it runs, and the licence is in a Secret and nowhere else."""

    async def story(cluster: KubernetesCluster) -> None:
        await nodes_ready(cluster, waiter())
        images = await install(cluster, waiter(install=PATIENCE), sources(GATEWAY_YAML), SETUP, LICENCE)
        assert images == {"ingress-kong": SETUP.kic_image, "proxy-kong": SETUP.kong_image}

        controller = await cluster.get(DEPLOYMENT, "ingress-kong", "kong")
        gateway = await cluster.get(DEPLOYMENT, "proxy-kong", "kong")
        assert controller["spec"]["strategy"] == {"type": "Recreate"}
        assert environment(controller)["CONTROLLER_ENABLE_DRAIN_SUPPORT"] == "false"
        assert environment(gateway)["KONG_ROUTER_FLAVOR"] == "traditional"
        service = await cluster.get(SERVICE, "kong-proxy", "kong")
        assert service["spec"]["type"] == "NodePort"
        assert service["spec"]["ports"][0]["nodePort"] == 30080

        [secret] = await cluster.list(SECRET, "kong")
        assert base64.b64decode(secret["data"]["license"]).decode() == LICENCE.text
        seen = [await cluster.list(kind, "kong") for kind in (DEPLOYMENT, POD, EVENT, SERVICE)]
        assert "0123456789abcdef" not in json.dumps(seen)

        await reconfigure(cluster, waiter(), drain_support=True, replicas=2, workers=4, router_flavor="expressions")
        controller = await cluster.get(DEPLOYMENT, "ingress-kong", "kong")
        gateway = await cluster.get(DEPLOYMENT, "proxy-kong", "kong")
        assert environment(controller)["CONTROLLER_ENABLE_DRAIN_SUPPORT"] == "true"
        assert environment(controller)["CONTROLLER_KONG_ADMIN_SVC"] == "kong/kong-admin"
        assert environment(gateway)["KONG_NGINX_WORKER_PROCESSES"] == "4"
        assert environment(gateway)["KONG_ROUTER_FLAVOR"] == "expressions"
        assert gateway["status"]["availableReplicas"] == gateway["spec"]["replicas"] == 2

        # A second installation, as on a cluster that was kept, puts everything back as it is asked for.
        await install(cluster, waiter(install=PATIENCE), sources(GATEWAY_YAML), SETUP, LICENCE)
        controller = await cluster.get(DEPLOYMENT, "ingress-kong", "kong")
        assert environment(controller)["CONTROLLER_ENABLE_DRAIN_SUPPORT"] == "false"

    do(story)


def test_a_gateway_that_keeps_ending(do):
    """Its last words are in the message, long before the budget is used up."""
    broken = sources(GATEWAY_YAML)
    [container] = broken.kic[-1]["spec"]["template"]["spec"]["containers"]
    container["command"] = ["python3", "-c", "import sys; sys.exit('no such setting: KONG_X')"]

    async def story(cluster: KubernetesCluster) -> str:
        with pytest.raises(NoTarget) as caught:
            await install(cluster, waiter(install=PATIENCE), broken, SETUP, LICENCE)
        return str(caught.value)

    said = do(story)
    assert "pod kong/proxy-kong-" in said
    assert "keeps ending; it said last: no such setting: KONG_X" in said


def test_not_ready_in_time(do):
    """Who is not ready is named; without a licence that is said to be a likely reason."""
    slow = sources(GATEWAY_YAML)
    [container] = slow.kic[-1]["spec"]["template"]["spec"]["containers"]
    container["command"] = ["sleep", "1000"]

    async def story(cluster: KubernetesCluster) -> str:
        async def slow_pods() -> list[dict[str, Any]]:
            pods = await cluster.list(POD, "kong", "app=proxy-kong")
            return [pod for pod in pods if "1000" in pod["spec"]["containers"][0]["command"]]

        with pytest.raises(NoTarget):
            await install(cluster, waiter(install=0.1), slow, SETUP)
        await waiter().until("a pod that is never ready", "rollout", slow_pods, bool)
        with pytest.raises(NoTarget) as caught:
            await install(cluster, waiter(install=0.1), slow, SETUP)
        return str(caught.value)

    said = do(story)
    assert re.search(r"waited [\d.]+ s for KIC and Kong Gateway to be ready \(budget install\)", said)
    assert "pod kong/proxy-kong-" in said
    assert "there is no licence, which may be the reason: set KONG_LICENSE_DATA" in said


def test_an_image_that_cannot_be_pulled(tmp_path, monkeypatch):
    """The image is named, with why and what to do, once the node has failed for a while."""
    monkeypatch.setattr(installing, "PULL_PATIENCE", 0.2)
    said = "failed to do request: dial tcp: lookup registry-1.docker.io: no such host"
    with running_apiserver() as server:
        server.request("POST", "/api/v1/namespaces", {"metadata": {"name": "kong"}})
        container = {"name": "proxy", "image": SETUP.kong_image}
        pod = {
            "metadata": {"name": "proxy-kong-1", "labels": {"app": "proxy-kong"}},
            "spec": {"containers": [container]},
        }
        server.request("POST", "/api/v1/namespaces/kong/pods", pod)
        waiting = {"reason": "ErrImagePull", "message": said}
        status = container | {"state": {"waiting": waiting}, "ready": False, "restartCount": 0, "imageID": ""}
        server.patch("/api/v1/namespaces/kong/pods/proxy-kong-1/status", {"status": {"containerStatuses": [status]}})

        async def story() -> str:
            async with KubernetesCluster(server.kubeconfig, tmp_path / "discovery.json") as cluster:
                with pytest.raises(NoTarget) as caught:
                    await install(cluster, waiter(install=PATIENCE), sources(GATEWAY_YAML), SETUP)
                return str(caught.value)

        message = asyncio.run(story())
    assert (
        "pod kong/proxy-kong-1: image kong/kong-gateway:3.11.0.14 cannot be pulled: the registry cannot be reached"
        in message
    )
    assert (
        "docker save kong/kong-gateway:3.11.0.14 -o DIR/image.tar on a machine that has it, then --preload-images DIR"
        in message
    )
    assert said in message
    assert "\n" not in message


@needs_kubectl
def test_kubectl_takes_the_gateway_as_it_stands():
    """The file in manifests/ needs no changes to be applied by hand."""
    with running_apiserver() as server:
        server.install_crds()
        server.request("POST", "/api/v1/namespaces", {"metadata": {"name": "kong"}})
        said = server.kubectl("apply", "-f", "-", stdin=GATEWAY_YAML)
    assert "gatewayclass.gateway.networking.k8s.io/kong created" in said
    assert "gateway.gateway.networking.k8s.io/kong created" in said
