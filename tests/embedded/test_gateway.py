"""The Kong stand-in as its clients see it: a real process with a real Envoy."""

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
import yaml

from tests.embedded.gateway_process import (
    COOKIE,
    Gateway,
    Pod,
    readiness,
    running_gateway,
    running_pods,
    session_of,
    sticky,
)
from tests.waiting import PATIENCE


@pytest.fixture(scope="module")
def pods() -> Iterator[list[Pod]]:
    with running_pods() as three:
        yield three


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with running_gateway() as running:
        yield running


def test_gateway_is_ready_once_a_configuration_is_in_force(pods: list[Pod]) -> None:
    """Before the first one, and with an empty one, it answers 503 to the probe and has all zeros as hash."""
    with running_gateway() as gateway:
        assert readiness(gateway)[0] == 503
        assert gateway.admin.get("/status").json()["configuration_hash"] == "0" * 32
        assert gateway.get().json()["message"] == "no Route matched with those values"
        assert gateway.push({"_format_version": "3.0", "services": []}).status_code == 201
        assert gateway.admin.get("/status").json()["configuration_hash"] == "0" * 32
        assert readiness(gateway) == (503, "no configuration available (empty configuration present)")
        assert gateway.push(sticky(pods)).status_code == 201
        assert readiness(gateway) == (200, "ready")
        assert gateway.get().status_code == 200


def test_sessions_are_spread_and_keep_their_pod(gateway: Gateway, pods: list[Pod]) -> None:
    """Cookieless requests reach all pods alike; a session's reach one, over kept and fresh connections."""
    gateway.push(sticky(pods))
    assert gateway.spread(300) == {pod.name: 100 for pod in pods}
    for pod, cookie in gateway.open_sessions(pods).items():
        for number in range(20):
            answer = gateway.get(f"/{number}", cookie=cookie, fresh=number % 2 == 0, method="POST", content=b"x")
            assert (answer.json()["pod"], session_of(answer)) == (pod, None)


def test_the_cookie_is_the_configured_one_and_the_applications_own_survives(gateway: Gateway, pods: list[Pod]) -> None:
    """Name and path as in the upstream, no lifetime; outside its path no cookie is set."""
    gateway.push(sticky(pods, sticky_sessions_cookie_path="/app"))
    theirs, ours = gateway.get("/app/x").headers.get_list("set-cookie")
    assert theirs == "theme=dark"
    assert ours.startswith(f"{COOKIE}=")
    assert "Path=/app" in ours
    assert "max-age" not in ours.lower()
    assert "expires" not in ours.lower()
    assert session_of(gateway.get("/elsewhere")) is None


def test_weight_zero_drains(gateway: Gateway, pods: list[Pod]) -> None:
    """A target of weight 0 keeps its sessions and gets no new ones; the weights of the others hold."""
    gateway.push(sticky(pods))
    sessions = gateway.open_sessions(pods)
    gateway.push(sticky(pods, [100, 0, 300]))
    shares = gateway.spread(40)
    assert shares.keys() == {"pod-0", "pod-2"}
    assert abs(shares["pod-0"] - 10) <= 1  # a window of the weighted schedule may begin anywhere in it
    answer = gateway.get(cookie=sessions["pod-1"])
    assert (answer.json()["pod"], session_of(answer)) == ("pod-1", None)


def test_all_targets_draining(gateway: Gateway, pods: list[Pod]) -> None:
    """Sessions go on; a new client gets Kong's words for having no peer."""
    gateway.push(sticky(pods))
    sessions = gateway.open_sessions(pods)
    gateway.push(sticky(pods, [0, 0, 0]))
    assert gateway.get(cookie=sessions["pod-2"]).json()["pod"] == "pod-2"
    refused = gateway.get()
    assert (refused.status_code, refused.json()["message"]) == (503, "failure to get a peer from the ring-balancer")


def test_sessions_of_a_removed_target_move_once(gateway: Gateway, pods: list[Pod]) -> None:
    """They get another target and a new cookie, and that one pins."""
    gateway.push(sticky(pods))
    sessions = gateway.open_sessions(pods)
    gateway.push(sticky(pods, [100, None, 100]))
    moved = gateway.get(cookie=sessions["pod-1"])
    assert moved.json()["pod"] != "pod-1"
    assert {gateway.get(cookie=session_of(moved)).json()["pod"] for _ in range(10)} == {moved.json()["pod"]}
    assert gateway.get(cookie=sessions["pod-0"]).json()["pod"] == "pod-0"


def test_a_target_that_refuses_connections_costs_no_request(gateway: Gateway, pods: list[Pod]) -> None:
    """Before the controller has noticed a dead pod, its sessions are served elsewhere."""
    with running_pods(1) as doomed:
        everyone = [*pods, *doomed]
        doomed[0].name = "doomed"
        gateway.push(sticky(everyone))
        cookie = gateway.open_sessions(everyone)["doomed"]
    assert {gateway.get(cookie=cookie).status_code for _ in range(10)} == {200}
    assert {gateway.get().status_code for _ in range(20)} == {200}


def test_without_the_policy_nothing_is_sticky(gateway: Gateway, pods: list[Pod]) -> None:
    """Round-robin sets no cookie of that name, and one from before no longer pins."""
    gateway.push(sticky(pods))
    cookie = gateway.open_sessions(pods)["pod-0"]
    gateway.push(sticky(pods, algorithm="round-robin"))
    answers = [gateway.get(cookie=cookie) for _ in range(9)]
    assert {answer.json()["pod"] for answer in answers} == {pod.name for pod in pods}
    assert {session_of(answer) for answer in answers} == {None}


def test_consistent_hashing_follows_its_input(gateway: Gateway, pods: list[Pod]) -> None:
    """Equal values of the header lead to one target, many values to all."""
    gateway.push(sticky(pods, algorithm="consistent-hashing", hash_on="header", hash_on_header="x-user"))
    reached = {user: {gateway.get(headers={"x-user": str(user)}).json()["pod"] for _ in range(3)} for user in range(40)}
    assert all(len(targets) == 1 for targets in reached.values())
    assert set.union(*reached.values()) == {pod.name for pod in pods}


def test_configuration_changes_fail_no_request(gateway: Gateway, pods: list[Pod]) -> None:
    """While targets drain and return and routes come and go, a session is answered by its pod all the time."""
    gateway.push(sticky(pods))
    cookie = gateway.open_sessions(pods)["pod-0"]
    stop, wrong = threading.Event(), []

    def visit() -> None:
        with httpx.Client(timeout=PATIENCE) as client:
            while not stop.is_set():
                answer = client.get(gateway.proxy, headers={"Cookie": f"{COOKIE}={cookie}"})
                if answer.status_code != 200 or answer.json()["pod"] != "pod-0":
                    wrong.append(answer.text)

    visitors = [threading.Thread(target=visit) for _ in range(3)]
    for visitor in visitors:
        visitor.start()
    for number in range(40):
        config = sticky(pods, [100, number % 2, 100])
        if number % 3:
            config["services"].append(
                {"name": "other", "host": pods[0].target.split(":")[0], "port": pods[0].server_port}
            )
            config["services"][1]["routes"] = [{"paths": ["/other"]}]
        assert gateway.push(config).status_code == 201
    stop.set()
    for visitor in visitors:
        visitor.join()
    assert not wrong


def test_targets_by_name_are_resolved(gateway: Gateway, pods: list[Pod]) -> None:
    """An upstream may change from addresses to host names and back."""
    named = sticky(pods)
    for target in named["upstreams"][0]["targets"]:
        target["target"] = target["target"].replace("127.0.0.1", "localhost")
    for config in (sticky(pods), named, sticky(pods)):
        assert gateway.push(config).status_code == 201
        assert gateway.spread(30) == {pod.name: 10 for pod in pods}
        answer = gateway.get()
        assert gateway.get(cookie=session_of(answer)).json()["pod"] == answer.json()["pod"]


def test_two_services_never_mix(gateway: Gateway, pods: list[Pod]) -> None:
    """A cookie of one upstream presented to another leads to the other's targets, and is replaced."""
    config = sticky(pods[:2])
    config["services"].append({"name": "b", "host": "b", "routes": [{"paths": ["/b"], "strip_path": False}]})
    policy = {"algorithm": "sticky-sessions", "sticky_sessions_cookie": COOKIE}
    config["upstreams"].append({"name": "b", **policy, "targets": [{"target": pods[2].target}]})
    gateway.push(config)
    first = session_of(gateway.get("/"))
    answer = gateway.get("/b", cookie=first)
    assert answer.json()["pod"] == "pod-2"
    assert session_of(answer)


def test_http2_and_websockets_are_sticky_too(gateway: Gateway, pods: list[Pod]) -> None:
    """HTTP/2 by prior knowledge, and the 101 of an upgrade, follow and set the cookie."""
    gateway.push(sticky(pods))
    sessions = gateway.open_sessions(pods)
    with httpx.Client(http1=False, http2=True, timeout=PATIENCE) as client:
        for pod, cookie in sessions.items():
            answer = client.get(gateway.proxy, headers={"Cookie": f"{COOKIE}={cookie}"})
            assert (answer.http_version, answer.json()["pod"]) == ("HTTP/2", pod)
    host, port = gateway.proxy.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        head = sock.recv(4096)
        assert head.startswith(b"HTTP/1.1 101 ")
        assert f"set-cookie: {COOKIE}=".encode() in head
        sock.sendall(b"through the tunnel\n")
        assert sock.recv(4096) == b"through the tunnel\n"


ROUTES = [
    {"name": "fallback", "paths": ["/"]},
    {"name": "prefix", "paths": ["/echo/"], "strip_path": True},
    {"name": "longer", "paths": ["/echo/deep"], "strip_path": True},
    {"name": "exact", "paths": ["~/echo$"], "strip_path": False},
    {"name": "regex", "paths": [r"~/item/(?<id>\d+)"], "strip_path": True},
    {"name": "urgent", "paths": [r"~/item/\d\d"], "regex_priority": 5, "strip_path": False},
    {"name": "host", "hosts": ["a.example"], "paths": ["/echo/"], "strip_path": False},
    {"name": "wildcard", "hosts": ["*.example"], "paths": ["/echo/"], "strip_path": False},
    {"name": "posts", "methods": ["POST"], "paths": ["/echo/"], "strip_path": False},
    {"name": "beta", "headers": {"x-track": ["beta", "next"]}, "paths": ["/echo/"], "strip_path": False},
    {"name": "browsers", "headers": {"user-agent": ["~*fire(fox)?"]}, "paths": ["/"], "strip_path": False},
    {"name": "tls-only", "paths": ["/secure"], "protocols": ["https"]},
]
REQUESTS: list[tuple[str, str, dict[str, str], str, str]] = [
    ("GET", "/other", {}, "fallback", "/base/other"),
    ("GET", "/echo/x?q=1", {}, "prefix", "/base/x?q=1"),
    ("GET", "/echo/deep/x", {}, "longer", "/base/x"),
    ("GET", "/echo", {}, "exact", "/base/echo"),
    ("GET", "/echo/./y/../x", {}, "prefix", "/base/x"),
    ("GET", "/item/7/more", {}, "regex", "/base/more"),
    ("GET", "/item/77", {}, "urgent", "/base/item/77"),
    ("GET", "/echo/x", {"Host": "A.example:8000"}, "host", "/base/echo/x"),
    ("GET", "/echo/x", {"Host": "b.c.example"}, "wildcard", "/base/echo/x"),
    ("GET", "/echo/x", {"Host": "example"}, "prefix", "/base/x"),
    ("POST", "/echo/x", {}, "posts", "/base/echo/x"),
    ("GET", "/echo/x", {"X-Track": "Beta"}, "beta", "/base/echo/x"),
    ("GET", "/any", {"User-Agent": "Mozilla Firefox 1"}, "browsers", "/base/any"),
]


@pytest.fixture(scope="module")
def routed(gateway: Gateway, pods: list[Pod]) -> Gateway:
    """The gateway with all of ROUTES, each of which tells its name to the pod."""
    host, port = pods[0].target.split(":")
    services = []
    for route in ROUTES:
        tell = {"name": "request-transformer", "config": {"add": {"headers": [f"x-route:{route['name']}"]}}}
        nested = {**route, "plugins": [tell]}
        services.append({"name": route["name"], "host": host, "port": int(port), "path": "/base/", "routes": [nested]})
    answer = gateway.push({"_format_version": "3.0", "services": services})
    assert answer.status_code == 201, answer.text
    return gateway


@pytest.mark.parametrize(("method", "path", "headers", "route", "upstream_path"), REQUESTS)
def test_routes_match_as_in_kong(
    routed: Gateway, method: str, path: str, headers: dict[str, str], route: str, upstream_path: str
) -> None:
    """More criteria first, plain hosts before wildcards, regexes before prefixes, longer before shorter."""
    answer = routed.get(path, method=method, headers=headers).json()
    assert (answer["headers"]["x-route"], answer["path"]) == (route, upstream_path)


def test_a_route_for_tls_asks_for_it(routed: Gateway) -> None:
    """A route with protocol https alone answers 426 on a plain connection."""
    assert routed.get("/secure").status_code == 426


def test_a_bad_configuration_is_refused_field_by_field(gateway: Gateway, pods: list[Pod]) -> None:
    """Every fault is named with its entity and tags, in Kong's shape, and the old configuration stays in force."""
    gateway.push(sticky(pods))
    in_force = gateway.admin.get("/status").json()["configuration_hash"]
    config = sticky(pods, [70000, 1, 1], sticky_sessions_cookie=None, algorithm="sticky-sessions")
    config["upstreams"].append({"name": "moody", "hash_on": "mood"})
    config["services"][0]["routes"][0]["paths"] = ["echo", "/a//b"]
    config["services"][0]["colour"] = "red"
    refused = gateway.push(config)
    assert refused.status_code == 400
    body = refused.json()
    assert (body["code"], body["name"]) == (14, "invalid declarative configuration")
    assert (body["message"], body["fields"]) == ("declarative config is invalid: {}", {})
    found = {
        (error["entity_type"], error.get("entity_name"), fault.get("field")): fault["message"]
        for error in body["flattened_errors"]
        for fault in error["errors"]
    }
    assert found == {
        ("service", "echo.0", "colour"): "unknown field",
        ("route", "echo.0.0", "paths"): "should start with: / (fixed path) or ~/ (regex path)",
        ("upstream", "moody", "hash_on"): (
            "expected one of: none, consumer, ip, header, cookie, path, query_arg, uri_capture"
        ),
        ("upstream", "echo.0", "sticky_sessions_cookie"): "required field missing",
        ("upstream", "echo.0", None): "failed conditional validation given value of field 'algorithm'",
        ("target", None, "weight"): "value should be between 0 and 65535",
    }
    about = {error["entity_type"]: error for error in body["flattened_errors"]}
    posted = {name: value for name, value in config["services"][0].items() if name != "routes"}
    assert (about["service"]["entity"], about["service"]["entity_tags"]) == (posted, ["k8s-name:echo"])
    assert about["target"]["entity"] == {"target": pods[0].target, "weight": 70000}
    assert not [error for error in body["flattened_errors"] if "entity_id" in error]
    assert "weight: value should be" in gateway.push(config, flatten_errors=0).json()["message"]
    assert gateway.admin.get("/status").json()["configuration_hash"] == in_force
    assert gateway.get().status_code == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"of one line", "expected a declarative configuration"),
        (b"{", "failed parsing declarative configuration"),
        (b"{}", "_format_version: required field missing"),
        (b'{"_format_version": "9"}', "_format_version: expected one of"),
        (b'{"_format_version": "3.0", "gadgets": []}', "gadgets: unknown field"),
        (b'{"_format_version": "3.0", "services": {}}', "services: expected an array of records"),
        (b'{"_format_version": "3.0", "routes": [{"paths": ["/"], "service": "x"}]}', "'x' names no entity"),
        (b'{"_format_version": "3.0", "routes": [{"name": "r"}]}', "must set one of 'methods'"),
        (b'{"_format_version": "3.0", "routes": [{"paths": ["~/("]}]}', "invalid regex"),
        (b'{"_format_version": "3.0", "upstreams": [{"name": "u"}, {"name": "u"}]}', "uniqueness violation"),
        (b'{"_format_version": "3.0", "upstreams": [{"name": "10.0.0.1"}]}', "Invalid name"),
        (b'{"_format_version": "3.0", "targets": [{"target": "no-port"}]}', "Invalid target"),
        (b'{"_format_version": "3.0", "upstreams": [{"name": "u", "slots": "many"}]}', "expected an integer"),
    ],
)
def test_a_document_that_is_no_configuration_is_refused(gateway: Gateway, body: bytes, said: str) -> None:
    """The answer is 400 and its message names what is wrong."""
    refused = gateway.admin.post("/config", content=body)
    assert refused.status_code == 400
    assert said in refused.json()["message"]


def test_what_envoy_refuses_changes_nothing(gateway: Gateway, pods: list[Pod]) -> None:
    """The answer is 500 with Envoy's reason, the old configuration stays, and the next good one is taken."""
    gateway.push(sticky(pods))
    cookie = gateway.open_sessions(pods)["pod-1"]
    config = sticky(pods, [100, 0, 100])
    config["services"].append({"name": "new", "host": "new", "routes": [{"paths": ["~/ahead(?=of)"]}]})
    config["upstreams"].append({"name": "new", "targets": [{"target": pods[0].target}]})
    refused = gateway.push(config)
    assert refused.status_code == 500
    assert "(?=" in refused.json()["message"]
    assert gateway.get(cookie=cookie).json()["pod"] == "pod-1"
    assert gateway.spread(30) == {pod.name: 10 for pod in pods}
    config["services"][1]["routes"] = [{"paths": ["/new"]}]
    assert gateway.push(config).status_code == 201
    assert gateway.get("/new").json()["pod"] == "pod-0"


def test_an_equal_configuration_is_taken_again(gateway: Gateway, pods: list[Pod]) -> None:
    """With check_hash=1, too: a Kong 3.10 answers 201 and loads it anew."""
    gateway.push(sticky(pods))
    before = gateway.admin.get("/status").json()["configuration_hash"]
    assert gateway.push(sticky(pods)).status_code == 201
    assert gateway.push(sticky(pods), check_hash=0).status_code == 201
    assert gateway.admin.get("/status").json()["configuration_hash"] == before


def test_admin_api_shows_what_is_in_force(gateway: Gateway, pods: list[Pod]) -> None:
    """By name and by id, with Kong's defaults filled in, in Kong's list shape."""
    gateway.push(sticky(pods, [100, 0, 100]))
    admin = gateway.admin
    upstream = admin.get("/upstreams/echo.0").json()
    shown = {key: upstream[key] for key in ("algorithm", "hash_on", "sticky_sessions_cookie_path", "slots")}
    assert shown == {
        "algorithm": "sticky-sessions",
        "hash_on": "none",
        "sticky_sessions_cookie_path": "/",
        "slots": 10000,
    }
    assert admin.get(f"/upstreams/{upstream['id']}").json() == upstream
    assert admin.get("/upstreams").json() == {"data": [upstream], "next": None}
    targets = admin.get("/upstreams/echo.0/targets").json()["data"]
    assert [(target["target"], target["weight"]) for target in targets] == [
        (pod.target, weight) for pod, weight in zip(pods, [100, 0, 100], strict=True)
    ]
    health = admin.get("/upstreams/echo.0/health").json()["data"]
    assert [target["health"] for target in health] == ["HEALTHCHECKS_OFF"] * 3
    route = admin.get("/services/echo.0/routes").json()["data"][0]
    assert admin.get("/routes/echo.0.0").json() == route
    assert route["service"] == {"id": admin.get("/services/echo.0").json()["id"]}
    missing = admin.get("/upstreams/nobody")
    assert (missing.status_code, missing.json()) == (404, {"message": "Not found"})


def test_lists_come_in_pages_as_kong_gives_them(gateway: Gateway, pods: list[Pod]) -> None:
    """By size and offset; but /targets ends after 100 whatever is asked for, as a real Kong's does. All are used."""
    config = sticky(pods)
    closed = [{"target": f"127.0.0.1:{port}", "weight": 0} for port in range(1000, 1149)]
    config["upstreams"][0]["targets"] = [*closed, {"target": pods[0].target, "weight": 1}]
    assert gateway.push(config).status_code == 201
    assert gateway.get().json()["pod"] == pods[0].name
    admin, there = gateway.admin, "/upstreams/echo.0/targets"
    first = admin.get(there, params={"size": 1000}).json()
    assert (len(first["data"]), first["next"]) == (100, None)
    assert len(admin.get(f"{there}/all", params={"size": 1000}).json()["data"]) == 150
    read, following = [], f"{there}/all?size=60"
    while following:
        page = admin.get(following).json()
        assert bool(page["next"]) == ("offset" in page)
        read += [target["target"] for target in page["data"]]
        following = page["next"] and f"{page['next']}&size=60"
    assert len(read) == len(set(read)) == 150
    assert admin.get(f"{there}/all", params={"size": 0}).status_code == 400
    assert admin.get(f"{there}/all", params={"offset": "!"}).status_code == 400


def test_configuration_is_yaml_in_a_string(gateway: Gateway, pods: list[Pod]) -> None:
    """GET /config gives what was posted, as text that YAML reads."""
    gateway.push(sticky(pods))
    text = gateway.admin.get("/config").json()["config"]
    assert text.startswith("_format_version:")
    assert yaml.safe_load(text) == sticky(pods)


def test_root_names_the_stand_in_and_its_envoy(gateway: Gateway) -> None:
    """Clients read a version of at least 3.11; nobody takes it for Kong Gateway."""
    root = gateway.admin.get("/").json()
    assert root["version"].startswith("3.11.0")
    assert root["edition"] == "embedded"
    assert root["data_plane"] == {"name": "Envoy", "version": "1.40.0"}
    assert root["configuration"]["database"] == "off"


def test_posted_yaml_is_understood(gateway: Gateway) -> None:
    """As Kong takes it: text in the field ``config``, or the body itself."""
    text = "_format_version: '3.0'\nupstreams:\n- name: from-yaml\n"
    assert gateway.admin.post("/config", json={"config": text}).status_code == 201
    assert gateway.admin.get("/upstreams/from-yaml").status_code == 200
    assert gateway.admin.post("/config", content=text.replace("from", "raw")).status_code == 201
    assert gateway.admin.get("/upstreams/raw-yaml").status_code == 200


def test_a_release_before_3_11_has_no_sticky_sessions(pods: list[Pod]) -> None:
    """The Admin API says which release it is, refuses the fields of sticky sessions, and does not show them."""
    with running_gateway(EMBEDDED_GATEWAY_VERSION="3.10.0") as gateway:
        assert gateway.admin.get("/").json()["version"].startswith("3.10.0")
        refused = gateway.push(sticky(pods))
        assert refused.status_code == 400
        [upstream] = refused.json()["flattened_errors"]
        assert ("sticky_sessions_cookie", "unknown field") in {(e["field"], e["message"]) for e in upstream["errors"]}
        document = sticky(pods)
        for upstream in document["upstreams"]:
            for field in ("algorithm", "sticky_sessions_cookie", "sticky_sessions_cookie_path"):
                upstream.pop(field, None)
        assert gateway.push(document).status_code == 201
        [shown] = gateway.admin.get("/upstreams").json()["data"]
        assert not [field for field in shown if field.startswith("sticky")]
        assert session_of(gateway.get()) is None
