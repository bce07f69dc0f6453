"""A load balancer before the gateway's replicas: a hash of its address gives a connection to one of them.

It looks at nothing that goes through, and follows the ready endpoints of the proxy's Service.
"""

import asyncio
import contextlib
import hashlib
from pathlib import Path

from embedded_cluster.client import EndpointSlice, connect
from embedded_cluster.environment import Address
from embedded_cluster.informer import Informer

SERVICE = "kong-gateway-proxy"
_CHUNK = 64 * 1024


def ordered(replicas: list[Address], client: str) -> list[Address]:
    """Return the replicas in the order in which they are tried for the connection of a client, "address:port"."""
    return sorted(replicas, key=lambda replica: hashlib.sha256(f"{client} {replica}".encode()).digest())


class Balancer:
    """Listens until it is stopped."""

    def __init__(self, listen: Address, kubeconfig: Path) -> None:
        """Take where to listen, and how to ask which replicas there are."""
        self._listen, self._kubeconfig = listen, kubeconfig
        self._replicas: list[Address] = []
        self._server: asyncio.Server | None = None
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return once it listens and knows the replicas. OSError if it cannot listen there."""
        known = asyncio.Event()
        self._following = asyncio.create_task(self._follow(known))
        await known.wait()
        self._server = await asyncio.start_server(self._serve, self._listen.host, self._listen.port, backlog=1024)

    async def stop(self) -> None:
        """Listen no more and follow nothing; connections that it has go on until this process ends."""
        if self._server:
            self._server.close()
        if self._following:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def _follow(self, known: asyncio.Event) -> None:
        async with connect(self._kubeconfig) as client:
            slices = Informer(client, EndpointSlice, namespace="kong")

            def changed(_: object) -> None:
                self._replicas = [
                    Address(address, port["port"])
                    for found in slices.objects()
                    if found["metadata"]["labels"].get("kubernetes.io/service-name") == SERVICE
                    for port in found["ports"]
                    if not port["name"].endswith("-tls")
                    for endpoint in found["endpoints"]
                    if endpoint["conditions"]["ready"]
                    for address in endpoint["addresses"]
                ]
                if self._replicas:
                    known.set()

            slices.on_change(changed)
            await slices.run()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = writer.get_extra_info("peername")[:2]
        for replica in ordered(self._replicas, f"{host}:{port}"):
            with contextlib.suppress(OSError):
                its_reader, its_writer = await asyncio.open_connection(replica.host, replica.port)
                await asyncio.gather(_carry(reader, its_writer), _carry(its_reader, writer))
                return
        writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry what comes from one side to the other, until the one has said all."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
