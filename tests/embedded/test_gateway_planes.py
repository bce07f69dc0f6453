"""Every data plane keeps the same promises behind the same Admin API; what they may differ in is not asked here."""

import threading
from collections.abc import Iterator

import httpx
import pytest

from embedded_cluster.environment import MisconfiguredError
from embedded_cluster.gateway.__main__ import Settings
from embedded_cluster.gateway.planes import PLANES
from tests.embedded.gateway_process import COOKIE, Gateway, Pod, running_gateway, running_pods, session_of, sticky
from tests.waiting import PATIENCE, eventually

NAMES = {"envoy": "Envoy", "haproxy": "HAProxy", "python": "Python proxy"}


@pytest.fixture(scope="module")
def pods() -> Iterator[list[Pod]]:
    with running_pods() as three:
        yield three


@pytest.fixture(scope="module", params=NAMES)
def gateway(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    try:
        version = PLANES[request.param].version()
    except MisconfiguredError as error:
        pytest.skip(str(error))
    with running_gateway(EMBEDDED_DATA_PLANE=request.param) as running:
        shown = running.admin.get("/").json()["data_plane"]
        assert shown == {"name": NAMES[request.param], "version": version}
        yield running


def test_sessions_stay_drain_and_move(gateway: Gateway, pods: list[Pod]) -> None:
    """Equal shares; pinned over fresh connections; weight 0 keeps sessions and gets none; a removed target's move."""
    gateway.push(sticky(pods))
    assert gateway.spread(30) == {pod.name: 10 for pod in pods}
    sessions = gateway.open_sessions(pods)
    for weights in ([100, 100, 100], [100, 0, 100], [0, 0, 0]):
        gateway.push(sticky(pods, list(weights)))
        for pod, cookie in sessions.items():
            answer = gateway.get(cookie=cookie, fresh=True, method="POST", content=b"x")
            assert (answer.json()["pod"], session_of(answer)) == (pod, None)
    assert (gateway.get().status_code, gateway.get().json()["message"]) == (
        503,
        "failure to get a peer from the ring-balancer",
    )
    gateway.push(sticky(pods, [100, 0, 100]))
    assert gateway.spread(20) == {"pod-0": 10, "pod-2": 10}
    gateway.push(sticky(pods, [100, None, 100]))
    for cookie in (sessions["pod-1"], "forged"):
        moved = gateway.get(cookie=cookie)
        assert gateway.get(cookie=session_of(moved)).json()["pod"] == moved.json()["pod"] != "pod-1"


def test_cookie_and_routes_are_the_configured_ones(gateway: Gateway, pods: list[Pod]) -> None:
    """Name, path, no lifetime; outside its path none; the application's own survives; paths are stripped; 404."""
    config = sticky(pods, sticky_sessions_cookie_path="/app")
    config["services"][0]["routes"] = [{"paths": ["/app"], "strip_path": False}, {"paths": ["/echo"]}]
    gateway.push(config)
    theirs, ours = gateway.get("/app/x").headers.get_list("set-cookie")
    assert theirs == "theme=dark"
    assert ours.startswith(f"{COOKIE}=")
    assert "path=/app;" in f"{ours.lower()};"
    assert not {"max-age", "expires"} & {part.split("=")[0].strip().lower() for part in ours.split(";")}
    stripped = gateway.get("/echo/a?b=c")
    assert (stripped.json()["path"], session_of(stripped)) == ("/a?b=c", None)
    assert (gateway.get("/").status_code, gateway.get("/").json()["message"]) == (
        404,
        "no Route matched with those values",
    )


def test_a_target_that_refuses_costs_no_request(gateway: Gateway, pods: list[Pod]) -> None:
    """Its sessions are served elsewhere, with a new cookie."""
    with running_pods(1) as doomed:
        doomed[0].name = "doomed"
        gateway.push(sticky([*pods, *doomed]))
        cookie = gateway.open_sessions([*pods, *doomed])["doomed"]
    answer = gateway.get(cookie=cookie)
    assert answer.status_code == 200
    # A connection that the gateway kept may outlast the listener of the pod that is gone.
    assert (session_of(answer) is None) is (answer.json()["pod"] == "doomed")
    assert {gateway.get().status_code for _ in range(8)} == {200}


PASSIVE = {"healthy": {"successes": 1}, "unhealthy": {"http_failures": 3}}
ACTIVE = {"http_path": "/probe", "healthy": {"successes": 1}, "unhealthy": {"interval": 1}}


def test_a_target_that_answers_503_is_taken_out_and_serves_again_once_it_recovers(
    gateway: Gateway, pods: list[Pod]
) -> None:
    """Passive checks take it out for its sessions, too; active ones let it serve again."""
    gateway.push(sticky(pods, healthchecks={"passive": PASSIVE, "active": ACTIVE}))
    cookie = gateway.open_sessions(pods)["pod-0"]
    pods[0].status = 503
    eventually("it is out", lambda: "pod-0" not in gateway.spread(6))
    assert gateway.get(cookie=cookie).json()["pod"] != "pod-0"
    pods[0].status = 200
    eventually("it serves again", lambda: "pod-0" in gateway.spread(6))
    assert gateway.get(cookie=cookie).json()["pod"] == "pod-0"


def test_without_active_checks_a_target_stays_out(gateway: Gateway, pods: list[Pod]) -> None:
    """As Kong documents it: passive checks cannot see that it is good again. A push changes nothing about that."""
    if gateway.admin.get("/").json()["data_plane"]["name"] == "HAProxy":
        pytest.skip("HAProxy watches answers only beside probes")
    gateway.push(sticky(pods, healthchecks={"passive": PASSIVE}))
    gateway.open_sessions(pods)
    pods[0].status = 503
    gateway.spread(12)
    pods[0].status = 200
    assert gateway.spread(20) == {"pod-1": 10, "pod-2": 10}
    gateway.push(sticky(pods, [100, 100, 50], healthchecks={"passive": PASSIVE}))
    assert "pod-0" not in gateway.spread(12)


def test_a_change_holds_for_kept_connections_and_cuts_no_request(gateway: Gateway, pods: list[Pod]) -> None:
    """A connection from before a change of routes meets the new ones; a request in flight ends as it began."""
    gateway.push(sticky(pods))
    pods[0].entered.clear()
    pods[0].release.clear()
    cookie, answered = gateway.open_sessions(pods)["pod-0"], []
    with httpx.Client(timeout=PATIENCE) as kept:
        assert kept.get(gateway.proxy).status_code == 200
        fields = {"Cookie": f"{COOKIE}={cookie}"}
        visitor = threading.Thread(
            target=lambda: answered.append(
                httpx.get(f"{gateway.proxy}/slow", headers=fields, timeout=PATIENCE).status_code
            )
        )
        visitor.start()
        assert pods[0].entered.wait(PATIENCE)
        config = sticky(pods, [None, 100, 100])
        config["services"][0]["routes"][0]["paths"] = ["/only"]
        gateway.push(config)
        assert [kept.get(f"{gateway.proxy}{path}").status_code for path in ("/", "/only", "/")] == [404, 200, 404]
        pods[0].release.set()
        visitor.join()
    assert answered == [200]


def test_a_kept_connection_outlives_several_changes(gateway: Gateway, pods: list[Pod]) -> None:
    """A connection on which nothing was asked meanwhile is answered as the last of several changes of routes says."""
    gateway.push(sticky(pods))
    with httpx.Client(timeout=PATIENCE) as kept:
        assert kept.get(gateway.proxy).status_code == 200
        for path in ("/first", "/second", "/third"):
            config = sticky(pods)
            config["services"][0]["routes"][0]["paths"] = [path]
            gateway.push(config)
        assert [kept.get(f"{gateway.proxy}{path}").status_code for path in ("/third", "/first")] == [200, 404]


def newcomer(gateway: Gateway, path: str, *, size: int) -> httpx.Response:
    """What a client gets that has no connection yet, and a cookie of so many bytes."""
    fields = {"Cookie": f"{COOKIE}={'x' * size}"}
    return httpx.get(gateway.proxy + path, headers=fields, timeout=PATIENCE, trust_env=False)


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/elsewhere", 404, "no Route matched with those values"),
        ("/nobody", 503, "failure to get a peer from the ring-balancer"),
        ("/dead", 502, "An invalid response was received from the upstream server"),
        ("/large", 400, "Request header or cookie too large"),
    ],
)
def test_own_answers_are_in_kongs_shape(
    gateway: Gateway, pods: list[Pod], path: str, status: int, message: str
) -> None:
    """The id of the request is in body and header; 400 and 502 are plain text, the others JSON; Via names Kong."""
    if path == "/dead" and gateway.admin.get("/").json()["data_plane"]["name"] == NAMES["haproxy"]:
        pytest.skip("to HAProxy a target that refuses is none: 503")
    with running_pods(1) as doomed:
        dead = doomed[0].target
    config = sticky(pods)
    config["services"][0]["routes"][0]["paths"] = ["/large"]
    for name, targets in (("nobody", []), ("dead", [{"target": dead}])):
        config["services"].append({"name": name, "host": name, "routes": [{"paths": [f"/{name}"]}]})
        config["upstreams"].append({"name": name, "targets": targets})
    assert gateway.push(config).status_code == 201
    answer = newcomer(gateway, path, size=9000 if path == "/large" else 1)
    assert answer.status_code == status
    request_id = answer.headers["X-Kong-Request-Id"]
    assert (answer.headers["Via"].startswith("1.1 kong"), answer.headers["X-Kong-Response-Latency"]) == (True, "0")
    if status in (400, 502):
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.text == f"{message}\nrequest_id: {request_id}\n"
    else:
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert answer.json() == {"message": message, "request_id": request_id}


@pytest.mark.parametrize("plane", ["envoy", "python"])
def test_drained_sessions_may_be_refused(pods: list[Pod], plane: str) -> None:
    """As Kong's open-source core refuses everybody while no target has a weight; the Admin API shows the targets."""
    with running_gateway(EMBEDDED_DATA_PLANE=plane, EMBEDDED_DRAINED_SESSIONS="refused") as gateway:
        gateway.push(sticky(pods))
        sessions = gateway.open_sessions(pods)
        gateway.push(sticky(pods, [0, 100, 0]))
        assert {gateway.get(cookie=cookie).json()["pod"] for cookie in sessions.values()} == sessions.keys()
        gateway.push(sticky(pods, [0, 0, 0]))
        assert {gateway.get(cookie=cookie).status_code for cookie in sessions.values()} == {503}
        assert len(gateway.admin.get("/upstreams/echo.0/targets/all").json()["data"]) == 3
        gateway.push(sticky(pods))
        assert {gateway.get(cookie=cookie).json()["pod"] for cookie in sessions.values()} == sessions.keys()


@pytest.mark.parametrize(("size", "status"), [(8000, 200), (9 * 1024, 400), (16 * 1024, 400), (64 * 1024, 400)])
def test_a_cookie_of_more_than_8_kb_is_refused(gateway: Gateway, pods: list[Pod], size: int, status: int) -> None:
    """As nginx does, with its buffers of 8 KB; the next request is served."""
    gateway.push(sticky(pods))
    assert newcomer(gateway, "/", size=size).status_code == status
    assert newcomer(gateway, "/", size=1).status_code == 200


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"EMBEDDED_DATA_PLANE": "nginx"}, "EMBEDDED_DATA_PLANE must be one of envoy, haproxy, python, not 'nginx'"),
        ({"EMBEDDED_DRAINED_SESSIONS": "kept"}, "EMBEDDED_DRAINED_SESSIONS must be served or refused, not 'kept'"),
        (
            {"EMBEDDED_DATA_PLANE": "haproxy", "EMBEDDED_HOOK": "os:getpid"},
            "EMBEDDED_HOOK changes Envoy's resources, and the data plane is haproxy",
        ),
    ],
)
def test_what_cannot_be_is_refused(environment: dict[str, str], said: str) -> None:
    """An unknown data plane, and a fault for Envoy in another."""
    with pytest.raises(MisconfiguredError, match=said):
        Settings.read(environment)


def test_a_machine_without_haproxy_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line that says what to do."""
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(MisconfiguredError, match="no HAProxy on this machine: install the package haproxy"):
        PLANES["haproxy"].version()
