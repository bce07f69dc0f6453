"""HTTP probes and hooks, against servers that answer in unusual ways."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from embedded_cluster.node.actions import ActionError, Target, perform

ADDRESS = "127.0.0.1"


def got(answers: dict[str, bytes], get: Callable[[int], dict[str, object]]) -> list[str]:
    """Do what ``get`` makes of the port of a server with these answers, path -> octets; return what was asked of it."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        asked.append(path)
        writer.write(answers[path])
        await writer.drain()
        writer.close()

    async def play() -> None:
        def never_started(*_: object) -> Awaitable[object]:
            raise AssertionError("no command is run")

        async with await asyncio.start_server(serve, ADDRESS, 0) as server, aiohttp.ClientSession() as http:
            port = server.sockets[0].getsockname()[1]
            await perform({"httpGet": get(port)}, Target({"name": "main"}, ADDRESS, never_started, http))  # type: ignore[arg-type]

    asyncio.run(play())
    return asked


def test_a_good_answer_is_one_however_long_its_body() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000
    assert got({"/ready?a=b": answer}, lambda port: {"port": port, "path": "/ready?a=b"}) == ["/ready?a=b"]


def test_an_error_fails_and_says_its_status() -> None:
    with pytest.raises(ActionError, match="statuscode: 503"):
        got({"/": b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"}, lambda port: {"port": port})


def test_a_redirect_on_the_same_host_is_followed() -> None:
    answers = {
        "/": b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n",
        "/there": b"HTTP/1.1 204 No Content\r\n\r\n",
    }
    assert got(answers, lambda port: {"port": port})[-1] == "/there"


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 yes\r\n\r\n"])
def test_what_is_no_http_fails(answer: bytes) -> None:
    with pytest.raises(ActionError, match="Get 'http://"):
        got({"/": answer}, lambda port: {"port": port})


def test_a_path_that_has_to_be_quoted_and_headers_are_sent() -> None:
    """They go through a client that knows how."""
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    headers = [{"name": "X-Probe", "value": "1"}]
    assert got({"/a%20b": good}, lambda port: {"port": port, "path": "/a b"}) == ["/a%20b"]
    assert got({"/": good}, lambda port: {"port": port, "httpHeaders": headers}) == ["/"]


def test_nobody_listening_is_refused() -> None:
    with pytest.raises(ActionError, match=r"Get 'http://127\.0\.0\.1:1/': .*111"):
        got({}, lambda _port: {"port": 1})
