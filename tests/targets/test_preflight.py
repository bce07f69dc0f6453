"""What is missing for a kind cluster is said in one line, soon, and nothing has been started."""

import os
import socket
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from stickyconf.releases.known import known
from stickyconf.targets.installation import BadOption, NoTarget
from stickyconf.targets.kind import preflight as checks
from stickyconf.targets.kind.preflight import preflight
from stickyconf.targets.kind.settings import settings
from tests.waiting import PATIENCE

INFORMATION = '{"ServerVersion": "28.0", "DockerRootDir": "%s"}'


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing but working stand-ins for docker, kind and kubectl on it."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    program(directory / "docker", f"echo '{INFORMATION % tmp_path}'")
    program(directory / "kind", "echo kind v0.30.0 go1.24 linux/amd64")
    program(directory / "kubectl", "")
    monkeypatch.setattr(checks, "SECONDS", PATIENCE)
    monkeypatch.setattr(checks, "FREE_BYTES", 1)
    monkeypatch.setattr(checks, "INOTIFY_LIMITS", tmp_path / "inotify")
    return directory


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def refused(**options: Any) -> str:
    with pytest.raises(NoTarget) as caught:
        preflight(settings(Namespace(**options), environ={}))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_everything_is_there(programs):
    """The programs are found on PATH, or where an option says."""
    (programs / "kind").rename(programs / "other-kind")
    found = preflight(settings(Namespace(kind_bin=str(programs / "other-kind")), environ={}))
    assert (found.docker, found.kind) == (programs / "docker", programs / "other-kind")
    assert found.kind_version == "v0.30.0"


@pytest.mark.parametrize("name", ["docker", "kind", "kubectl"])
def test_program_missing(programs, name):
    """Its name, how to get it, and what needs none of it."""
    (programs / name).unlink()
    said = refused()
    assert said.startswith(f"--target kind needs {name}, and there is none on PATH: install ")
    assert said.endswith("--target embedded needs none of it")


def test_option_that_names_no_program(programs):
    """A path is not looked for elsewhere."""
    assert "there is none at /nowhere/kind" in refused(kind_bin="/nowhere/kind")


def test_docker_is_down(programs):
    """Docker's own words are in the line."""
    program(programs / "docker", "echo 'Cannot connect to the Docker daemon at unix:///x.' >&2; exit 1")
    assert refused().startswith("Docker does not answer (Cannot connect to the Docker daemon at unix:///x.): start it")


def test_docker_is_down_but_its_client_is_content(programs):
    """Some clients answer with status 0 and the errors among the data."""
    program(programs / "docker", """echo '{"ServerErrors": ["permission denied"]}'""")
    assert "Docker does not answer (permission denied)" in refused()


def test_docker_hangs(programs, monkeypatch):
    """It is not waited for beyond the limit, which all commands share."""
    program(programs / "docker", "exec /bin/sleep 600")
    monkeypatch.setattr(checks, "SECONDS", 0.2)
    assert "Docker does not answer (no answer within 0.2 s)" in refused()


def test_limit_is_what_a_user_waits_for():
    """All that is asked before a cluster is begun takes less than five seconds, or is given up."""
    assert checks.SECONDS < 5


def test_kind_is_too_old(programs):
    """The version it has, and the one it takes."""
    program(programs / "kind", "echo kind v0.17.0 go1.19 linux/amd64")
    assert refused().endswith("kind is v0.17.0; this needs v0.27 or later")


def test_kind_is_something_else(programs):
    """A program of that name that is another."""
    program(programs / "kind", "echo unknown flag >&2; exit 1")
    assert "is no kind, or does not run here (unknown flag): give --kind-bin PATH" in refused()


def test_port_is_taken(programs):
    """By a real listener."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert refused(proxy_port=str(port)).startswith(f"--proxy-port {port} cannot be had (Address already in use)")


def test_kubeconfig_exists(programs, tmp_path):
    """Somebody's kubeconfig is not written into."""
    (tmp_path / "config").write_text("kind: Config")
    assert "exists, and kind would change it" in refused(kubeconfig=str(tmp_path / "config"))


@pytest.mark.skipif(sys.platform != "linux", reason="Docker's disk and inotify are looked at where it runs on Linux")
def test_disk_is_full(programs, monkeypatch):
    """How much there is, and how much it takes."""
    monkeypatch.setattr(checks, "FREE_BYTES", 1 << 60)
    assert "GiB free, a kind cluster takes" in refused()


@pytest.mark.skipif(sys.platform != "linux", reason="Docker's disk and inotify are looked at where it runs on Linux")
def test_too_few_inotify_handles(programs, tmp_path):
    """The command that cures it."""
    (tmp_path / "inotify").mkdir()
    (tmp_path / "inotify" / "max_user_instances").write_text("16\n")
    assert refused() == "too few inotify handles for a node: sudo sysctl fs.inotify.max_user_instances=800 (now 16)"


BAD = {
    "KIC": (
        {"kic_version": "2.12.0"},
        "--kic-version 2.12.0: sticky sessions are in 3.5 and later",
    ),
    "no version of KIC": ({"kic_version": "newest"}, "--kic-version newest: that is no version; give one like 3.5.13"),
    "Gateway API": ({"gateway_api_version": "1"}, "--gateway-api-version 1: that is no version"),
    "router": ({"kong_router_flavor": "atc"}, "--kong-router-flavor atc: there are: traditional,"),
    "replicas": ({"kong_replicas": "0"}, "--kong-replicas 0: give a whole number from 1 to 20"),
    "workers": ({"kong_workers": "two"}, "--kong-workers two: give a whole number"),
    "port": ({"proxy_port": "80000"}, "--proxy-port 80000: give a whole number from 1 to 65535"),
    "archives": ({"preload_images": "/nowhere"}, "--preload-images /nowhere: there is no *.tar in it"),
    "distroless": ({"kong_image": "kong/kong-gateway:3.15.0.4-distroless"}, "give a tag with -ubuntu"),
}


@pytest.mark.parametrize(("options", "said"), BAD.values(), ids=BAD)
def test_bad_option(options, said):
    """What cannot be is refused before anything is looked at."""
    with pytest.raises(BadOption) as caught:
        settings(Namespace(**options), environ={})
    assert said in str(caught.value)


def test_options_and_environment():
    """The command line goes before the environment, and that before the defaults."""
    environ = {"KONG_IMAGE": "kong/kong-gateway:3.12.0.11", "KONG_WORKERS": "4", "KIND_CLUSTER_NAME": "ci"}
    chosen = settings(Namespace(kong_workers="1", cluster_name="pytest-kind"), environ)
    assert chosen.name == "ci"
    assert (chosen.setup.kong_image, chosen.setup.workers) == ("kong/kong-gateway:3.12.0.11", 1)
    chosen = settings(Namespace(cluster_name="pytest-kind"), {})
    assert chosen.name == "", "pytest-kind's default would be one name for everybody"
    assert chosen.setup.kong_image == known().kong_image
    assert chosen.setup.kic_image == f"kong/kubernetes-ingress-controller:{known().defaults.kic}"
    assert settings(Namespace(kic_image="kong/nightly:1"), {}).setup.kic_image == "kong/nightly:1"


def test_no_command_sees_the_licence(programs, monkeypatch):
    """Not in its environment, either, though workers of this process may still need it there."""
    monkeypatch.setenv("KONG_LICENSE_DATA", "SENSITIVE")
    program(programs / "docker", f"/usr/bin/env > {programs}/seen; echo '{INFORMATION % programs}'")
    preflight(settings(Namespace(), environ={}))
    assert "PATH=" in (programs / "seen").read_text()
    assert "SENSITIVE" not in (programs / "seen").read_text()


def test_no_command_sees_the_terminal(programs):
    """What is asked cannot wait for an answer of the user's."""
    program(programs / "docker", f"read line && exit 1; echo '{INFORMATION % programs}'")
    assert preflight(settings(Namespace(), environ={})).docker == programs / "docker"
    assert os.environ["PATH"] == str(programs)
