"""The gateway as a process: how it ends, what it leaves behind, and what it says when it cannot start."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded_cluster.environment import MisconfiguredError
from embedded_cluster.gateway.__main__ import Settings
from tests.embedded.gateway_process import Pod, running_gateway, running_pods, start, sticky
from tests.waiting import PATIENCE, eventually


@pytest.fixture(scope="module")
def pods() -> Iterator[list[Pod]]:
    with running_pods() as three:
        yield three


def test_sigterm_lets_requests_in_flight_complete(pods: list[Pod]) -> None:
    """The process ends with status 0, its Envoy with it, after the last answer."""
    with running_gateway() as gateway:
        gateway.push(sticky(pods[:1]))
        envoy, answered = gateway.envoy(), []
        visitor = threading.Thread(target=lambda: answered.append(gateway.get("/slow").status_code))
        visitor.start()
        assert pods[0].entered.wait(PATIENCE)
        gateway.process.send_signal(signal.SIGTERM)
        eventually("the proxy accepts nothing new", lambda: _refuses(gateway.proxy))
        pods[0].release.set()
        visitor.join()
        assert answered == [200]
        assert gateway.process.wait(PATIENCE) == 0
        assert not _alive(envoy)


def test_kill_leaves_no_envoy_behind(tmp_path: Path) -> None:
    """Envoy does not outlive a gateway that is killed; only its directory in TMPDIR stays."""
    with running_gateway(TMPDIR=str(tmp_path)) as gateway:
        envoy = gateway.envoy()
        gateway.process.kill()
        gateway.process.wait(PATIENCE)
        eventually("Envoy is gone", lambda: not _alive(envoy))


def test_gateway_does_not_outlive_its_envoy() -> None:
    """When Envoy ends by itself the gateway ends too, with status 1, so that it is started anew."""
    with running_gateway() as gateway:
        os.kill(gateway.envoy(), signal.SIGKILL)
        assert gateway.process.wait(PATIENCE) == 1


@pytest.mark.parametrize("listen", ["PROXY", "ADMIN", "STATUS"])
def test_a_port_that_is_taken_gets_one_clear_line(listen: str) -> None:
    """It is named, and the exit status is 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = _refused(**{f"KONG_{listen}_LISTEN": f"127.0.0.1:{port}"})
    assert f"127.0.0.1:{port}" in said
    assert "in use" in said


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"KONG_ADMIN_LISTEN": "everywhere"}, "KONG_ADMIN_LISTEN must be ADDR:PORT, not 'everywhere'"),
        ({"KONG_PROXY_LISTEN": "127.0.0.1:70000"}, "KONG_PROXY_LISTEN must be ADDR:PORT, not '127.0.0.1:70000'"),
        ({"EMBEDDED_HOOK": "no.such:thing"}, "EMBEDDED_HOOK 'no.such:thing' names no MODULE:FUNCTION"),
        ({"EMBEDDED_HOOK": "os:sep"}, "EMBEDDED_HOOK 'os:sep' is not a function"),
    ],
)
def test_wrong_settings_are_refused(environment: dict[str, str], said: str) -> None:
    """The message names the variable."""
    with pytest.raises(MisconfiguredError) as refused:
        Settings.read(environment)
    assert str(refused.value).startswith(said)


def test_a_platform_without_envoy_gets_one_clear_line() -> None:
    """The wheel exists for some platforms only."""
    hidden = "import sys; sys.modules['envoy'] = None; import embedded_cluster.gateway.__main__ as gateway"
    hidden += "; sys.exit(gateway.main())"
    ended = subprocess.run(
        [sys.executable, "-c", hidden], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("gateway: no Envoy for ")
    assert ended.stderr.count("\n") == 1


def _refused(**environment: str) -> str:
    process, _ = start(**environment)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2, said
    (line,) = [line for line in said.splitlines() if line.startswith("gateway: ")]
    assert "Traceback" not in said
    return line


def _refuses(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as sock:
        return sock.connect_ex((host, int(port))) != 0


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
