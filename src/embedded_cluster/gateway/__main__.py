"""``python -m embedded_cluster.gateway``: run one gateway until SIGTERM.

Configured by environment variables with Kong's names: ``KONG_PROXY_LISTEN``, ``KONG_ADMIN_LISTEN`` and
``KONG_STATUS_LISTEN`` (each ``ADDR:PORT``; the Admin API may have several, and ``ssl``; the proxy one more with it), by
``EMBEDDED_DATA_PLANE`` (envoy, haproxy or python; default: envoy), ``EMBEDDED_WORKERS`` and ``EMBEDDED_WORKER_LAG``
(see `workers`), by ``EMBEDDED_GATEWAY_VERSION`` (the release that it says it is; default: `admin.VERSION`),
``EMBEDDED_DRAINED_SESSIONS`` (`declarative.DRAINED`; default: served) and, with Envoy, by ``EMBEDDED_HOOK``
(``MODULE:FUNCTION``, see `xds.Hook`).
"""

import asyncio
import logging
import os
import shutil
import signal
import ssl
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from embedded_cluster.environment import Address, Listener, MisconfiguredError, address, listeners, load_hook
from embedded_cluster.gateway.admin import VERSION, Node, admin_app, status_app
from embedded_cluster.gateway.dataplane import DataPlane, Entrance
from embedded_cluster.gateway.declarative import DRAINED, SERVED
from embedded_cluster.gateway.planes import PLANES, Share
from embedded_cluster.gateway.workers import Workers
from embedded_cluster.gateway.xds import Hook
from embedded_cluster.lifeline import die_with_parent

log = logging.getLogger("gateway")

DRAIN_SECONDS = 5.0  # what requests in flight get at SIGTERM; a pod's default grace period is 30


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment asks for."""

    proxy: tuple[Listener, ...]
    admin: tuple[Listener, ...]
    status: Address
    plane: str
    hook: Hook | None
    version: str = VERSION
    workers: int = 1
    worker_lag: float = 0.0
    drained: str = SERVED

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Settings":
        """Raise :class:`MisconfiguredError` for what cannot be."""

        def listen(variable: str, default: str) -> Address:
            return address(environ.get(variable, default), variable=variable)

        plane, hook = environ.get("EMBEDDED_DATA_PLANE") or "envoy", load_hook(environ.get("EMBEDDED_HOOK", ""))
        if plane not in PLANES:
            raise MisconfiguredError(f"EMBEDDED_DATA_PLANE must be one of {', '.join(PLANES)}, not {plane!r}")
        if hook and plane != "envoy":
            raise MisconfiguredError(f"EMBEDDED_HOOK changes Envoy's resources, and the data plane is {plane}")
        workers = int(_number(environ, "EMBEDDED_WORKERS", 1.0, most=64))
        if workers > 1 and not PLANES[plane].shares:
            raise MisconfiguredError(f"EMBEDDED_WORKERS is {workers}: of the data plane {plane} there is one")
        drained = environ.get("EMBEDDED_DRAINED_SESSIONS") or SERVED
        if drained not in DRAINED:
            raise MisconfiguredError(f"EMBEDDED_DRAINED_SESSIONS must be {' or '.join(DRAINED)}, not {drained!r}")
        proxy = listeners(environ.get("KONG_PROXY_LISTEN", "127.0.0.1:8000"), variable="KONG_PROXY_LISTEN")
        if sorted(one.tls for one in proxy) not in ([False], [False, True]):
            raise MisconfiguredError("KONG_PROXY_LISTEN must have one ADDR:PORT, and one more with ssl at the most")
        if len(proxy) > 1 and not PLANES[plane].tls:
            raise MisconfiguredError(f"KONG_PROXY_LISTEN has ssl: the data plane {plane} serves no TLS")
        return cls(
            proxy=proxy,
            admin=listeners(environ.get("KONG_ADMIN_LISTEN", "127.0.0.1:8001"), variable="KONG_ADMIN_LISTEN"),
            status=listen("KONG_STATUS_LISTEN", "127.0.0.1:8100"),
            plane=plane,
            hook=hook,
            version=environ.get("EMBEDDED_GATEWAY_VERSION") or VERSION,
            workers=workers,
            worker_lag=_number(environ, "EMBEDDED_WORKER_LAG", 0.0, most=60),
            drained=drained,
        )


def _number(environ: Mapping[str, str], variable: str, default: float, *, most: float) -> float:
    """Return the number in a variable, between *default* and *most*; :class:`MisconfiguredError` if it is none."""
    text = environ.get(variable) or f"{default:g}"
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not default <= number <= most:
        raise MisconfiguredError(f"{variable} must be a number from {default:g} to {most:g}, not {text!r}")
    return number


async def serve(settings: Settings, directory: Path) -> int:
    """Run a gateway with its data plane in *directory*, which is its own; return the exit status."""
    plane = _plane(settings, directory)
    node = Node(plane, settings.proxy, settings.admin, settings.version, settings.drained)
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    servers: list[web.AppRunner] = []
    try:
        await plane.start()
        for listener in settings.admin:
            tls = _own_certificate(listener.address.host) if listener.tls else None
            servers.append(await _listen(admin_app(node), listener.address, tls))
        servers.append(await _listen(status_app(node), settings.status))
        where = ", ".join(f"{one.address.host}:{one.address.port}" for one in settings.proxy)
        log.info("proxy on %s, %s %s", where, plane.name, plane.version)
        return await _until_stopped(stop, plane)
    finally:
        for server in servers:
            await server.cleanup()
        await plane.stop(patience=DRAIN_SECONDS)


def _plane(settings: Settings, directory: Path) -> DataPlane:
    """Return the data plane: one process, or several workers, each with a directory of its own."""
    make = PLANES[settings.plane].make
    entrance = Entrance(**{"tls" if one.tls else "plain": one.address for one in settings.proxy})
    if settings.workers == 1 and not settings.worker_lag:
        return make(entrance, directory, settings.hook, Share())
    planes = []
    for worker in range(settings.workers):
        own = directory / str(worker)
        own.mkdir()
        planes.append(make(entrance, own, settings.hook, Share(worker, shared=settings.workers > 1)))
    return Workers(planes, settings.worker_lag)


def _own_certificate(host: str) -> ssl.SSLContext:
    """A self-made certificate, as Kong makes one if it is given none."""
    import trustme  # 0.1 s, spent only for a controller that requires TLS

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert(host).configure_cert(context)
    return context


async def _listen(app: web.Application, where: Address, tls: ssl.SSLContext | None = None) -> web.AppRunner:
    server = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await server.setup()
    try:
        await web.TCPSite(server, where.host, where.port, ssl_context=tls).start()
    except OSError as error:
        await server.cleanup()
        raise MisconfiguredError(f"cannot listen on {where.host}:{where.port}: {error.strerror}") from error
    return server


async def _until_stopped(stop: asyncio.Event, plane: DataPlane) -> int:
    asked = asyncio.create_task(stop.wait())
    ended = asyncio.create_task(plane.ended())
    await asyncio.wait((asked, ended), return_when=asyncio.FIRST_COMPLETED)
    if not asked.done():
        log.error("%s ended by itself with status %d", plane.name, ended.result())
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
        return asyncio.run(serve(Settings.read(os.environ), directory))
    except MisconfiguredError as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    sys.exit(main())
