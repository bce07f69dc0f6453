"""The site on loopback."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LOOPBACK = "127.0.0.1"


class _Files(SimpleHTTPRequestHandler):
    """Files of the site, shown rather than downloaded if they are text."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".yaml": "text/plain; charset=utf-8",
        ".md": "text/plain; charset=utf-8",
        ".txt": "text/plain; charset=utf-8",
        ".jsonl": "text/plain; charset=utf-8",
        ".html": "text/html; charset=utf-8",
        ".gz": "application/gzip",
    }

    def end_headers(self) -> None:
        """Have browsers ask again each time: the site may have been built anew."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing: the terminal shows the address."""


def server(site: Path, port: int = 0) -> ThreadingHTTPServer:
    """Return a server of a site on loopback, at any free port for 0. Raises OSError, saying so, if it is taken."""
    try:
        return ThreadingHTTPServer((LOOPBACK, port), partial(_Files, directory=str(site)))
    except OSError as error:
        raise OSError(f"port {port} cannot be served at: {error.strerror}; give another --port, or none") from error


def address(serving: ThreadingHTTPServer) -> str:
    """Return where a server is to be found."""
    return f"http://{LOOPBACK}:{serving.server_address[1]}/"
