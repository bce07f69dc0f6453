"""Connections that stay open: WebSockets (RFC 6455), and streams of server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.http11 import Response

from stickyconf.model import Answered, Outcome, Refused, Unknown
from stickyconf.ports import ChannelEnded, Reply, Request

POD_HEADER = "Echo-Pod"
PROTOCOL = "WebSocket"


class SocketChannel:
    """A WebSocket, or what came of asking for one."""

    def __init__(self, reply: Reply, socket: ClientConnection | None) -> None:
        """Take how it was opened, and the connection; None if the upgrade was refused."""
        self.reply, self._socket = reply, socket

    async def say(self, text: str) -> None:
        """Send one message; ChannelEnded if there is no way any more."""
        try:
            await self._open().send(text)
        except ConnectionClosed as error:
            raise ChannelEnded(str(error)) from error

    async def hear(self, seconds: float) -> str:
        """Return the next message; TimeoutError after so many seconds, ChannelEnded if none can come any more."""
        try:
            async with asyncio.timeout(seconds):
                return str(await self._open().recv())
        except ConnectionClosed as error:
            raise ChannelEnded(str(error)) from error

    def _open(self) -> ClientConnection:
        if self._socket is None:
            raise ChannelEnded("it was not opened")
        return self._socket


@contextlib.asynccontextmanager
async def socket_channel(
    base: str, request: Request, headers: Sequence[tuple[str, str]], seconds: float
) -> AsyncIterator[SocketChannel]:
    """Ask for a WebSocket at the gateway's address, ``seconds`` at the most, and close it at the end."""
    gateway, sent = urlsplit(base), time.monotonic()
    socket: ClientConnection | None = None
    try:
        socket = await connect(
            f"ws://{request.host}{request.path}",
            host=gateway.hostname,
            port=gateway.port or 80,
            additional_headers=[*headers, *(("Cookie", field) for field in request.cookie_fields)],
            user_agent_header=None,
            compression=None,
            ping_interval=None,
            proxy=None,
            open_timeout=seconds,
        )
        outcome = _answered(socket.response)
    except InvalidStatus as refusal:
        outcome = _answered(refusal.response)
    except TimeoutError:
        outcome = Unknown(f"no answer to the upgrade after {seconds:g} s")
    except (OSError, EOFError, InvalidHandshake) as error:
        outcome = Refused(f"{type(error).__name__}: {error}")
    connection = "{}:{}".format(*socket.local_address[:2]) if socket else ""
    try:
        yield SocketChannel(Reply(outcome, connection, PROTOCOL, sent, time.monotonic()), socket)
    finally:
        if socket:
            await socket.close()


def _answered(response: Response | None) -> Outcome:
    if response is None:
        return Refused("the gateway said nothing")
    return Answered(response.status_code, tuple(response.headers.raw_items()), response.headers.get(POD_HEADER))


class StreamChannel:
    """A response whose body is a stream of server-sent events."""

    def __init__(self, reply: Reply, lines: AsyncIterator[str]) -> None:
        """Take how it began, and the lines of its body."""
        self.reply, self._lines = reply, lines

    async def say(self, text: str) -> None:
        """Nothing can be said: ChannelEnded."""
        raise ChannelEnded(f"a stream of events takes no message: {text}")

    async def hear(self, seconds: float) -> str:
        """Return the data of the next event; TimeoutError after so many seconds, ChannelEnded at the stream's end."""
        try:
            async with asyncio.timeout(seconds):
                async for line in self._lines:
                    if line.startswith("data:"):
                        return line.removeprefix("data:").strip()
        except httpx.TransportError as error:
            raise ChannelEnded(f"{type(error).__name__}: {error}") from error
        raise ChannelEnded("the stream ended")
