"""``python -m embedded_cluster.node``: one node of the cluster."""

import argparse
import contextlib
import ipaddress
import socket
import ssl
import sys
from pathlib import Path

from aiohttp import web

from embedded_cluster.client import ApiClient, add_kubeconfig_argument, connect
from embedded_cluster.node.agent import Agent, Settings
from embedded_cluster.node.pace import PACES
from embedded_cluster.node.server import application
from embedded_cluster.untilsigterm import run


async def serve(client: ApiClient, settings: Settings, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
    """Be the node until cancelled, and answer the API server on *listener*."""
    agent = Agent(client, settings)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(client)
        runner = web.AppRunner(application(agent.find_log), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, listener, ssl_context=tls).start()
        await agent.run()


def _tls(certificate: Path | None, key: Path | None, clients: Path | None) -> ssl.SSLContext | None:
    """Raises ``ValueError`` when only some of the files are named, ``OSError`` when one cannot be used."""
    if not (certificate or key or clients):
        return None
    if not (certificate and key and clients):
        raise ValueError("--cert, --key and --client-ca belong together")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=clients)
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m embedded_cluster.node", description=__doc__)
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
    parser.add_argument(
        "--pace", choices=PACES, default="quick", help="at which pods end: at once, or as a real node's do"
    )
    tls = parser.add_argument_group(
        "TLS", "A kube-apiserver asks a node for logs in no other way. All three files (PEM), or none."
    )
    tls.add_argument("--cert", type=Path, metavar="FILE", help="certificate chain")
    tls.add_argument("--key", type=Path, metavar="FILE", help="its private key")
    tls.add_argument("--client-ca", type=Path, metavar="FILE", help="the authority that clients' certificates are of")
    options = parser.parse_args(arguments)
    try:
        context = _tls(options.cert, options.key, options.client_ca)
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
        pace=PACES[options.pace],
    )
    run(serve(client, settings, listener, context))
    return 0


if __name__ == "__main__":
    sys.exit(main())
