"""``python -m embedded_cluster.apiserver``: serve until SIGTERM or SIGINT, or until the parent ends."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import ssl
import sys
from pathlib import Path

from aiohttp import web

from embedded_cluster.apiserver.audit import AuditLog
from embedded_cluster.apiserver.server import ApiServer
from embedded_cluster.lifeline import die_with_parent


def main() -> int:
    """Run the server; returns the exit status: 0 after a signal, 2 when it could not start."""
    die_with_parent()
    options = _parser().parse_args()
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s apiserver %(levelname)s %(message)s")
    try:
        asyncio.run(_serve(options))
    except (OSError, OverflowError, ValueError) as error:
        print(f"apiserver: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="apiserver", description="A Kubernetes API server in memory.")
    parser.add_argument("--address", required=True, help="IP address to listen on")
    parser.add_argument("--port", required=True, type=int, help="TCP port; 0 picks a free one")
    parser.add_argument("--cert", required=True, type=Path, metavar="FILE", help="certificate chain, PEM")
    parser.add_argument("--key", required=True, type=Path, metavar="FILE", help="its private key, PEM")
    parser.add_argument("--token-file", required=True, type=Path, metavar="FILE", help="holds the bearer token")
    parser.add_argument("--audit", type=Path, metavar="FILE", help="append one JSON line per request")
    return parser


async def _serve(options: argparse.Namespace) -> None:
    """Listen, say so, and wait for the end. Raises ``OSError``, ``OverflowError`` (port) or ``ValueError``."""
    token = options.token_file.read_text(encoding="utf-8").strip()
    if not token:
        raise ValueError(f"{options.token_file} holds no token")
    audit = AuditLog(options.audit) if options.audit else None
    runner = ApiServer(token, audit).runner()
    await runner.setup()
    try:
        site = web.TCPSite(runner, options.address, options.port, ssl_context=_tls(options.cert, options.key))
        await site.start()
        port = runner.addresses[0][1]
        end = asyncio.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(signum, end.set)
        print(f"ready https://{options.address}:{port}", flush=True)
        await end.wait()
    finally:
        await runner.cleanup()
        if audit is not None:
            audit.close()


def _tls(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:  # ssl.SSLError is one; neither names the file
        raise ValueError(f"cannot use certificate {cert} with key {key}: {error}") from None
    return context


if __name__ == "__main__":
    sys.exit(main())
