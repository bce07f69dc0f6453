"""``python -m embedded_cluster.ingress``: run the controller until SIGTERM.

Configured by environment variables with KIC's names: ``CONTROLLER_ENABLE_DRAIN_SUPPORT`` (default false),
``CONTROLLER_PROXY_SYNC_SECONDS`` (default 3), ``CONTROLLER_KONG_ADMIN_SVC`` and ``CONTROLLER_PUBLISH_SERVICE``
(``NAMESPACE/NAME``), ``CONTROLLER_KONG_ADMIN_URL`` (of the only gateway, instead of a Service to look for them),
``CONTROLLER_INGRESS_CLASS`` (default kong), ``CONTROLLER_HEALTH_PROBE_BIND_ADDRESS`` (default port 10254 of
``POD_IP``); by ``KUBECONFIG``, ``POD_NAMESPACE`` and ``POD_NAME``; and by ``EMBEDDED_HOOK`` (``MODULE:FUNCTION``, see
`controller.Hook`).
"""

import os
import sys
from collections.abc import Mapping

import aiohttp
from aiohttp import web

from embedded_cluster.client import ApiClient, connect
from embedded_cluster.environment import Address, MisconfiguredError, address, load_hook
from embedded_cluster.ingress.controller import Controller, Wiring
from embedded_cluster.ingress.gateways import Gateways
from embedded_cluster.ingress.translation import Settings
from embedded_cluster.lifeline import die_with_parent
from embedded_cluster.untilsigterm import run

_PUSH_SECONDS = 30.0  # the longest a gateway may take to put a configuration in force


def wiring(environ: Mapping[str, str]) -> Wiring:
    """What the environment asks for. Raises :class:`MisconfiguredError` for what cannot be."""
    return Wiring(
        settings=Settings(
            drain=_flag(environ, "CONTROLLER_ENABLE_DRAIN_SUPPORT"),
            proxy=_namespaced(environ, "CONTROLLER_PUBLISH_SERVICE"),
            ingress_class=environ.get("CONTROLLER_INGRESS_CLASS", "kong"),
            gateway_version=(),
        ),
        admin=environ.get("CONTROLLER_KONG_ADMIN_URL") or _namespaced(environ, "CONTROLLER_KONG_ADMIN_SVC"),
        pod=(environ.get("POD_NAMESPACE", ""), environ.get("POD_NAME", "")),
        period=_seconds(environ, "CONTROLLER_PROXY_SYNC_SECONDS", 3.0),
        hook=load_hook(environ.get("EMBEDDED_HOOK", "")),
    )


def _flag(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name, "false").lower()
    if value not in ("true", "false"):
        raise MisconfiguredError(f"{name} must be true or false, not {value!r}")
    return value == "true"


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name, str(default))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise MisconfiguredError(f"{name} must be a number of seconds above 0, not {text!r}")
    return seconds


def _namespaced(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    namespace, slash, service = environ.get(name, "").partition("/")
    if not (namespace and slash and service):
        raise MisconfiguredError(f"{name} must be NAMESPACE/NAME of a Service, not {environ.get(name, '')!r}")
    return namespace, service


async def control(client: ApiClient, plan: Wiring, health: Address) -> None:
    """Run the controller, with ``/healthz`` and ``/readyz`` at *health*, until cancelled.

    Raises :class:`MisconfiguredError` when that address cannot be bound.
    """
    # An Admin API has a self-made certificate, as with KIC's defaults.
    connector = aiohttp.TCPConnector(ssl=False)
    timeout = aiohttp.ClientTimeout(total=_PUSH_SECONDS)
    async with client, aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        controller = Controller(client, Gateways(session), plan)
        probes = web.AppRunner(_probes(controller), access_log=None, shutdown_timeout=0)
        await probes.setup()
        try:
            await _listen(probes, health)
            await controller.run()
        finally:
            await probes.cleanup()


def _probes(controller: Controller) -> web.Application:
    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ok") if controller.ready else web.Response(status=503, text="nothing in force yet")

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz)])
    return app


async def _listen(probes: web.AppRunner, where: Address) -> None:
    try:
        await web.TCPSite(probes, where.host, where.port).start()
    except OSError as error:
        raise MisconfiguredError(f"cannot listen on {where.host}:{where.port}: {error.strerror}") from error


def main() -> int:
    """Run the command; returns its exit status, 2 for an environment that cannot be served."""
    die_with_parent()
    try:
        plan = wiring(os.environ)
        variable = "CONTROLLER_HEALTH_PROBE_BIND_ADDRESS"
        default = f"{os.environ.get('POD_IP', '127.0.0.1')}:10254"
        health = address(os.environ.get(variable, default), variable=variable)
        run(control(_connect(os.environ.get("KUBECONFIG")), plan, health))
    except MisconfiguredError as error:
        print(f"ingress: {error}", file=sys.stderr)
        return 2
    return 0


def _connect(kubeconfig: str | None) -> ApiClient:
    try:
        return connect(kubeconfig)
    except ValueError as error:
        raise MisconfiguredError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
