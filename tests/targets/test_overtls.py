"""The way over TLS: found or missing for a reason, and what a client there asks for and trusts."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from stickyconf.model import Answered, Refused
from stickyconf.ports import OutOfReach, Request
from stickyconf.targets.installation import Installation
from stickyconf.targets.overtls import OverTls, over_tls
from stickyconf.targets.traffic import HttpTraffic

AUTHORITY, OTHER = trustme.CA(), trustme.CA()
PEM = AUTHORITY.cert_pem.bytes().decode()
PLAIN = "http://127.0.0.1:1"


@contextlib.asynccontextmanager
async def server(of: trustme.CA = AUTHORITY, name: str = "shop.test") -> AsyncIterator[tuple[int, list[str | None]]]:
    """A server with a certificate: its port, and the names that it is asked for."""
    asked: list[str | None] = []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.sni_callback = lambda _, name, __: asked.append(name)
    of.issue_cert(name).configure_cert(context)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as listening:
        yield listening.sockets[0].getsockname()[1], asked


@pytest.mark.parametrize(
    ("of", "name", "answered"),
    [(AUTHORITY, "shop.test", True), (OTHER, "shop.test", False), (AUTHORITY, "x.test", False)],
)
def test_a_client_asks_for_its_host_and_trusts_its_authority_alone(
    loop: Any, of: trustme.CA, name: str, answered: bool
) -> None:
    async def play() -> tuple[Any, list[str | None]]:
        async with server(of, name) as (port, asked):
            way = OverTls(port=443, address=lambda _: f"https://127.0.0.1:{port}")
            traffic = HttpTraffic(PLAIN, timedelta(seconds=15), tls=way)
            async with traffic.line(fresh=True, authority=PEM) as line:
                return [await line.send(Request("GET", "shop.test", "/", "r1")) for _ in range(2)], asked

    replies, asked = loop.run(play())
    assert [type(reply.outcome) for reply in replies] == [Answered if answered else Refused] * 2
    assert asked == ["shop.test", "shop.test"]


def test_without_a_way_the_reason_is_said() -> None:
    with pytest.raises(OutOfReach, match="no way to the gateway over TLS is known"):
        HttpTraffic(PLAIN, timedelta(seconds=15)).over_tls()


class Cluster:
    """A proxy's Service with these ports, and one endpoint behind each."""

    def __init__(self, *ports: dict[str, Any], pod: str = "kong-1") -> None:
        self._ports, self._pod = list(ports), pod

    async def get(self, *_: object) -> dict[str, Any]:
        return {"spec": {"ports": self._ports}}

    async def list(self, *_: object) -> list[dict[str, Any]]:
        ports = [{"name": one.get("name", ""), "port": one["targetPort"]} for one in self._ports]
        target = {"targetRef": {"name": self._pod}} if self._pod else {}
        return [{"ports": ports, "endpoints": [{"addresses": ["127.0.0.1"], **target}]}]

    async def forward(self, *_: object) -> object:
        raise OSError("nobody forwards here")


HTTP = {"name": "kong-proxy", "port": 80, "targetPort": 8000}


def https(port: int = 8443) -> dict[str, Any]:
    return {"name": "kong-proxy-tls", "port": 443, "targetPort": port}


def found(loop: Any, cluster: Cluster, **more: Any) -> OverTls:
    async def look() -> OverTls:
        installed = Installation(target="kind", kubeconfig=Path("k"), tempo=None, proxy_service="kong-proxy", **more)
        async with over_tls(cluster, installed) as way:
            return way

    return loop.run(look())


def test_an_address_that_is_known_is_used_for_every_replica(loop: Any) -> None:
    way = found(loop, Cluster(HTTP, https()), tls_url="https://127.0.0.9:8443", behind_no_service=True)
    assert (way.entrance("http://127.0.0.10:8000").address, way.port) == ("https://127.0.0.10:8443", 443)


@pytest.mark.parametrize(
    ("cluster", "more", "said"),
    [
        (Cluster(HTTP), {}, "Service kong/kong-proxy has no port for TLS"),
        (Cluster(HTTP, https()), {"behind_no_service": True}, "by a way that carries no TLS"),
        (Cluster(HTTP, https(), pod=""), {}, "no pod behind Service kong/kong-proxy is ready at its port for TLS"),
        (Cluster(HTTP, https()), {}, "pod kong-1 does not speak TLS at port 8443, through the Kubernetes API"),
    ],
)
def test_what_is_missing_is_said(loop: Any, cluster: Cluster, more: dict[str, Any], said: str) -> None:
    with pytest.raises(OutOfReach, match=said):
        found(loop, cluster, **more).entrance(PLAIN)


def test_a_pods_own_address_is_taken_if_these_are_reached(loop: Any) -> None:
    async def play() -> str:
        async with server() as (port, _):
            installed = Installation(
                target="kubeconfig", kubeconfig=Path("k"), tempo=None, proxy_service="p", direct_addresses=True
            )
            async with over_tls(Cluster(HTTP, https(port)), installed) as way:
                return way.entrance(PLAIN).address.removesuffix(str(port))

    assert loop.run(play()) == "https://127.0.0.1:"
