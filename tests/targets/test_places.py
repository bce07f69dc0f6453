"""A narrow way carries no more connections than it is said to, and no client waits for ever for one."""

import asyncio
import contextlib
from datetime import timedelta

import pytest

from stickyconf.model import Answered
from stickyconf.ports import Request
from stickyconf.targets.traffic import HttpTraffic

MOST = 5


class Server:
    """Counts the connections that are open at the same time, and answers each request after a while."""

    def __init__(self, seconds):
        self.seconds, self.open, self.most, self.opened = seconds, 0, 0, 0

    async def serve(self, reader, writer):
        self.open, self.opened = self.open + 1, self.opened + 1
        self.most = max(self.most, self.open)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(self.seconds)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
        self.open -= 1


def asked(number, patience=0.0):
    return Request("GET", "a.test", "/", f"r{number}", patience=patience)


def played(loop, scenario, *, seconds=0.0):
    """Play with traffic to a server; every request has to be answered. Return the server."""

    async def play():
        server = Server(seconds)
        async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
            url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            traffic = HttpTraffic(url, timedelta(seconds=15), MOST)
            async with asyncio.timeout(30):
                replies = await scenario(traffic)
        assert all(isinstance(reply.outcome, Answered) for reply in replies), replies
        return server

    return loop.run(play())


def test_kept_connections_count(loop):
    """Clients that stay, many more than there may be connections, are served in turn; all of them stay."""

    async def scenario(traffic):
        async with contextlib.AsyncExitStack() as stay:
            lines = [await stay.enter_async_context(traffic.line()) for _ in range(40)]
            return [
                reply
                for turn in range(3)
                for reply in await asyncio.gather(*(line.send(asked(turn)) for line in lines))
            ]

    server = played(loop, scenario)
    assert server.most <= MOST + 1, "a connection that is closed here may not be known to be closed there yet"
    assert server.opened >= 40


def test_a_client_that_has_its_place_keeps_its_connection(loop):
    """While there is room, nobody's kept connection is closed."""

    async def scenario(traffic):
        async with traffic.line() as first, traffic.line() as second:
            replies = [await line.send(asked(turn)) for turn in range(4) for line in (first, second)]
        assert len({reply.connection for reply in replies}) == 2
        return replies

    assert played(loop, scenario).opened == 2


def test_requests_at_once(loop):
    """As many as there may be are under way together; the others wait, those of one client, too."""

    async def scenario(traffic):
        async with traffic.line() as first, traffic.line(fresh=True) as second:
            return await asyncio.gather(*((first, second)[n % 2].send(asked(n, patience=0.1)) for n in range(24)))

    assert MOST <= played(loop, scenario, seconds=0.1).most <= MOST + 1


def test_without_a_bound(loop):
    """A way that is wide has no places to wait for."""

    async def scenario(traffic):
        traffic._places = None
        async with traffic.line() as line:
            return await asyncio.gather(*(line.send(asked(n, patience=0.2)) for n in range(12)))

    assert played(loop, scenario, seconds=0.2).most == 12


@pytest.mark.parametrize("ends", [RuntimeError, asyncio.CancelledError])
def test_a_client_that_ends_gives_its_places_back(loop, ends):
    """However it ends."""

    async def scenario(traffic):
        for _ in range(3 * MOST):
            with contextlib.suppress(ends):
                async with traffic.line() as line:
                    await line.send(asked(0))
                    raise ends
        async with traffic.line() as line:
            return await asyncio.gather(*(line.send(asked(n, patience=0.1)) for n in range(MOST)))

    assert played(loop, scenario, seconds=0.05).most >= MOST
