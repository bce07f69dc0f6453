"""The echo workload as a process of its own: what it records, how it dies, and how preStop holds it."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pytest

from embedded_cluster.node.servicelinks import variables_of
from tests.ports import free_port
from tests.waiting import PATIENCE

ECHO = Path(__file__).parents[1] / "manifests" / "echo" / "echo.py"


class Pod:
    """An echo server on loopback, and what it has logged."""

    def __init__(
        self,
        *,
        command: Sequence[str] = (sys.executable, str(ECHO)),
        stderr: IO[bytes] | None = None,
        **environment: str,
    ) -> None:
        self._command, self._stderr = command, stderr
        self.port = free_port()
        self._environment = {**os.environ, "POD_NAME": "echo-a", "POD_IP": "127.0.0.1", "ECHO_LISTEN": str(self.port)}
        self._environment |= environment
        self.process = self.start()
        self.wait_for("listening")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [*self._command, *arguments]
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
    hook = pod.start("hold", str(PATIENCE))
    pod.wait_for("held")

    pod.ask("/-/die", "POST")
    pod.wait_for("died")

    assert hook.poll() is None
    pod.process.terminate()
    pod.wait_for("sigterm")
    assert hook.wait(PATIENCE) == 0
    assert pod.process.wait(PATIENCE) == 0


def test_a_released_hook_returns(pod: Pod) -> None:
    hook = pod.start("hold", str(PATIENCE * 3))
    pod.wait_for("held")
    assert pod.ask("/-/release", "POST") == 200
    assert hook.wait(PATIENCE) == 0


def test_it_runs_on_the_oldest_python_that_an_image_may_have() -> None:
    python = shutil.which("python3.9")
    if python is None or subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip("there is no python3.9 that works, the oldest that --echo-image takes")
    pod = Pod(command=(python, str(ECHO)))
    hook = pod.start("hold", str(PATIENCE))
    pod.wait_for("held")
    assert pod.ask("/?status=404&bytes=100") == 404
    pod.process.terminate()
    assert hook.wait(PATIENCE) == 0
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
