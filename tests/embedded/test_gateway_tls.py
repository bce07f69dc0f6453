"""The gateway's listener for TLS: each name gets its own certificate, and sessions are as sticky as without TLS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import trustme

from embedded_cluster.keypair import pair_fault
from stickyconf.mutants import RESPONSE_MARK, mutants
from tests.embedded.gateway_process import COOKIE, Gateway, Pod, running_gateway, running_pods, session_of, sticky
from tests.ports import free_port
from tests.waiting import PATIENCE

AUTHORITY = trustme.CA()


def certificate(*names: str, of: trustme.CA = AUTHORITY) -> dict[str, Any]:
    """Return Kong's entity, as KIC posts it, for these SNIs."""
    leaf = of.issue_cert(*names)
    chain = "".join(pem.bytes().decode() for pem in leaf.cert_chain_pems)
    identifier = f"00000000-0000-4000-8000-{abs(hash(names)) % 10**12:012d}"
    snis = [{"name": name, "certificate": {"id": identifier}} for name in names]
    return {"id": identifier, "cert": chain, "key": leaf.private_key_pem.bytes().decode(), "snis": snis}


SHOP, BANK = certificate("shop.test"), certificate("*.bank.test")


class Secure:
    """A client that trusts one authority and asks for a name."""

    def __init__(self, port: int) -> None:
        self._url = f"https://127.0.0.1:{port}"
        self._trust = ssl.create_default_context(cadata=AUTHORITY.cert_pem.bytes().decode())

    def get(self, name: str, *, http2: bool = False, headers: Any = (), path: str = "/") -> httpx.Response:
        with httpx.Client(verify=self._trust, http2=http2, trust_env=False, timeout=PATIENCE) as client:
            fields = [("Host", name), *headers]
            return client.get(self._url + path, headers=fields, extensions={"sni_hostname": name})


@pytest.fixture(scope="module")
def pods() -> Iterator[list[Pod]]:
    with running_pods() as three:
        yield three


@pytest.fixture(scope="module", params=["envoy", "python"])
def running(request: pytest.FixtureRequest) -> Iterator[tuple[Gateway, Secure]]:
    plain, tls = free_port(), free_port()
    listen = f"127.0.0.1:{plain}, 127.0.0.1:{tls} ssl"
    with running_gateway(KONG_PROXY_LISTEN=listen, EMBEDDED_DATA_PLANE=request.param) as gateway:
        yield gateway, Secure(tls)


def test_each_name_gets_its_own_certificate(running: tuple[Gateway, Secure], pods: list[Pod]) -> None:
    """The client verifies each; a name without one gets none; a certificate that goes is no longer served."""
    gateway, secure = running
    assert gateway.push({**sticky(pods), "certificates": [SHOP, BANK]}).status_code == 201
    for name in ("shop.test", "a.bank.test"):
        assert secure.get(name).json()["headers"]["x-forwarded-proto"] == "https"
    assert gateway.get().json()["headers"]["x-forwarded-proto"] == "http"
    with pytest.raises(httpx.ConnectError):
        secure.get("other.test")
    gateway.push({**sticky(pods), "certificates": [BANK]})
    with pytest.raises(httpx.ConnectError):
        secure.get("shop.test")
    assert secure.get("a.bank.test").status_code == 200


def test_a_certificate_for_every_name_is_served_if_no_other_is(
    running: tuple[Gateway, Secure], pods: list[Pod]
) -> None:
    """SNI "*": KIC's for a listener without a host name. The client still looks whose it is."""
    gateway, secure = running
    every = certificate("any.test")
    every["snis"] = [{"name": "*"}]
    gateway.push({**sticky(pods), "certificates": [SHOP, every]})
    assert secure.get("any.test").status_code == secure.get("shop.test").status_code == 200
    with pytest.raises(httpx.ConnectError, match=r"other\.test"):
        secure.get("other.test")


@pytest.mark.parametrize("http2", [False, True])
def test_sessions_stay_over_tls(running: tuple[Gateway, Secure], pods: list[Pod], http2: bool) -> None:
    """HTTP/2 is offered by ALPN, by Envoy; the cookie pins, over TLS and without, also in fields of their own."""
    gateway, secure = running
    http2 = http2 and gateway.admin.get("/").json()["data_plane"]["name"] == "Envoy"
    gateway.push({**sticky(pods), "certificates": [SHOP]})
    opened = [secure.get("shop.test", http2=http2) for _ in range(4)]
    assert {answer.http_version for answer in opened} == {"HTTP/2" if http2 else "HTTP/1.1"}
    assert len({answer.json()["pod"] for answer in opened}) > 1
    for answer in opened:
        cookie, pod = session_of(answer), answer.json()["pod"]
        fields = [("Cookie", "theme=dark"), ("Cookie", f"{COOKIE}={cookie}")]
        assert {secure.get("shop.test", http2=http2, headers=fields).json()["pod"] for _ in range(3)} == {pod}
        assert gateway.get(cookie=cookie).json()["pod"] == pod


def test_a_route_for_tls_alone_is_served_over_tls(running: tuple[Gateway, Secure], pods: list[Pod]) -> None:
    gateway, secure = running
    config = sticky(pods)
    config["services"][0]["routes"][0]["protocols"] = ["https"]
    gateway.push({**config, "certificates": [SHOP]})
    assert (gateway.get().status_code, secure.get("shop.test").status_code) == (426, 200)


def test_the_admin_api_lists_the_listener_and_the_certificates(
    running: tuple[Gateway, Secure], pods: list[Pod]
) -> None:
    gateway, _ = running
    gateway.push({**sticky(pods), "certificates": [SHOP]})
    listeners = gateway.admin.get("/").json()["configuration"]["proxy_listeners"]
    assert [listener["ssl"] for listener in listeners] == [False, True]
    [sni] = gateway.admin.get("/snis").json()["data"]
    [held] = gateway.admin.get("/certificates").json()["data"]
    assert (sni["name"], sni["certificate"]) == ("shop.test", {"id": held["id"]})


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"key": None}, 400, "required field missing"),
        ({"cert": "hello"}, 400, "invalid: not in PEM"),
        ({"snis": [{"name": "no name"}]}, 400, "invalid sni name"),
        ({"key": BANK["key"]}, 500, "no pair"),
    ],
)
def test_what_is_no_certificate_is_refused(
    running: tuple[Gateway, Secure], pods: list[Pod], changed: dict[str, Any], status: int, said: str
) -> None:
    """What was in force stays, and nothing of the key is said."""
    gateway, secure = running
    gateway.push({**sticky(pods), "certificates": [SHOP]})
    answer = gateway.push({**sticky(pods), "certificates": [SHOP | changed]})
    about = answer.json().get("flattened_errors", [{}])[0].get("errors", [{"message": answer.json()["message"]}])
    assert (answer.status_code, said in about[0]["message"]) == (status, True)
    assert "PRIVATE" not in answer.json()["message"] + str(about)
    assert secure.get("shop.test").status_code == 200


def test_pins_not_over_tls(pods: list[Pod]) -> None:
    """The fault strays over TLS, and marks that; without TLS the same cookie pins, unmarked."""
    plain, tls = free_port(), free_port()
    listen, secure = f"127.0.0.1:{plain}, 127.0.0.1:{tls} ssl", Secure(tls)
    _, _, hook = mutants()["pins_not_over_tls"].hook.partition("=")
    with running_gateway(KONG_PROXY_LISTEN=listen, EMBEDDED_HOOK=hook) as gateway:
        assert gateway.push({**sticky(pods), "certificates": [SHOP]}).status_code == 201
        opened = gateway.get()
        cookie, pod = session_of(opened), opened.json()["pod"]
        fields = [("Cookie", f"{COOKIE}={cookie}")]
        astray = [secure.get("shop.test", headers=fields) for _ in range(20)]
        assert {answer.json()["pod"] for answer in astray} == {one.name for one in pods}
        assert all(RESPONSE_MARK in answer.headers for answer in astray if answer.json()["pod"] != pod)
        pinned = [gateway.get(cookie=cookie) for _ in range(10)]
        assert {(answer.json()["pod"], RESPONSE_MARK in answer.headers) for answer in pinned} == {(pod, False)}


def test_a_pair_is_looked_at_in_memory() -> None:
    assert pair_fault(SHOP["cert"], SHOP["key"]) is None
    assert "no pair" in (pair_fault(SHOP["cert"], BANK["key"]) or "")
    assert "no pair" in (pair_fault("-----BEGIN CERTIFICATE-----", SHOP["key"]) or "")
