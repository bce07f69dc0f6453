"""``python -m stickyconf.embedded.node``: one node of the cluster."""

import argparse
import contextlib
import ipaddress
import socket
import sys
from pathlib import Path

from aiohttp import web

from ..client import ApiClient, add_kubeconfig_argument, connect
from ..part import run
from .agent import Agent, Settings
from .server import application


async def serve(client: ApiClient, settings: Settings, listener: socket.socket) -> None:
    """Be the node until cancelled, and answer the API server on *listener*."""
    agent = Agent(client, settings)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(client)
        runner = web.AppRunner(application(agent.find_log), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, listener).start()
        await agent.run()


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m stickyconf.embedded.node", description=__doc__)
    add_kubeconfig_argument(parser)
    parser.add_argument("--name", default="embedded", help="of the Node object (default: %(default)s)")
    parser.add_argument("--address", required=True, help="where the node serves container logs")
    parser.add_argument("--port", type=int, default=10250, help="there; 0 for any (default: %(default)s)")
    parser.add_argument(
        "--pod-network",
        type=ipaddress.IPv4Network,
        required=True,
        metavar="CIDR",
        help="pods get addresses of it, from its 257th on",
    )
    parser.add_argument("--dir", type=Path, required=True, help="for the pods' volumes and logs")
    options = parser.parse_args(arguments)
    try:
        client = connect(options.kubeconfig)
        options.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        listener = socket.create_server((options.address, options.port))
    except (ValueError, OSError) as error:
        parser.error(str(error))
    settings = Settings(
        name=options.name,
        address=options.address,
        port=listener.getsockname()[1],
        pod_network=options.pod_network,
        directory=options.dir.resolve(),
        kubeconfig=Path(options.kubeconfig).resolve(),
    )
    run(serve(client, settings, listener))
    return 0


if __name__ == "__main__":
    sys.exit(main())
