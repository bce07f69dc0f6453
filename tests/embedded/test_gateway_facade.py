"""What the Admin API shows and answers beside the configuration itself, as a Kong does: tried with a Kong 3.10."""

import ssl
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.embedded.gateway_process import Gateway, running_gateway
from tests.ports import free_port
from tests.waiting import PATIENCE

CONSUMER = {"username": "ann", "tags": ["k8s-kind:KongConsumer"]}
CONFIG = {
    "_format_version": "3.0",
    "services": [{"name": name, "host": "a.test", "tags": [f"k8s-name:{name}", "both"]} for name in ("one", "two")],
    "consumers": [CONSUMER],
}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with running_gateway(EMBEDDED_DATA_PLANE="python") as running:
        running.admin.post("/config", json=CONFIG).raise_for_status()
        yield running


def names(gateway: Gateway, query: str) -> list[str]:
    return sorted(each["name"] for each in gateway.admin.get(f"/services{query}").json()["data"])


def test_the_admin_api_speaks_tls_where_it_is_told_to() -> None:
    """With a certificate of its own making, beside the plain one; the root names both listeners."""
    plain, secure = free_port(), free_port()
    listen = f"127.0.0.1:{plain}, 127.0.0.1:{secure} http2 ssl"
    with running_gateway(EMBEDDED_DATA_PLANE="python", KONG_ADMIN_LISTEN=listen) as gateway:
        root = gateway.admin.get("/").json()
        assert [each["ssl"] for each in root["configuration"]["admin_listeners"]] == [False, True]
        told = httpx.get(f"https://127.0.0.1:{secure}/", verify=False, timeout=PATIENCE)  # noqa: S501 - its own
        assert told.json()["node_id"] == root["node_id"]
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"https://127.0.0.1:{secure}/", verify=ssl.create_default_context(), timeout=PATIENCE)


def test_replicas_say_the_same_of_their_proxy(gateway: Gateway) -> None:
    """KIC compares the listeners of all replicas, so none may name its own address."""
    (listener,) = gateway.admin.get("/").json()["configuration"]["proxy_listeners"]
    assert listener["ip"] == "0.0.0.0"  # noqa: S104
    assert listener["port"] == int(gateway.proxy.rpartition(":")[2])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["one", "two"]),
        ("?tags=k8s-name:one", ["one"]),
        ("?tags=both,k8s-name:two", ["two"]),
        ("?tags=k8s-name:one/k8s-name:two", ["one", "two"]),
        ("?tags=nobody", []),
    ],
)
def test_lists_are_filtered_by_tags(gateway: Gateway, query: str, found: list[str]) -> None:
    """``a,b`` asks for both tags, ``a/b`` for either."""
    assert names(gateway, query) == found


def test_what_is_only_kept_is_listed_too(gateway: Gateway) -> None:
    """A KIC that starts reads everything, and takes a missing list for a gateway that cannot be read."""
    assert gateway.admin.get("/consumers").json()["data"] == [CONSUMER]
    for path in ("certificates", "ca_certificates", "key-auths", "vaults", "licenses"):
        assert gateway.admin.get(f"/{path}").json() == {"data": [], "next": None}


def test_plugins_have_schemas(gateway: Gateway) -> None:
    """KIC fills in defaults from them; a plugin that is not there has none."""
    fields = gateway.admin.get("/schemas/plugins/request-termination").json()["fields"]
    settings = next(field["config"] for field in fields if "config" in field)
    assert {"status_code": {"type": "integer", "required": True, "default": 503, "between": [100, 599]}} in settings[
        "fields"
    ]
    assert gateway.admin.get("/schemas/plugins/no-such-plugin").status_code == 404


UPSTREAM = {
    "name": "u",
    "tags": ["mine"],
    "targets": [{"target": "10.0.0.1:80", "weight": 0}, {"target": "10.0.0.2:80"}],
}


def given(gateway: Gateway, *upstreams: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What the gateway answers that is given these *upstreams* and nothing else."""
    answer = gateway.admin.post("/config", json={"_format_version": "3.0", "upstreams": upstreams, **more})
    assert answer.status_code == 201, answer.text
    taken: dict[str, Any] = answer.json()
    return taken


def test_a_configuration_is_answered_by_its_entities_by_id(gateway: Gateway) -> None:
    """As objects in an object, not as a list."""
    taken = given(gateway, UPSTREAM)
    assert taken.keys() == {"upstreams", "targets"}
    [(key, upstream)] = taken["upstreams"].items()
    assert key == upstream["id"] == gateway.admin.get("/upstreams/u").json()["id"]
    assert len(taken["targets"]) == 2


def test_a_list_is_stumbled_over(gateway: Gateway) -> None:
    """500, where anything else that is no configuration gets 400."""
    assert gateway.admin.post("/config", json=[]).status_code == 500


def test_a_reference_that_leads_nowhere_is_no_entitys_fault(gateway: Gateway) -> None:
    """The list of faulty entities is empty, and the message says what is wrong."""
    document = {"_format_version": "3.0", "routes": [{"name": "r", "paths": ["/"], "service": {"name": "nobody"}}]}
    refused = gateway.admin.post("/config", json=document, params={"flatten_errors": 1})
    assert (refused.status_code, refused.json()["flattened_errors"]) == (400, [])
    assert "'nobody' names no entity of 'services'" in refused.json()["message"]


def test_status_says_nothing_of_a_database(gateway: Gateway) -> None:
    """There is none."""
    assert gateway.admin.get("/status").json().keys() == {"configuration_hash", "server", "memory"}


def test_single_targets_tags_schemas_and_endpoints_are_there(gateway: Gateway) -> None:
    """A target by its address or its id; the tags of all entities; the fields of a type; all paths."""
    given(gateway, UPSTREAM)
    target = gateway.admin.get("/upstreams/u/targets/10.0.0.1:80").json()
    assert (target["target"], target["weight"]) == ("10.0.0.1:80", 0)
    assert gateway.admin.get(f"/upstreams/u/targets/{target['id']}").json() == target
    assert gateway.admin.get("/upstreams/u/targets/10.0.0.9:80").status_code == 404
    [tag] = gateway.admin.get("/tags").json()["data"]
    assert (tag["tag"], tag["entity_name"]) == ("mine", "upstreams")
    assert gateway.admin.get("/tags/others").json()["data"] == []
    fields = {name for field in gateway.admin.get("/schemas/upstreams").json()["fields"] for name in field}
    assert {"algorithm", "hash_on", "sticky_sessions_cookie"} <= fields
    assert gateway.admin.get("/schemas/nothings").status_code == 404
    assert {"/config", "/upstreams/{key}/targets/{target}"} <= set(gateway.admin.get("/endpoints").json()["data"])


def test_health_is_known_only_if_it_is_checked(gateway: Gateway) -> None:
    """HEALTHCHECKS_OFF for every target, whatever its weight."""
    checked = {**UPSTREAM, "name": "checked", "healthchecks": {"passive": {"unhealthy": {"tcp_failures": 3}}}}
    given(gateway, UPSTREAM, checked)
    for name, health in (("u", "HEALTHCHECKS_OFF"), ("checked", "HEALTHY")):
        shown = gateway.admin.get(f"/upstreams/{name}/health").json()["data"]
        assert [one["health"] for one in shown] == [health] * 2


@pytest.mark.parametrize(
    ("given_fields", "algorithm"),
    [
        ({"algorithm": "least-connections", "hash_on": "none"}, "round-robin"),
        ({"algorithm": "least-connections"}, "least-connections"),
        ({"algorithm": "sticky-sessions", "hash_on": "none", "sticky_sessions_cookie": "c"}, "sticky-sessions"),
        ({"algorithm": "sticky-sessions", "hash_on": "ip"}, "consistent-hashing"),
        ({"hash_on": "ip"}, "consistent-hashing"),
    ],
)
def test_what_is_hashed_on_decides_the_algorithm(
    gateway: Gateway, given_fields: dict[str, str], algorithm: str
) -> None:
    """Without an error: only sticky sessions stay what they are with ``hash_on: none``."""
    given(gateway, {"name": "u", **given_fields})
    assert gateway.admin.get("/upstreams/u").json()["algorithm"] == algorithm


def test_licences_are_a_thing_of_enterprise() -> None:
    """A release of three numbers is one of the open-source core, which has no such path."""
    for version, status in (("3.11.0.0", 200), ("3.10.0", 404)):
        with running_gateway(EMBEDDED_DATA_PLANE="python", EMBEDDED_GATEWAY_VERSION=version) as gateway:
            assert gateway.admin.get("/licenses").status_code == status
