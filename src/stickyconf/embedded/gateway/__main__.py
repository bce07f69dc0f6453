"""``python -m stickyconf.embedded.gateway``: run one gateway until SIGTERM.

Configured by environment variables with Kong's names: ``KONG_PROXY_LISTEN``, ``KONG_ADMIN_LISTEN`` and
``KONG_STATUS_LISTEN`` (each ``ADDR:PORT``), and by ``EMBEDDED_HOOK`` (``MODULE:FUNCTION``, see `xds.Hook`).
"""

import asyncio
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from stickyconf.embedded.environment import Address, MisconfiguredError, address, load_hook
from stickyconf.embedded.gateway.admin import Node, admin_app, status_app
from stickyconf.embedded.gateway.declarative import EMPTY, Declaration
from stickyconf.embedded.gateway.envoy import Envoy, binary
from stickyconf.embedded.gateway.translation import translate
from stickyconf.embedded.gateway.xds import Hook, Xds
from stickyconf.embedded.lifeline import die_with_parent

log = logging.getLogger("gateway")

DRAIN_SECONDS = 5.0  # what requests in flight get at SIGTERM; a pod's default grace period is 30


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment asks for."""

    proxy: Address
    admin: Address
    status: Address
    hook: Hook | None

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Settings":
        """Raise :class:`MisconfiguredError` for what cannot be."""

        def listen(variable: str, default: str) -> Address:
            return address(environ.get(variable, default), variable=variable)

        return cls(
            proxy=listen("KONG_PROXY_LISTEN", "127.0.0.1:8000"),
            admin=listen("KONG_ADMIN_LISTEN", "127.0.0.1:8001"),
            status=listen("KONG_STATUS_LISTEN", "127.0.0.1:8100"),
            hook=load_hook(environ.get("EMBEDDED_HOOK", "")),
        )


async def serve(settings: Settings, executable: Path, directory: Path) -> int:
    """Run a gateway with its Envoy in *directory*, which is its own; return the exit status."""
    envoy = Envoy(directory)

    def resources(declaration: Declaration) -> Xds:
        xds = translate(declaration, proxy=settings.proxy, directory=directory)
        return settings.hook(xds, declaration.entities) if settings.hook else xds

    async def put_in_force(declaration: Declaration) -> None:
        await envoy.apply(resources(declaration))

    node = Node(envoy, put_in_force, settings.proxy, settings.admin)
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    servers: list[web.AppRunner] = []
    try:
        await envoy.start(executable, resources(EMPTY))
        servers.append(await _listen(admin_app(node), settings.admin))
        servers.append(await _listen(status_app(node), settings.status))
        log.info("proxy on %s:%d, Envoy %s", settings.proxy.host, settings.proxy.port, envoy.version)
        return await _until_stopped(stop, envoy)
    finally:
        for server in servers:
            await server.cleanup()
        await envoy.stop(patience=DRAIN_SECONDS)


async def _listen(app: web.Application, where: Address) -> web.AppRunner:
    server = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await server.setup()
    try:
        await web.TCPSite(server, where.host, where.port).start()
    except OSError as error:
        await server.cleanup()
        raise MisconfiguredError(f"cannot listen on {where.host}:{where.port}: {error.strerror}") from error
    return server


async def _until_stopped(stop: asyncio.Event, envoy: Envoy) -> int:
    asked = asyncio.create_task(stop.wait())
    ended = asyncio.create_task(envoy.ended())
    await asyncio.wait((asked, ended), return_when=asyncio.FIRST_COMPLETED)
    if not asked.done():
        log.error("Envoy ended by itself with status %d", ended.result())
        asked.cancel()
        return 1
    ended.cancel()
    return 0


def main() -> int:
    """Run the command; return its exit status, 2 for an environment that cannot be served."""
    die_with_parent()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    directory = Path(tempfile.mkdtemp(prefix="gateway-"))
    try:
        return asyncio.run(serve(Settings.read(os.environ), binary(), directory))
    except MisconfiguredError as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    sys.exit(main())
