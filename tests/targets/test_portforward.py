"""A port-forward carries octets both ways, a connection for a connection, over v4.channel.k8s.io."""

import asyncio
import contextlib
from argparse import Namespace
from datetime import timedelta
from typing import NamedTuple

import aiohttp
import httpx
import pytest
from aiohttp import web

from stickyconf.model import Answered
from stickyconf.ports import HarnessError, Request
from stickyconf.targets.kubeconfig.installation import _proxy
from stickyconf.targets.kubeconfig.portforward import MOST_CONNECTIONS, port_forwarded
from stickyconf.targets.traffic import HttpTraffic
from tests.waiting import PATIENCE

PORT = (8000).to_bytes(2, "little")


class ApiServer:
    """Forwards as a kubelet does: the port on each channel first, then the pod's octets on channel 0."""

    def __init__(self, answers):
        self.answers, self.opened, self.open, self.most = answers, 0, 0, 0

    async def serve(self, request):
        self.opened, self.open = self.opened + 1, self.open + 1
        self.most = max(self.most, self.open)
        socket = web.WebSocketResponse(protocols=["v4.channel.k8s.io"])
        await socket.prepare(request)
        for channel in (0, 1):
            await socket.send_bytes(bytes([channel]) + PORT)
        async for message in socket:
            assert message.data[0] == 0
            channel, answer = self.answers(message.data[1:])
            for octet in answer:
                await socket.send_bytes(bytes([channel, octet]))  # in pieces, as they may come
        self.open -= 1
        return socket

    async def forward(self, pod, namespace, port):
        """Stand in for the one method of KubernetesCluster that is used."""
        if pod != "kong-1":
            raise HarnessError("no such pod")
        session = await self.stack.enter_async_context(aiohttp.ClientSession())
        return await session.ws_connect(self.url, protocols=["v4.channel.k8s.io"])


@contextlib.asynccontextmanager
async def served(answers):
    server = ApiServer(answers)
    app = web.Application()
    app.router.add_get("/", server.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    async with contextlib.AsyncExitStack() as server.stack:
        yield server
    await runner.cleanup()


def http(_request):
    return 0, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_requests_reach_the_pod(loop):
    """Requests over two connections are answered over two forwards."""

    async def play():
        async with served(http) as server, port_forwarded(server, "kong-1", "kong", 8000) as url:
            for _ in range(2):
                async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
                    answers = [(await client.get(url)).text for _ in range(2)]
                    assert answers == ["ok", "ok"]
            return server.opened

    assert loop.run(play()) == 2


def test_a_crowd_does_not_overload_it(loop):
    """121 clients that stay are served over no more forwards at once than one API server carries."""

    async def play():
        async with served(http) as server, contextlib.AsyncExitStack() as stack:
            server.get, server.list = Seen.get, Seen.list
            option = Namespace(proxy_url=None, direct_addresses=False)
            url, how, most = await _proxy(option, server, Named("kong", "kong-proxy"), stack)
            assert most == MOST_CONNECTIONS == 32
            assert "at most 32 connections at once; a load balancer or a node port" in how
            traffic = HttpTraffic(url, timedelta(seconds=15), most)
            lines = [await stack.enter_async_context(traffic.line()) for _ in range(121)]
            for turn in range(2):
                request = Request("GET", "a.test", "/", f"r{turn}")
                replies = await asyncio.gather(*(line.send(request) for line in lines))
                assert all(isinstance(reply.outcome, Answered) for reply in replies)
            return server

    server = loop.run(play())
    assert server.opened >= 121
    # A forward that is closed here is known to be closed there a moment later.
    assert server.most <= 2 * MOST_CONNECTIONS


class Named(NamedTuple):
    namespace: str
    proxy_service: str


class Seen:
    """A Service without an address from outside, and one ready pod behind it."""

    @staticmethod
    async def get(*_):
        return {"metadata": {"name": "kong-proxy"}, "spec": {"clusterIP": "10.96.0.9", "ports": [{"port": 80}]}}

    @staticmethod
    async def list(*_):
        reference = {"kind": "Pod", "name": "kong-1"}
        endpoint = {"addresses": ["10.244.0.9"], "conditions": {"ready": True}, "targetRef": reference}
        return [{"ports": [{"name": "", "port": 8000}], "endpoints": [endpoint]}]


@pytest.mark.parametrize("pod", ["kong-1", "gone"])
def test_refusal_closes_the_connection(loop, pod):
    """Where the kubelet reports an error, or the API server opens no forward, the client's connection just ends."""

    async def play():
        async with (
            served(lambda _: (1, b"connection refused")) as server,
            port_forwarded(server, pod, "kong", 8000) as url,
            httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client,
        ):
            await client.get(url)

    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        loop.run(play())


def test_connections_end_with_it(loop):
    """What is still open when the forward ends is closed."""

    async def play():
        async with served(http) as server:
            async with port_forwarded(server, "kong-1", "kong", 8000) as url:
                reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
                writer.write(b"GET / HTTP/1.1\r\n\r\n")
                await reader.readuntil(b"ok")
            async with asyncio.timeout(PATIENCE):
                return await reader.read()

    assert loop.run(play()) == b""
