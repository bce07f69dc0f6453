"""HTTP/1.1 for many short requests, against servers that say what they like."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from stickyconf.targets.http1 import Http1Transport

PATIENCE = 15.0
OK = b"HTTP/1.1 200 OK\r\nX-Kind: First\r\nContent-Length: 2\r\n\r\nok"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def says(*answers: bytes, ends: bool = False) -> Serve:
    """A server that gives a connection's requests these answers, one each; then it closes or waits for the client."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
        if not ends:
            await reader.read()

    return serve


@contextlib.asynccontextmanager
async def asked(serve: Serve, *, keeps: bool = True) -> AsyncIterator[tuple[Http1Transport, str]]:
    """A transport, and the URL of a server."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            await serve(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with Http1Transport(ssl.create_default_context(), keeps=keeps) as http:
        yield http, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    server.close()


async def sent(
    http: Http1Transport, url: str, method: str = "GET", *, seconds: float = PATIENCE, **more: Any
) -> httpx.Response:
    extensions = {"timeout": httpx.Timeout(seconds).as_dict()}
    answer = await http.handle_async_request(httpx.Request(method, url, extensions=extensions, **more))
    try:
        await answer.aread()
    finally:
        await answer.aclose()
    return answer


def client_of(answer: httpx.Response) -> tuple[str, int]:
    address: tuple[str, int] = answer.extensions["network_stream"].get_extra_info("client_addr")
    return address


def test_a_connection_is_kept(loop):
    """Two requests go over one connection, and what the server said is there, letter by letter."""

    async def play():
        async with asked(says(OK, OK)) as (http, url):
            return await sent(http, url), await sent(http, url)

    first, second = loop.run(play())
    assert client_of(first) == client_of(second)
    assert (first.status_code, first.http_version, first.content) == (200, "HTTP/1.1", b"ok")
    assert first.headers.raw[0] == (b"X-Kind", b"First")


@pytest.mark.parametrize(
    ("serve", "keeps"),
    [
        pytest.param(says(OK), False, id="nothing is kept"),
        pytest.param(says(OK, ends=True), True, id="the server closed it meanwhile"),
        pytest.param(
            says(OK.replace(b"X-Kind: First", b"Connection: close")), True, id="the server said that it closes it"
        ),
        pytest.param(says(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate"), True, id="bytes nobody asked for"),
        pytest.param(says(b"HTTP/1.0 200 OK\r\n\r\nok", ends=True), True, id="the body ends with the connection"),
    ],
)
def test_a_connection_of_its_own(loop, serve, keeps):
    """The second request opens a connection, and reads its own answer."""

    async def play():
        async with asked(serve, keeps=keeps) as (http, url):
            return await sent(http, url), await sent(http, url)

    first, second = loop.run(play())
    assert client_of(first) != client_of(second)
    assert first.content == second.content == b"ok"


def test_requests_at_the_same_time(loop):
    """Each has a connection of its own; later ones find them idle."""
    arrived, both = [], asyncio.Event()

    async def serve(reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            arrived.append(writer)
            if len(arrived) == 2:
                both.set()
            await both.wait()
            writer.write(OK)

    async def play():
        async with asked(serve) as (http, url):
            answers = await asyncio.gather(sent(http, url), sent(http, url))
            return *answers, await sent(http, url)

    first, second, third = map(client_of, loop.run(play()))
    assert first != second
    assert third in (first, second)


def test_what_is_sent(loop):
    """A body goes with its request, and its length before it."""
    seen = []

    async def serve(reader, writer):
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        seen.append(await reader.readexactly(300_000))
        writer.write(OK)

    async def play():
        async with asked(serve) as (http, url):
            return await sent(http, f"{url}a?b=c", "POST", content=b"x" * 300_000)

    assert loop.run(play()).status_code == 200
    assert seen[0].startswith(b"POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Content-Length: 300000\r\n" in seen[0]


@pytest.mark.parametrize(
    ("method", "answer", "status", "body"),
    [
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", 200, b"ok"),
        ("GET", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, 200, b"ok"),
        ("GET", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello", 101, b""),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 200, b""),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    ],
)
def test_answers(loop, method, answer, status, body):
    """Chunks, interim answers, and answers without a body are read as what they are."""

    async def play():
        async with asked(says(answer)) as (http, url):
            return await sent(http, url, method, headers={"Upgrade": "x", "Connection": "upgrade"})

    said = loop.run(play())
    assert (said.status_code, said.content) == (status, body)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"", "RemoteProtocolError.*Server disconnected without sending a response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "RemoteProtocolError.*peer closed connection"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, "RemoteProtocolError"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "RemoteProtocolError.*illegal status line"),
    ],
    ids=["nothing", "half an answer", "a header without an end", "another protocol"],
)
def test_answers_that_are_none(loop, answer, fault):
    """Each is a fault of the transport, named."""

    async def play():
        async with asked(says(answer, ends=True)) as (http, url):
            await sent(http, url)

    with pytest.raises(httpx.TransportError) as caught:
        loop.run(play())
    assert caught.match(fault.partition(".*")[2])
    assert type(caught.value).__name__ == fault.partition(".*")[0]


def test_a_reset(loop):
    """A server that ends in the middle of its answer, and has not read all of the request."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await writer.drain()
        writer.transport.abort()

    async def play():
        async with asked(serve) as (http, url):
            await sent(http, url, "POST", content=b"x" * 10_000_000)

    with pytest.raises(httpx.TransportError, match=r"reset|peer closed"):
        loop.run(play())


def test_nobody_listens(loop):
    """A connection that is refused says the address."""

    async def play():
        async with asked(says(OK)) as (http, url):
            pass
        await sent(http, url)

    with pytest.raises(httpx.ConnectError, match=r"127\.0\.0\.1"):
        loop.run(play())


@pytest.mark.parametrize("answer", [b"", OK[:-1]], ids=["nothing comes", "the body does not end"])
def test_an_answer_that_does_not_come(loop, answer):
    """The time is over, and the connection is not used again."""

    async def play():
        async with asked(says(answer, OK)) as (http, url):
            with pytest.raises(httpx.ReadTimeout):
                await sent(http, url, seconds=0.2)
            return http._idle

    assert not any(loop.run(play()).values())


def test_a_request_that_is_none(loop):
    """Header fields that cannot be sent are our own fault, named."""

    async def play():
        async with asked(says(OK)) as (http, url):
            await http.handle_async_request(httpx.Request("GET", url, headers=[(b"Cookie", b"a\nb")]))

    with pytest.raises(httpx.LocalProtocolError):
        loop.run(play())


def test_a_certificate_that_is_not_trusted(loop, tmp_path):
    """TLS is verified as the context says."""
    import trustme

    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def handle(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, OSError), contextlib.closing(writer):
            await says(OK)(reader, writer)

    async def play():
        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with Http1Transport(trusting) as http:
            assert (await sent(http, url)).content == b"ok"
        async with Http1Transport(ssl.create_default_context()) as http:
            await sent(http, url)

    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        loop.run(play())
