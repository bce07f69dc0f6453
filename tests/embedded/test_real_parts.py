"""Real parts in the embedded cluster's place: what is said when one is missing, is something else, or does not start.

Programs that only pretend stand in for them here; the real ones are compared in ``tests/fidelity``.
"""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.embedded.conftest import running
from tests.embedded.gateway_process import running_gateway
from tests.waiting import PATIENCE

KIC = """#!/bin/sh
[ "$1" = version ] && echo '{"release": "v3.5.99", "repo": "", "commit": ""}' && exit
echo "no Kong to be found" >&2
exit 3
"""


def up(*options: str) -> subprocess.CompletedProcess[str]:
    """``up`` that is expected to fail."""
    command = [sys.executable, "-m", "embedded_cluster", "up", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def program(file: Path, text: str) -> Path:
    file.write_text(text)
    file.chmod(0o755)
    return file


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--controller-binary", "{dir}/none"], "--controller-binary: there is no file {dir}/none"),
        (["--controller-binary", "{dir}/text"], "--controller-binary: {dir}/text is not executable"),
        (
            ["--controller-binary", "{dir}/other"],
            "--controller-binary: {dir}/other version does not answer as KIC",
        ),
        (["--control-plane-assets", "{dir}"], "--control-plane-assets: there is no file {dir}/etcd"),
        (["--controller-argument=--x"], "--controller-argument is for a KIC binary"),
        (["--admin-url", "http://127.0.0.1:1"], "give both, or none"),
    ],
)
def test_what_cannot_be_run_is_said_in_one_line(options: list[str], said: str, tmp_path: Path) -> None:
    """Exit status 2, and nothing was started."""
    (tmp_path / "text").write_text("no program")
    program(tmp_path / "other", "#!/bin/sh\necho hello\n")
    done = up(*(option.format(dir=tmp_path) for option in options))
    assert done.returncode == 2
    assert said.format(dir=tmp_path) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_controller_that_ends_is_quoted(tmp_path: Path) -> None:
    """Its own last words are in the error; exit status 1."""
    done = up("--controller-binary", str(program(tmp_path / "kic", KIC)), "--gateway", "python")
    assert done.returncode == 1
    assert "keeps ending; its last words:\n  no Kong to be found" in done.stderr


@pytest.mark.skipif(
    os.geteuid() != 0 or not os.access("/dev/net/tun", os.W_OK), reason="pod addresses take root and /dev/net/tun"
)
def test_a_control_plane_that_ends_is_quoted(tmp_path: Path) -> None:
    """The part is named, and its own last lines are there."""
    program(tmp_path / "etcd", "#!/bin/sh\necho 'the disk is upside down'\nexit 7\n")
    program(tmp_path / "kube-apiserver", "#!/bin/sh\nsleep 60\n")
    done = up("--control-plane-assets", str(tmp_path))
    assert done.returncode == 1
    assert "etcd ended by itself with status 7\n  the disk is upside down" in done.stderr


def test_a_gateway_run_by_hand_is_configured() -> None:
    """The cluster has none of its own then; the controller finds it at its address."""
    with running_gateway() as gateway:
        admin = str(gateway.admin.base_url).rstrip("/")
        with running("--admin-url", admin, "--proxy-url", gateway.proxy) as cluster:
            assert cluster.said["admin_url"] == admin
            assert httpx.get(f"{admin}/status", timeout=PATIENCE).json()["configuration_hash"] != "0" * 32
            assert "kong-gateway-" not in cluster.kubectl("-n", "kong", "get", "pods", "-o", "name")
