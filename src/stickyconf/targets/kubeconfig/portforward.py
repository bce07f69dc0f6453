"""A local port that leads to a pod's, through the Kubernetes API: one WebSocket for each connection.

The protocol is v4.channel.k8s.io: every binary message begins with its channel, 0 for data and 1 for errors, and the
first message of each channel only repeats the port, as two octets.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp

from stickyconf.ports import HarnessError
from stickyconf.targets.kubernetes import KubernetesCluster

MOST_CONNECTIONS = 32
"""So many at once work through an API server on two busy cores; with 121, one request in ten took over 15 s."""

DATA, ERROR = 0, 1
CHUNK = 64 * 1024


@contextlib.asynccontextmanager
async def port_forwarded(cluster: KubernetesCluster, pod: str, namespace: str, port: int) -> AsyncIterator[str]:
    """Yield "http://127.0.0.1:<local port>", each connection to which reaches the pod's port; closed in the end."""
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            connections.add(task)
            task.add_done_callback(connections.discard)
        with contextlib.closing(writer), contextlib.suppress(HarnessError, OSError):
            # A refused forward shows as what it is to the client: a connection that is closed without an answer.
            await _joined(await cluster.forward(pod, namespace, port), reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _joined(
    socket: aiohttp.ClientWebSocketResponse, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Carry octets both ways until either side has ended."""
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(socket.close)
        ends = [asyncio.create_task(_out(reader, socket)), asyncio.create_task(_back(socket, writer))]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)


async def _out(reader: asyncio.StreamReader, socket: aiohttp.ClientWebSocketResponse) -> None:
    while data := await reader.read(CHUNK):
        await socket.send_bytes(bytes([DATA]) + data)


async def _back(socket: aiohttp.ClientWebSocketResponse, writer: asyncio.StreamWriter) -> None:
    begun: set[int] = set()
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
            continue
        channel, data = message.data[0], message.data[1:]
        if channel not in begun:
            begun.add(channel)
        elif channel == DATA:
            writer.write(data)
            await writer.drain()
        elif data:  # the kubelet says why it cannot go on
            return
