"""The echo workload: one HTTP server that says which pod it is. Standard library only, the same file on every target.

The body reads as kong/go-echo's does ("Running on Pod <name>."), so that the documentation's own commands work on it.
The query of a request asks for more: ``status=404``, ``delay=1.5`` (seconds), ``set-cookie=a%3D1`` (repeatable),
``bytes=1000`` (size of the body), ``until=sigterm`` (answer only when the pod is told to stop). A request with the
header Echo-Early-Hints gets a response 103 first. What it sees goes to standard output, one JSON object a line.

``/-/ready`` is the readiness probe. ``echo.py hold 30`` is the preStop hook: it returns when a client posts to
``/-/release``, or after that many seconds; until then the pod is terminating and serves. After a post to ``/-/die``
nothing but that hook lives on: the server neither listens nor has a connection left, as if its process had been killed.

Environment: POD_NAME, POD_NAMESPACE, POD_IP, NODE_NAME (downward API); ECHO_LISTEN (the port, default 1027; a name in
_PORT would be taken by Kubernetes, which sets ECHO_PORT for a Service called echo); ECHO_LOG_CONNECTIONS (if set, every
connection is recorded, not only what is asked on it).
"""

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

POD = os.environ.get("POD_NAME", socket.gethostname())
NAMESPACE = os.environ.get("POD_NAMESPACE", "")
NODE = os.environ.get("NODE_NAME", "")
ADDRESS = os.environ.get("POD_IP", "")
PORT = int(os.environ.get("ECHO_LISTEN", "1027"))
BEYOND_SIGTERM = 0.25  # seconds for which a request with until=sigterm outlasts it
LOG_CONNECTIONS = "ECHO_LOG_CONNECTIONS" in os.environ
LINGER = 1.0  # seconds for which a connection may stay idle after SIGTERM before it is closed

_log_lock = threading.Lock()


def log(event, **fields):
    """Write one line of the pod's own record, whole and at once: the suite checks its own view against it."""
    line = json.dumps({"event": event, "pod": POD, "at": time.time(), **fields})
    with _log_lock:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


class Server(ThreadingHTTPServer):
    """Knows its connections, so that a stop can wait for the last one to end."""

    daemon_threads = True
    request_queue_size = 512
    allow_reuse_address = True

    def __init__(self, address):
        """Listen on ``address``."""
        super().__init__(address, Handler)
        self.stopping = False
        self.released = threading.Event()
        self.terminated = threading.Event()
        self.connections = set()
        self.hooks = set()  # those of them on which a preStop hook waits
        self.changed = threading.Condition()

    def process_request(self, request, client_address):
        """Take note of a connection before its thread starts, so that none is missed."""
        if LOG_CONNECTIONS:
            log("connected", peer="{}:{}".format(*client_address))
        with self.changed:
            self.connections.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        """Serve one connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self.changed:
                self.connections.discard(request)
                self.changed.notify_all()

    def handle_error(self, request, client_address):
        """Record a connection that broke: the client's doing, and no reason for a traceback."""
        log("connection-error", error=repr(sys.exc_info()[1]))

    def finish(self):
        """Refuse new connections, serve those there are, and return when all have ended.

        What already waits in the accept queue is served: closing it unread would reset a request that was sent.
        """
        self.stopping = True
        self.shutdown()
        try:
            self.socket.setblocking(False)
            while True:
                request, client_address = self.get_request()
                request.setblocking(True)
                self.process_request(request, client_address)
        except OSError:  # the queue is empty, or the server has died before
            self.server_close_listener()
        with self.changed:
            self.changed.wait_for(lambda: not self.connections)

    def die(self):
        """Stop from one moment to the next, as a process that is killed does. Only the preStop hook lives on."""
        self.shutdown()
        self.server_close_listener()
        with self.changed:
            for connection in self.connections - self.hooks:
                with contextlib.suppress(OSError):  # it has just ended by itself
                    connection.shutdown(socket.SHUT_RDWR)
        log("died")

    def server_close_listener(self):
        """Close the listening socket only; server_close() would wait for threads as well."""
        self.socket.close()


class Handler(BaseHTTPRequestHandler):
    """Answers every method and path alike."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server_version = "stickyconf-echo"
    sys_version = ""

    def handle_one_request(self):
        """Wait for a request, but not forever on a connection that stays idle once the pod is to stop."""
        idle_since = time.monotonic()
        while not select.select([self.connection], [], [], 0.1)[0]:
            if self.server.stopping and time.monotonic() - idle_since > LINGER:
                self.close_connection = True
                return
        super().handle_one_request()

    def answer(self):
        """Say who we are, as the query asks."""
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        request_id = self.headers.get("Echo-Request-Id", "")
        log("request", id=request_id, method=self.command, path=self.path)
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        status = int(query.get("status", ["200"])[0])
        if url.path == "/-/hold":
            self.server.hooks.add(self.connection)
            log("held")
            self.server.released.wait(float(query["seconds"][0]))
        elif url.path == "/-/release":
            self.server.released.set()
        elif query.get("until") == ["sigterm"]:
            self.server.terminated.wait()
            self._delay(BEYOND_SIGTERM)
        else:
            self._delay(float(query.get("delay", ["0"])[0]))
        body = self._body(int(query.get("bytes", ["0"])[0]))
        if "Echo-Early-Hints" in self.headers:
            self.send_response_only(103)
            self.send_header("Link", "</style.css>; rel=preload")
            self.end_headers()
        self.send_response(status)
        for cookie in query.get("set-cookie", []):
            self.send_header("Set-Cookie", cookie)
        if 300 <= status < 400:
            self.send_header("Location", url.path)
        self.send_header("Echo-Pod", POD)
        self.send_header("Echo-Request-Id", request_id)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        bodiless = status in (204, 304)
        if not bodiless:
            self.send_header("Content-Length", str(len(body)))
        if self.server.stopping:
            self.send_header("Connection", "close")
        self.end_headers()
        if not bodiless and self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()
        if url.path == "/-/die":
            self.server.die()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def _delay(self, seconds):
        if seconds > 0:
            threading.Event().wait(seconds)

    def _body(self, size):
        text = (
            f"Welcome, you are connected to node {NODE}.\n"
            f"Running on Pod {POD}.\n"
            f"In namespace {NAMESPACE}.\n"
            f"With IP address {ADDRESS}.\n"
        )
        return text.encode().ljust(size, b".")

    def log_message(self, format, *args):  # noqa: A002 - the base class names it so
        """Keep the base class's own access log out of the record."""


def main():
    """Serve until SIGTERM, then finish what was begun.

    The signal is blocked in every thread and waited for. A handler would run in the main thread only, and where another
    thread is the one that is interrupted, the main thread goes on waiting.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    server = Server((ADDRESS, PORT))
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    log("listening", address=ADDRESS, port=PORT)
    signal.sigwait({signal.SIGTERM})
    server.terminated.set()
    log("sigterm")
    server.released.set()  # preStop is over, however it ended
    server.finish()
    log("stopped")


def hold(seconds):
    """Return when this pod's server is released, or after ``seconds``."""
    connection = http.client.HTTPConnection(ADDRESS, PORT)
    connection.request("GET", f"/-/hold?seconds={seconds:g}")
    connection.getresponse().read()


if __name__ == "__main__":
    if sys.argv[1:2] == ["hold"]:
        hold(float(sys.argv[2]))
    else:
        main()
