"""What a real KIC asks of the Admin API beside pushing configurations: TLS, its root, its lists, plugin schemas."""

import ssl
from collections.abc import Iterator

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
