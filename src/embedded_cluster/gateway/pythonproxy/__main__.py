"""``python -m embedded_cluster.gateway.pythonproxy [--shared] SOCKET ADDR:PORT [ADDR:PORT]``: one proxy.

It listens at the first address and, over TLS, at the second, and is told on *SOCKET* what to do: ``POST /config`` takes
a declarative configuration and answers once every later request is served by it; ``GET /traffic`` gives what was
counted. SIGTERM ends it after the requests in flight. With ``--shared`` others may listen at the same addresses.
"""

import asyncio
import dataclasses
import signal
import sys

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler

from embedded_cluster.environment import MisconfiguredError, address
from embedded_cluster.gateway.dataplane import Entrance, RejectedError, Traffic
from embedded_cluster.gateway.declarative import EMPTY, parse
from embedded_cluster.gateway.pythonproxy.forwarding import Forwarder
from embedded_cluster.gateway.pythonproxy.probing import probe_forever
from embedded_cluster.gateway.pythonproxy.routing import Table
from embedded_cluster.gateway.pythonproxy.terminating import Certificates
from embedded_cluster.lifeline import die_with_parent

_MOST_BYTES = 64 * 1024**2
_LONGEST_FIELD = 65536  # bytes: of a header's shorter ones the forwarder decides
_KEEP_ALIVE = 75.0  # seconds, as nginx
_MOST_PATIENCE = 3600.0  # seconds: the gateway, which has the signal from above, knows when to stop waiting


class _Server(web.Server):
    """Counts connections."""

    connected = 0

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Take note of one more."""
        self.connected += 1
        super().connection_made(handler, transport)


async def serve(entrance: Entrance, control: str, *, shared: bool = False) -> None:
    """Proxy at *entrance*, with others if it is *shared*, until SIGTERM.

    Raises :class:`MisconfiguredError` when it cannot listen there.
    """
    # A connection for each request: none can turn out to have been closed by the target meanwhile.
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, auto_decompress=False) as session:
        # How often a request is sent is the service's setting; aiohttp has no public one for its own second attempt.
        session._retry_connection = False  # noqa: SLF001
        forwarder, certificates = Forwarder(session, Table(EMPTY)), Certificates()
        server = _Server(forwarder.serve, keepalive_timeout=_KEEP_ALIVE, access_log=None, max_field_size=_LONGEST_FIELD)

        async def configure(request: web.Request) -> web.Response:
            declaration = parse(await request.json())
            try:
                table = Table(declaration, forwarder.table)
                certificates.replace(declaration)
                forwarder.table = table
            except RejectedError as error:
                return web.Response(status=422, text=str(error))
            return web.Response(status=204)

        async def traffic(_: web.Request) -> web.Response:
            counted = Traffic(server.connected, len(server.connections), forwarder.requests, forwarder.active)
            return web.json_response(dataclasses.asdict(counted))

        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        proxying, controlling = web.ServerRunner(server), web.AppRunner(_control(configure, traffic), access_log=None)
        await proxying.setup()
        await controlling.setup()
        listeners = []
        for where, tls in ((entrance.plain, None), (entrance.tls, certificates.listener())):
            if where is None:
                continue
            site = web.TCPSite(
                proxying, where.host, where.port, backlog=1024, reuse_port=shared or None, ssl_context=tls
            )
            try:
                await site.start()
            except OSError as error:
                raise MisconfiguredError(f"cannot listen on {where.host}:{where.port}: {error.strerror}") from error
            listeners.append(site)
        await web.UnixSite(controlling, control).start()
        probing = asyncio.create_task(probe_forever(session, forwarder))
        await stop.wait()
        probing.cancel()
        for site in listeners:
            await site.stop()
        await server.shutdown(_MOST_PATIENCE)
        await controlling.cleanup()


def _control(configure: Handler, traffic: Handler) -> web.Application:
    app = web.Application(client_max_size=_MOST_BYTES)
    app.add_routes([web.post("/config", configure), web.get("/traffic", traffic)])
    return app


def main(arguments: list[str]) -> int:
    """Run the command; return its exit status, 2 when it cannot listen."""
    die_with_parent()
    shared = arguments[0] == "--shared"
    control, *addresses = arguments[shared:]
    entrance = Entrance(*(address(one, variable="the address of the proxy") for one in addresses))
    try:
        asyncio.run(serve(entrance, control, shared=shared))
    except MisconfiguredError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
