"""A gateway as its own process, and pods for it to route to: what the tests of gateway and mutants share."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from tests.ports import free_port
from tests.waiting import PATIENCE, eventually

COOKIE = "session_id"


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise every body waits 40 ms for the acknowledgement of its head

    def answer(self) -> None:
        if self.headers.get("Upgrade") == "websocket":
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.wfile.write(self.rfile.readline())  # whatever is sent comes back, which is all a tunnel has to do
            self.close_connection = True
            return
        if self.path.startswith("/slow"):
            self.server.entered.set()  # type: ignore[attr-defined]
            self.server.release.wait(PATIENCE)  # type: ignore[attr-defined]
        body = json.dumps(
            {"pod": self.server.name, "path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}}  # type: ignore[attr-defined]
        ).encode()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Set-Cookie", "theme=dark")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        pass


class Pod(ThreadingHTTPServer):
    """Answers every request with what arrived, until closed."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Echo)
        self.name, self.status = name, 200
        self.entered, self.release = threading.Event(), threading.Event()
        self.target = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


@contextmanager
def running_pods(count: int = 3) -> Iterator[list[Pod]]:
    pods = [Pod(f"pod-{number}") for number in range(count)]
    yield pods
    for pod in pods:
        pod.shutdown()
        pod.server_close()


@dataclass
class Gateway:
    """A running gateway, its Admin API, and one session's worth of cookies per client of its proxy."""

    process: subprocess.Popen[str]
    proxy: str
    admin: httpx.Client
    status: str
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=PATIENCE, trust_env=False))

    def push(self, config: dict[str, Any], **query: int) -> httpx.Response:
        return self.admin.post("/config", json=config, params={"check_hash": 1, "flatten_errors": 1, **query})

    def get(self, path: str = "/", *, cookie: str | None = None, fresh: bool = False, **more: Any) -> httpx.Response:
        headers = more.pop("headers", {}) | ({"Cookie": f"{COOKIE}={cookie}"} if cookie else {})
        if fresh:
            headers["Connection"] = "close"
        self._client.cookies.clear()
        return self._client.request(more.pop("method", "GET"), self.proxy + path, headers=headers, **more)

    def open_sessions(self, pods: list[Pod]) -> dict[str, str]:
        """Return one session's cookie for each pod."""
        sessions: dict[str, str] = {}
        while len(sessions) < len(pods):
            answer = self.get()
            sessions[answer.json()["pod"]] = session_of(answer) or ""
        return sessions

    def spread(self, requests: int) -> Counter[str]:
        return Counter(self.get().json()["pod"] for _ in range(requests))

    def envoy(self) -> int:
        """Return the process id of its Envoy."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])


def readiness(gateway: Gateway) -> tuple[int, str]:
    """What a readiness probe is answered: the status, and the message of the body."""
    answer = httpx.get(f"{gateway.status}/status/ready", timeout=PATIENCE, trust_env=False)
    return answer.status_code, answer.json()["message"]


def session_of(answer: httpx.Response) -> str | None:
    """Return the value of the session cookie that an answer sets, as sent; None when it sets none."""
    for set_cookie in answer.headers.get_list("set-cookie"):
        name, _, rest = set_cookie.partition("=")
        if name == COOKIE:
            return str(rest.split(";")[0])
    return None


def start(**environment: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """Start a gateway without waiting for it; return it and its environment."""
    listens = {f"KONG_{name}_LISTEN": f"127.0.0.1:{free_port()}" for name in ("PROXY", "ADMIN", "STATUS")}
    environ = {**os.environ, **listens, **environment}
    command = [sys.executable, "-m", "embedded_cluster.gateway"]
    return subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True), environ


@contextmanager
def running_gateway(**environment: str) -> Iterator[Gateway]:
    """A gateway that answers, with no configuration yet."""
    process, environ = start(**environment)
    admin = httpx.Client(base_url=f"http://{environ['KONG_ADMIN_LISTEN'].split(',')[0]}", timeout=PATIENCE)
    status = f"http://{environ['KONG_STATUS_LISTEN']}"
    try:
        eventually("the Admin API answers", lambda: answers(f"{status}/status") or process.poll() is not None)
        yield Gateway(process, f"http://{environ['KONG_PROXY_LISTEN'].split(',')[0]}", admin, status)
    finally:
        admin.close()
        process.terminate()
        _, said = process.communicate(timeout=PATIENCE)
        print(said)  # pytest shows it when the test fails


def answers(url: str) -> bool:
    """Does anything answer there?"""
    try:
        httpx.get(url, timeout=PATIENCE, trust_env=False)
    except httpx.TransportError:
        return False
    return True


def sticky(pods: list[Pod], weights: list[int | None] | None = None, **upstream: Any) -> dict[str, Any]:
    """One sticky upstream behind path ``/``; a weight of None leaves the pod out."""
    weighted = zip(pods, weights or [100] * len(pods), strict=True)
    targets = [{"target": pod.target, "weight": weight} for pod, weight in weighted if weight is not None]
    policy = {"algorithm": "sticky-sessions", "hash_on": "none", "sticky_sessions_cookie": COOKIE}
    route = {"name": "echo.0.0", "paths": ["/"], "strip_path": False, "preserve_host": True}
    return {
        "_format_version": "3.0",
        "services": [{"name": "echo.0", "host": "echo.0", "tags": ["k8s-name:echo"], "routes": [route]}],
        "upstreams": [{"name": "echo.0", **policy, **upstream, "targets": targets}],
    }
