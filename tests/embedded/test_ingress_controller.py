"""The KIC stand-in at work: a process between a real API server and real gateways, and its view of the latter."""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import yaml

from embedded_cluster.environment import MisconfiguredError
from embedded_cluster.ingress.__main__ import wiring
from embedded_cluster.ingress.gateways import admin_urls, without_refused
from embedded_cluster.ingress.translation import translate
from stickyconf.mutants import UPSTREAM_MARK, controller, mutants
from tests.embedded.apiserver_process import ApiServer, running_apiserver
from tests.embedded.gateway_process import Gateway, Pod, answers, running_gateway, running_pods, session_of
from tests.embedded.ingress_objects import SETTINGS, cluster, endpoint, route, rule, service, slices, translated
from tests.ports import free_port
from tests.waiting import PATIENCE, eventually

KONG = "/apis/configuration.konghq.com/v1beta1"
GATEWAY_API = "/apis/gateway.networking.k8s.io/v1"
KONG_OBJECTS = {
    f"{GATEWAY_API}/gatewayclasses": """
metadata: {name: kong, annotations: {konghq.com/gatewayclass-unmanaged: "true"}}
spec: {controllerName: konghq.com/kic-gateway-controller}
""",
    f"{GATEWAY_API}/namespaces/kong/gateways": """
metadata: {name: kong}
spec:
  gatewayClassName: kong
  listeners: [{name: proxy, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]
""",
    "/api/v1/namespaces/kong/services": """
metadata: {name: proxy}
spec: {ports: [{port: 80}]}
""",
    "/api/v1/namespaces/kong/pods": """
metadata: {name: controller}
spec: {containers: [{name: main, image: none}]}
""",
}

_numbers = itertools.count(1)


@dataclass
class Site:
    """A namespace with the Service ``echo``, whose endpoints the test writes itself, and routes under its own path."""

    api: ApiServer
    namespace: str

    @property
    def path(self) -> str:
        return f"/{self.namespace}"

    @property
    def upstream(self) -> str:
        return f"/upstreams/httproute.{self.namespace}.echo.0"

    def post(self, group: str, plural: str, name: str, **content: Any) -> None:
        obj = {"metadata": {"name": name, **content.pop("metadata", {})}, **content}
        self.api.request("POST", f"{group}/namespaces/{self.namespace}/{plural}", obj)

    def add_policy(self, name: str, cookie: str) -> None:
        sticky = {"algorithm": "sticky-sessions", "hashOn": {"input": "none"}, "stickySessions": {"cookie": cookie}}
        self.post(KONG, "kongupstreampolicies", name, spec=sticky)

    def add_service(self, name: str, policy: str) -> None:
        annotations = {"konghq.com/upstream-policy": policy}
        self.post("/api/v1", "services", name, metadata={"annotations": annotations}, spec={"ports": [{"port": 80}]})

    def add_route(self, name: str, path: str) -> None:
        backends = [{"name": name, "port": 80}]
        parents = [{"name": "kong", "namespace": "kong"}]
        rules = [{"matches": [{"path": {"value": path}}], "backendRefs": backends}]
        self.post(GATEWAY_API, "httproutes", name, spec={"parentRefs": parents, "rules": rules})

    def endpoints(self, pods: list[Pod], phases: dict[str, str] | None = None, service: str = "echo") -> None:
        """Write the Service's endpoints: each pod ready, or in the phase given (ready, serving, terminating)."""
        for pod in pods:  # they share an address here and differ in the port, so each has a slice of its own
            write_slice(
                self.api, self.namespace, service, pod.name, pod.server_port, (phases or {}).get(pod.name, "TTF")
            )

    def event(self, reason: str, about: str) -> list[str]:
        """The messages of events with that reason about ``Kind/name``."""
        items = self.api.request("GET", f"/api/v1/namespaces/{self.namespace}/events")["items"]
        kind, _, name = about.partition("/")
        wanted = (reason, kind, name)
        return [
            item["message"]
            for item in items
            if (item["reason"], item["involvedObject"]["kind"], item["involvedObject"]["name"]) == wanted
        ]

    def route(self) -> dict[str, Any]:
        return dict(self.api.request("GET", f"{GATEWAY_API}/namespaces/{self.namespace}/httproutes/echo"))

    def weights(self, gateway: Gateway) -> dict[str, int]:
        """Port of each target and its weight."""
        targets = gateway.admin.get(f"{self.upstream}/targets").json().get("data", [])
        return {target["target"].rsplit(":", 1)[1]: target["weight"] for target in targets}

    def served_by(self, gateway: Gateway, path: str = "") -> bool:
        return gateway.get(path or self.path).status_code == 200

    def sessions(self, gateway: Gateway, pods: list[Pod]) -> dict[str, str]:
        """One session's cookie for each pod."""
        found: dict[str, str] = {}
        while len(found) < len(pods):
            answer = gateway.get(self.path)
            found[answer.json()["pod"]] = session_of(answer) or ""
        return found


def write_slice(api: ApiServer, namespace: str, of: str, name: str, port: int, phase: str, port_name: str = "") -> None:
    conditions = {key: letter == "T" for key, letter in zip(("ready", "serving", "terminating"), phase, strict=True)}
    obj = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{of}-{name}", "labels": {"kubernetes.io/service-name": of}},
        "addressType": "IPv4",
        "ports": [{"name": port_name, "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": conditions}],
    }
    where = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices/{of}-{name}"
    api.patch(where, obj, "apply", query="?fieldManager=test&force=true")


@pytest.fixture(scope="module")
def pods() -> Iterator[list[Pod]]:
    with running_pods() as three:
        yield three


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    """An API server with our definitions, the Gateway ``kong`` and the controller's pod."""
    with running_apiserver() as server:
        server.install_crds()
        server.request("POST", "/api/v1/namespaces", {"metadata": {"name": "kong"}})
        for path, obj in KONG_OBJECTS.items():
            server.request("POST", path, yaml.safe_load(obj))
        yield server


@pytest.fixture
def site(api: ApiServer, pods: list[Pod]) -> Site:
    """Three ready pods behind Service and HTTPRoute ``echo``, with the policy ``sticky``."""
    site = Site(api, f"n{next(_numbers)}")
    api.request("POST", "/api/v1/namespaces", {"metadata": {"name": site.namespace}})
    site.add_service("echo", "sticky")
    site.add_policy("sticky", "session_id")
    site.add_route("echo", site.path)
    site.endpoints(pods)
    return site


def announce(api: ApiServer, service: str, port: int) -> None:
    """Have the controllers of that Admin API Service find the one at *port*."""
    write_slice(api, "kong", service, str(port), port, "FFF", "kong-admin")


@contextmanager
def running_controller(api: ApiServer, service: str, **environment: str) -> Iterator[str]:
    """A controller for the Admin APIs of *service*; the URL of its probes."""
    health = f"127.0.0.1:{free_port()}"
    environ = {
        **os.environ,
        "KUBECONFIG": str(api.kubeconfig),
        "POD_NAMESPACE": "kong",
        "POD_NAME": "controller",
        "CONTROLLER_PROXY_SYNC_SECONDS": "0.05",
        "CONTROLLER_KONG_ADMIN_SVC": f"kong/{service}",
        "CONTROLLER_PUBLISH_SERVICE": "kong/proxy",
        "CONTROLLER_HEALTH_PROBE_BIND_ADDRESS": health,
        "CONTROLLER_ENABLE_DRAIN_SUPPORT": "true",
        **environment,
    }
    command = [sys.executable, "-m", "embedded_cluster.ingress"]
    with tempfile.TemporaryFile("w+") as log:  # nobody reads meanwhile, and it would stop at a pipe that is full
        process = subprocess.Popen(command, env=environ, stderr=log, text=True)
        try:
            yield f"http://{health}"
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)
            log.seek(0)
            said = log.read()
            print(said)  # pytest shows it when the test fails
    assert process.returncode == 0
    assert "Traceback" not in said


@contextmanager
def running_both(api: ApiServer, **environment: str) -> Iterator[Gateway]:
    """A gateway, and a controller for it alone."""
    service = f"admin-{next(_numbers)}"
    with running_gateway() as gateway, running_controller(api, service, **environment):
        announce(api, service, gateway.admin.base_url.port or 0)
        yield gateway


@pytest.fixture(scope="module")
def gateway(api: ApiServer) -> Iterator[Gateway]:
    """A gateway whose controller has drain support on."""
    with running_both(api) as running:
        yield running


def test_from_objects_to_sticky_traffic(site: Site, gateway: Gateway, pods: list[Pod]) -> None:
    """Routes are served and sticky; a status that is as it should be is not written again."""
    eventually("all pods are targets", lambda: len(site.weights(gateway)) == 3)
    assert set(site.sessions(gateway, pods)) == {pod.name for pod in pods}
    cookie = session_of(gateway.get(site.path))
    assert len({gateway.get(site.path, cookie=cookie).json()["pod"] for _ in range(10)}) == 1
    eventually("programmed", lambda: conditions_of(site.route()).get("Programmed") == "True")
    assert conditions_of(site.route()) == {"Accepted": "True", "ResolvedRefs": "True", "Programmed": "True"}
    version = site.route()["metadata"]["resourceVersion"]
    site.endpoints(pods[:1], {pods[0].name: "FFF"})
    eventually("the change is in force", lambda: len(site.weights(gateway)) == 2)
    assert site.route()["metadata"]["resourceVersion"] == version


def conditions_of(route: dict[str, Any]) -> dict[str, str]:
    parents = route.get("status", {}).get("parents") or [{}]
    return {each["type"]: each["status"] for each in parents[0].get("conditions", [])}


def test_a_terminating_pod_drains(site: Site, gateway: Gateway, pods: list[Pod]) -> None:
    """With drain support it keeps its sessions and gets no new ones."""
    eventually("all pods are targets", lambda: len(site.weights(gateway)) == 3)
    sessions, leaving = site.sessions(gateway, pods), pods[1]
    site.endpoints(pods, {leaving.name: "FTT"})
    eventually("weight 0", lambda: site.weights(gateway).get(str(leaving.server_port)) == 0)
    assert {gateway.get(site.path).json()["pod"] for _ in range(20)} == {pods[0].name, pods[2].name}
    assert gateway.get(site.path, cookie=sessions[leaving.name]).json()["pod"] == leaving.name


def test_without_drain_support_a_terminating_pod_leaves_at_once(site: Site, pods: list[Pod]) -> None:
    """Its sessions move, with a new cookie."""
    with running_both(site.api, CONTROLLER_ENABLE_DRAIN_SUPPORT="false") as gateway:
        eventually("all pods are targets", lambda: len(site.weights(gateway)) == 3)
        sessions, leaving = site.sessions(gateway, pods), pods[1]
        site.endpoints(pods, {leaving.name: "FTT"})
        eventually("it is no target", lambda: str(leaving.server_port) not in site.weights(gateway))
        answer = gateway.get(site.path, cookie=sessions[leaving.name])
        assert answer.json()["pod"] != leaving.name
        assert session_of(answer)


def test_every_gateway_gets_the_configuration(site: Site) -> None:
    """Also one that appears later, and one that was started anew at the same address. Events tell of each."""
    with running_controller(site.api, "several") as probe, running_gateway() as first:
        eventually("alive", lambda: answers(f"{probe}/healthz"))
        assert httpx.get(f"{probe}/readyz", timeout=PATIENCE).status_code == 503
        announce(site.api, "several", first.admin.base_url.port or 0)
        eventually("the first serves", lambda: site.served_by(first))
        eventually("ready", lambda: httpx.get(f"{probe}/readyz", timeout=PATIENCE).status_code == 200)
        port = free_port()
        announce(site.api, "several", port)  # before it listens
        for _ in range(2):
            with running_gateway(KONG_ADMIN_LISTEN=f"127.0.0.1:{port}") as second:
                eventually("the second serves too", lambda second=second: site.served_by(second))
                cookie = session_of(first.get(site.path))
                assert (
                    first.get(site.path, cookie=cookie).json()["pod"]
                    == second.get(site.path, cookie=cookie).json()["pod"]
                )
    told = Site(site.api, "kong").event("KongConfigurationSucceeded", "Pod/controller")
    assert f"successfully applied Kong configuration to http://127.0.0.1:{port}" in told


def test_a_gateway_that_refuses_a_part_gets_the_rest(site: Site, gateway: Gateway, pods: list[Pod]) -> None:
    """The object it was made of is told, and other changes go on; when it is mended it takes part again."""
    other = f"/upstreams/httproute.{site.namespace}.other.0"
    site.add_policy("bad", "not a cookie's name")
    site.add_service("other", "bad")
    site.endpoints(pods[:1], service="other")
    site.add_route("other", f"{site.path}/other")
    eventually("the refusal is told", lambda: site.event("KongConfigurationApplyFailed", "Service/other"))
    site.endpoints(pods, {pods[0].name: "FTT"})
    eventually("the other change is in force", lambda: site.weights(gateway).get(str(pods[0].server_port)) == 0)
    assert gateway.admin.get(other).status_code == 404
    policy = f"{KONG}/namespaces/{site.namespace}/kongupstreampolicies/bad"
    site.api.patch(policy, {"spec": {"stickySessions": {"cookie": "fine"}}})
    eventually("it takes part", lambda: gateway.admin.get(other).status_code == 200)


def test_a_gateway_that_is_too_old_is_not_asked_to_be_sticky(site: Site) -> None:
    """The Service is told why."""
    with old_admin_api() as (port, posted), running_controller(site.api, "old"):
        announce(site.api, "old", port)
        config = eventually("a configuration", lambda: posted and posted[-1])
        (upstream,) = [u for u in config["upstreams"] if u["name"] == f"httproute.{site.namespace}.echo.0"]
        assert "algorithm" not in upstream
        message = "sticky sessions algorithm specified in KongUpstreamPolicy 'sticky' is not supported with "
        message += "Kong Gateway versions < 3.11.0"
        eventually("the event", lambda: message in site.event("KongConfigurationTranslationFailed", "Service/echo"))


@contextmanager
def old_admin_api() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """The Admin API of a gateway that says it is 3.10 and accepts what it gets: its port, and what it got."""
    posted: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, {"version": "3.10.0.2", "configuration_hash": "1" * 32})

        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer(201, {})

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.server_port, posted
        server.shutdown()


def test_faults_of_the_controller(site: Site, pods: list[Pod]) -> None:
    """The hook's configuration is what the gateways get, mark included; what each fault does is tested below."""
    fault = "keeps_weight_of_terminating_pod"
    _, _, hook = mutants()[fault].hook.partition("=")
    site.endpoints(pods, {pods[1].name: "FTT"})
    with running_both(site.api, EMBEDDED_HOOK=hook) as gateway:
        eventually("a configuration", lambda: site.weights(gateway))
        assert site.weights(gateway).get(str(pods[1].server_port)) == 1
        assert f"{UPSTREAM_MARK}{fault}" in gateway.admin.get(site.upstream).json()["tags"]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"CONTROLLER_ENABLE_DRAIN_SUPPORT": "maybe"}, "CONTROLLER_ENABLE_DRAIN_SUPPORT must be true or false"),
        ({"CONTROLLER_PROXY_SYNC_SECONDS": "-1"}, "CONTROLLER_PROXY_SYNC_SECONDS must be a number of seconds above 0"),
        ({"CONTROLLER_KONG_ADMIN_SVC": "admin"}, "CONTROLLER_KONG_ADMIN_SVC must be NAMESPACE/NAME"),
        ({"EMBEDDED_HOOK": "nowhere:nothing"}, "EMBEDDED_HOOK 'nowhere:nothing' names no MODULE:FUNCTION"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_settings_are_refused(environment: dict[str, str], said: str) -> None:
    """The message names the variable."""
    with pytest.raises(MisconfiguredError) as refused:
        wiring(FINE | environment)
    assert str(refused.value).startswith(said)


FINE = {"CONTROLLER_KONG_ADMIN_SVC": "kong/admin", "CONTROLLER_PUBLISH_SERVICE": "kong/proxy"}


def test_default_settings_are_kics() -> None:
    """Drain support is off, and the sync period is three seconds."""
    defaults = wiring(FINE)
    assert (defaults.settings.drain, defaults.period, defaults.settings.ingress_class) == (False, 3.0, "kong")


def test_what_cannot_be_gets_one_clear_line() -> None:
    """And exit status 2."""
    ended = subprocess.run(
        [sys.executable, "-m", "embedded_cluster.ingress"],
        env={**os.environ, **FINE, "KUBECONFIG": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    assert ended.stderr.startswith("ingress: /nowhere is not a usable kubeconfig")


# -- Gateways ---------------------------------------------------------------------------------------------------------


def test_admin_apis_are_found_unless_they_are_on_their_way_out() -> None:
    """Ready or not: they become ready by being configured. The port's name says whether it is TLS."""
    plain = slices("admin", endpoint(1, "FFF"), endpoint(2, "FTT"), port="kong-admin")
    tls = slices("admin", endpoint(3), port="kong-admin-tls")
    other = slices("admin", endpoint(4), port="metrics")
    assert admin_urls([plain, tls, other]) == ["http://10.0.0.1:8080", "https://10.0.0.3:8080"]


def test_what_a_gateway_refuses_is_left_out_and_no_more() -> None:
    """By service, route, upstream or target; the objects it was made of are named by uid."""
    found = translated(
        service("a"), service("b"), slices("a", endpoint(1)), route(rule("a")), route(rule("b"), name="b")
    )
    refused = [{"entity_type": "target", "entity": {"target": "10.0.0.1:8080"}}]
    left, uids = without_refused(found.config, refused)
    assert [s["name"] for s in left["services"]] == ["httproute.app.b.0"]
    assert [u["name"] for u in left["upstreams"]] == ["httproute.app.b.0"]
    assert uids < found.configured
    assert without_refused(found.config, []) == (found.config, set())


def test_a_gateway_is_never_given_an_empty_configuration() -> None:
    """With it no gateway would become ready: KIC has an upstream ``kong`` in it if there is nothing else."""
    stub = [{"name": "kong", "tags": [], "targets": []}]
    assert translated().config["upstreams"] == stub
    alone = translated(service("a"), slices("a", endpoint(1)), route(rule("a")))
    left, _ = without_refused(alone.config, [{"entity_type": "target", "entity": {"target": "10.0.0.1:8080"}}])
    assert (left["services"], left["upstreams"]) == ([], stub)


# -- Deliberate faults ------------------------------------------------------------------------------------------------


def test_fault_keeps_weight_of_terminating_pod() -> None:
    """The draining pod has the others' weight, and the upstream says why."""
    snapshot = cluster(service(), slices("echo", endpoint(1), endpoint(2, "FTT")), route())
    config = controller.keeps_weight_of_terminating_pod(translate(snapshot, SETTINGS).config, snapshot)
    (upstream,) = config["upstreams"]
    assert [target["weight"] for target in upstream["targets"]] == [1, 1]
    assert upstream["tags"][-1] == f"{UPSTREAM_MARK}keeps_weight_of_terminating_pod"


def test_fault_drops_terminating_pod_at_once() -> None:
    """The draining pod is no target, and the upstream says why; one without draining pods is left alone."""
    ending = slices("echo", endpoint(1), endpoint(2, "FTT"))
    staying = slices("calm", endpoint(3))
    snapshot = cluster(service(), service("calm"), ending, staying, route(), route(rule("calm"), name="calm"))
    config = controller.drops_terminating_pod_at_once(translate(snapshot, SETTINGS).config, snapshot)
    calm, upstream = config["upstreams"]
    assert [target["target"] for target in upstream["targets"]] == ["10.0.0.1:8080"]
    assert upstream["tags"][-1] == f"{UPSTREAM_MARK}drops_terminating_pod_at_once"
    assert not any(tag.startswith(UPSTREAM_MARK) for tag in calm["tags"])
