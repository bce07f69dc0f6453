"""The echo workload as a process of its own: what it records, how it dies, and how preStop holds it."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import re
import select
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pytest
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import connect

from embedded_cluster.node.servicelinks import variables_of
from tests.ports import free_port
from tests.waiting import PATIENCE

ECHO = Path(__file__).parents[1] / "manifests" / "echo" / "echo.py"

LEAN = ("-I", "-S")  # as manifests/echo/echo.yaml starts it


class Pod:
    """An echo server on loopback, and what it has logged."""

    def __init__(
        self,
        *,
        command: Sequence[str] = (sys.executable, *LEAN, str(ECHO)),
        stderr: IO[bytes] | None = None,
        **environment: str,
    ) -> None:
        self._command, self._stderr = command, stderr
        self.port = free_port()
        self._environment = {**os.environ, "POD_NAME": "echo-a", "POD_IP": "127.0.0.1", "ECHO_LISTEN": str(self.port)}
        self._environment |= environment
        self.process = self.start()
        self.wait_for("listening")

    def start(self) -> subprocess.Popen[str]:
        command = list(self._command)
        return subprocess.Popen(command, env=self._environment, stdout=subprocess.PIPE, stderr=self._stderr, text=True)

    def wait_for(self, event: str) -> dict[str, Any]:
        """Return the next line of the log that tells of such an event."""
        assert self.process.stdout
        for line in self.process.stdout:
            record: dict[str, Any] = json.loads(line)
            if record["event"] == event:
                return record
        pytest.fail(f"the log ended without {event}")

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def hold(self, seconds: float) -> http.client.HTTPConnection:
        """Ask as preStop does; the connection is waiting for the answer."""
        connection = self.connect()
        connection.request("GET", f"/-/hold?seconds={seconds:g}")
        return connection

    def ask(self, path: str, method: str = "GET") -> int:
        connection = self.connect()
        connection.request(method, path)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response.status


@pytest.fixture
def pod() -> Iterator[Pod]:
    pod = Pod(ECHO_LOG_CONNECTIONS="1")
    yield pod
    pod.process.kill()
    pod.process.wait(PATIENCE)


def test_every_connection_is_recorded_before_what_is_asked_on_it(pod: Pod) -> None:
    connection = pod.connect()
    connection.connect()
    peer = pod.wait_for("connected")["peer"]
    assert peer == "{}:{}".format(*connection.sock.getsockname())
    connection.request("GET", "/", headers={"Echo-Request-Id": "one"})
    assert pod.wait_for("request")["id"] == "one"


def test_connections_are_not_recorded_where_nobody_asked_for_it() -> None:
    pod = Pod()
    try:
        assert pod.ask("/") == 200
        assert json.loads(pod.process.stdout.readline())["event"] == "request"
    finally:
        pod.process.kill()
        pod.process.wait(PATIENCE)


def test_the_variables_of_a_service_called_echo_do_not_disturb_it() -> None:
    """A kubelet sets ECHO_PORT=tcp://10.96.169.38:1027 for the Service called echo."""
    service = {
        "metadata": {"name": "echo"},
        "spec": {"clusterIP": "10.96.169.38", "ports": [{"name": "http", "port": 1027, "protocol": "TCP"}]},
    }
    links = variables_of(service)
    assert links["ECHO_PORT"] == "tcp://10.96.169.38:1027"
    pod = Pod(**links)
    try:
        assert pod.ask("/") == 200
    finally:
        pod.process.kill()
        pod.process.wait(PATIENCE)


def test_no_variable_that_it_reads_can_be_one_of_a_service() -> None:
    """Links are called NAME_SERVICE_HOST, NAME_SERVICE_PORT, NAME_SERVICE_PORT_PART, NAME_PORT, NAME_PORT_80_TCP."""
    source = ECHO.read_text(encoding="utf-8")
    read = set(re.findall(r"""environ(?:\.get\(|\[)"(\w+)\"""", source)) | set(
        re.findall(r'"(\w+)" in os.environ', source)
    )
    assert {"ECHO_LISTEN", "POD_IP", "ECHO_LOG_CONNECTIONS"} <= read
    assert not [name for name in read if re.search(r"_SERVICE_HOST$|_SERVICE_PORT($|_)|_PORT($|_\d)", name)]


def test_a_dead_server_neither_listens_nor_has_a_connection_left(pod: Pod) -> None:
    kept = pod.connect()
    kept.request("GET", "/")
    kept.getresponse().read()

    assert pod.ask("/-/die", "POST") == 200
    pod.wait_for("died")

    with pytest.raises(ConnectionRefusedError):
        pod.ask("/")
    assert kept.sock.recv(1) == b"", "the server has closed it"


def test_the_pre_stop_hook_outlives_the_server(pod: Pod) -> None:
    hook = pod.hold(PATIENCE)
    pod.wait_for("held")

    pod.ask("/-/die", "POST")
    pod.wait_for("died")

    assert not select.select([hook.sock], [], [], 0.1)[0], "nothing has come, and it is not closed"
    pod.process.terminate()
    pod.wait_for("sigterm")
    assert hook.getresponse().status == 200
    assert pod.process.wait(PATIENCE) == 0


def test_a_released_hook_returns(pod: Pod) -> None:
    hook = pod.hold(PATIENCE * 3)
    pod.wait_for("held")
    assert pod.ask("/-/release", "POST") == 200
    assert hook.getresponse().status == 200


def test_a_hook_that_is_not_released_returns_after_its_time(pod: Pod) -> None:
    assert pod.hold(0.05).getresponse().status == 200


def test_it_runs_on_the_oldest_python_that_an_image_may_have() -> None:
    python = shutil.which("python3.9")
    if python is None or subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip("there is no python3.9 that works, the oldest that --echo-image takes")
    pod = Pod(command=(python, *LEAN, str(ECHO)))
    hook = pod.hold(PATIENCE)
    pod.wait_for("held")
    assert pod.ask("/?status=404&bytes=100&set-cookie=a%3D%22b%22") == 404
    assert pod.ask("/?digest=1", "POST") == 200
    pod.process.terminate()
    assert hook.getresponse().status == 200
    assert pod.process.wait(PATIENCE) == 0


def test_it_writes_nothing(tmp_path: Path) -> None:
    """Its pods have a root file system that is read-only: not even what Python keeps compiled may be written."""
    copy = tmp_path / "app" / "echo.py"
    copy.parent.mkdir()
    copy.write_bytes(ECHO.read_bytes())
    opened = tmp_path / "opened"
    script = (
        "import os, runpy, sys\n"
        "def note(event, arguments):\n"
        "    if event == 'open' and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):\n"
        "        os.write(2, repr(arguments).encode() + b'\\n')\n"
        "sys.addaudithook(note)\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    with opened.open("wb") as file:
        pod = Pod(command=[sys.executable, "-c", script, str(copy)], stderr=file)
        assert pod.ask("/") == 200
        assert pod.ask("/-/release", "POST") == 200
        pod.process.terminate()
        assert pod.process.wait(PATIENCE) == 0
    assert opened.read_bytes() == b""
    assert [path.name for path in copy.parent.iterdir()] == ["echo.py"]


def test_what_cannot_be_understood_is_refused_and_the_server_serves_on(pod: Pod) -> None:
    for said in (b"GET /\r\n\r\n", b"GET /?status=none HTTP/1.1\r\n\r\n", b"GET /" + b"x" * (1 << 19)):
        with socket.create_connection(("127.0.0.1", pod.port), PATIENCE) as plain:
            plain.sendall(said)
            assert plain.recv(100).startswith(b"HTTP/1.1 400 ")
    assert pod.ask("/") == 200


def test_several_requests_that_come_at_once_are_answered_in_order(pod: Pod) -> None:
    """Pipelining (RFC 9112, section 9.3.2), a request in two parts, and one that says it is the last."""
    with socket.create_connection(("127.0.0.1", pod.port), PATIENCE) as plain:
        plain.sendall(b"GET /?status=201 HTTP/1.1\r\n\r\nHEAD /?status=202 HTTP/1.1\r\n\r\nGET /?status=404 HT")
        plain.sendall(b"TP/1.1\r\nConnection: close\r\n\r\n")
        said = b"".join(iter(lambda: plain.recv(1 << 16), b""))
    assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"201", b"202", b"404"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_comes_back_as_it_was_sent(pod: Pod, chunked: bool) -> None:
    sent = random.Random(4).randbytes(1_000_000)  # noqa: S311 - no secret
    connection = pod.connect()
    body = (sent[at : at + 70_000] for at in range(0, len(sent), 70_000)) if chunked else sent
    connection.request("POST", "/?mirror=1&digest=1", body=body, encode_chunked=chunked)
    response = connection.getresponse()
    assert response.read() == sent
    assert response.headers["Echo-Received"] == hashlib.sha256(sent).hexdigest()
    connection.request("GET", "/?bytes=1000000")
    assert len(connection.getresponse().read()) == 1_000_000


def test_a_client_that_asks_before_it_sends_a_body_is_told_to(pod: Pod) -> None:
    with socket.create_connection(("127.0.0.1", pod.port), PATIENCE) as plain:
        plain.sendall(b"POST /?mirror=1 HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert plain.recv(100).startswith(b"HTTP/1.1 100 ")
        plain.sendall(b"body")
        assert plain.recv(1000).endswith(b"body")


def test_it_says_that_it_is_not_ready_when_it_was_told_to(pod: Pod) -> None:
    said = [(method, path, pod.ask(f"/-/{path}", method)) for method, path in READINESS]
    assert [status for _, _, status in said] == [200, 200, 503, 200, 200]


READINESS = [("GET", "ready"), ("POST", "unready"), ("GET", "ready"), ("POST", "ready"), ("GET", "ready")]


def test_every_request_gets_the_status_that_the_pod_was_told(pod: Pod) -> None:
    assert pod.ask("/-/answer?status=503", "POST") == 200
    assert (pod.ask("/"), pod.ask("/?status=404"), pod.ask("/-/ready")) == (503, 404, 200)
    assert pod.ask("/-/answer?status=200", "POST") == 200
    assert pod.ask("/") == 200


def test_events_come_until_the_pod_is_told_to_stop_and_then_end_properly(pod: Pod) -> None:
    connection = pod.connect()
    connection.request("GET", "/?events=0.01")
    response = connection.getresponse()
    assert response.headers["Content-Type"] == "text/event-stream"
    assert [response.readline() for _ in range(4)] == [b"id: 1\n", b"data: echo-a\n", b"\n", b"id: 2\n"]
    pod.process.terminate()
    assert response.read().endswith(b"data: echo-a\n\n"), "a last chunk says that this was all"
    assert pod.process.wait(PATIENCE) == 0


def test_messages_come_back_with_the_name_of_the_pod(pod: Pod) -> None:
    """Short and long ones, in one frame and in several, with a ping between (RFC 6455)."""
    with connect(f"ws://127.0.0.1:{pod.port}/", max_size=None) as client:
        assert client.response.headers["Echo-Pod"] == "echo-a"
        for message in ("", "x" * 125, "x" * 126, "x" * 70_000):
            client.send(message)
            assert client.recv(PATIENCE) == f"echo-a {message}"
        client.send(["in ", "three ", "frames"])
        assert client.ping().wait(PATIENCE)
        assert client.recv(PATIENCE) == "echo-a in three frames"
    assert client.close_code == 1000


def test_a_web_socket_is_closed_when_the_pod_is_told_to_stop(pod: Pod) -> None:
    with connect(f"ws://127.0.0.1:{pod.port}/") as client:
        client.send("before")
        assert client.recv(PATIENCE) == "echo-a before"
        pod.process.terminate()
        with pytest.raises(ConnectionClosedOK):
            client.recv(PATIENCE)
        assert client.close_code == 1001
    assert pod.process.wait(PATIENCE) == 0


def test_an_upgrade_is_refused_with_the_status_that_is_asked_for(pod: Pod) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://127.0.0.1:{pod.port}/?status=401"):
        pass
    assert refused.value.response.status_code == 401


def test_requests_wait_beside_each_other_and_outlast_sigterm(pod: Pod) -> None:
    late = [pod.connect() for _ in range(3)]
    for connection, path in zip(late, ("/?delay=0.2", "/?until=sigterm", "/?delay=0.1"), strict=True):
        connection.request("GET", path)
    assert pod.ask("/") == 200
    for _ in range(4):
        pod.wait_for("request")
    pod.process.terminate()
    assert [connection.getresponse().status for connection in late] == [200, 200, 200]
    assert pod.process.wait(PATIENCE) == 0


def test_an_idle_connection_ends_at_sigterm_and_one_that_is_used_does_not(pod: Pod) -> None:
    idle, used = pod.connect(), pod.connect()
    for connection in (idle, used):
        connection.request("GET", "/")
        connection.getresponse().read()
    used.request("GET", "/?until=sigterm")
    pod.process.terminate()
    response = used.getresponse()
    assert (response.status, response.headers["Connection"]) == (200, "close")
    assert idle.sock.recv(1) == b""
    assert pod.process.wait(PATIENCE) == 0


def test_its_start_loads_nothing_that_loads_others() -> None:
    """A run starts more than a hundred pods: what a start loads is most of what they cost."""
    script = "import os, sys; __name__, before = 'echo', set(sys.modules); exec(open(sys.argv[1]).read())"
    script += "; print(*set(sys.modules) - before)"
    loaded = subprocess.check_output([sys.executable, *LEAN, "-c", script, str(ECHO)], text=True).split()
    assert set(loaded) <= {"_socket", "select"}
