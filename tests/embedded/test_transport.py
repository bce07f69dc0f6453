"""What lightkube's client is told by the transport below it: answers as they come, and errors of httpx2."""

import asyncio
import gzip
import ssl
from collections.abc import Awaitable, Callable

import httpx2
import pytest

from embedded_cluster.transport import AiohttpTransport
from tests.ports import free_port

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def asked(answer: Answer, *, timeout: float = 5.0) -> httpx2.Response:
    """Post to a server that answers like this, and return what a client of httpx2 makes of it."""

    async def play() -> httpx2.Response:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport = AiohttpTransport(ssl.create_default_context())
        async with server, httpx2.AsyncClient(transport=transport, timeout=timeout) as client:
            return await client.post(f"http://127.0.0.1:{port}/a?b=c", content=b"body", headers={"X-Own": "1"})

    return asyncio.run(play())


def answering(octets: bytes, *, then_wait: bool = False) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"body")
        writer.write(octets)
        await writer.drain()
        if then_wait:
            await reader.read()
        writer.close()

    return answer


def test_a_request_is_sent_as_it_is_and_its_answer_comes_whole() -> None:
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"body"))
        packed = gzip.compress(b'{"kind":"Pod"}')
        head = f"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
        writer.write(head.encode() + packed)
        await writer.drain()
        writer.close()

    response = asked(answer)
    assert (response.status_code, response.json()) == (201, {"kind": "Pod"})
    assert seen[0].startswith(b"POST /a?b=c HTTP/1.1\r\n")
    assert b"x-own: 1" in seen[0].lower()


def test_a_redirect_is_the_callers_to_follow() -> None:
    answer = answering(b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n")
    assert asked(answer).headers["Location"] == "/b"


@pytest.mark.parametrize(
    "octets", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"], ids=["before the answer", "in its middle"]
)
def test_a_connection_that_ends_is_an_error_of_httpx2(octets: bytes) -> None:
    with pytest.raises(httpx2.ReadError):
        asked(answering(octets))


@pytest.mark.parametrize(
    "octets", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"], ids=["no answer", "half an answer"]
)
def test_silence_is_a_timeout_of_httpx2(octets: bytes) -> None:
    with pytest.raises(httpx2.ReadTimeout):
        asked(answering(octets, then_wait=True), timeout=0.3)


def test_nobody_listening_is_a_connect_error_of_httpx2() -> None:
    async def play() -> None:
        async with httpx2.AsyncClient(transport=AiohttpTransport(ssl.create_default_context())) as client:
            await client.get(f"http://127.0.0.1:{free_port()}/")

    with pytest.raises(httpx2.ConnectError):
        asyncio.run(play())
