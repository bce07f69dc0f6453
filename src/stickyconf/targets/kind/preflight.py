"""What must hold before a kind cluster is begun. All of it is looked at within five seconds; each fault is one line."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stickyconf.targets.installation import NoTarget
from stickyconf.targets.kind.licence import inheritable
from stickyconf.targets.kind.settings import KindSettings

SECONDS = 4.5
"""For all questions to Docker and kind together."""

OLDEST_KIND = (0, 27)
"""Older ones cannot load images into the containerd 2 of today's nodes."""

FREE_BYTES = 5 * 1024**3
"""The node's image, unpacked, and those of KIC, Kong and the echo workload, with room to run."""

INOTIFY = {"max_user_instances": 100, "max_user_watches": 8192}
"""What one node's kubelet, containerd and pods take, with room; kind's documentation has more for several nodes."""

INOTIFY_LIMITS = Path("/proc/sys/fs/inotify")


@dataclass(frozen=True, slots=True)
class Tools:
    """The programs that were found, and kind's version."""

    docker: Path
    kind: Path
    kubectl: Path
    kind_version: str


class Asking:
    """Runs commands that together may take SECONDS."""

    def __init__(self) -> None:
        """Start the clock."""
        self._until = time.monotonic() + SECONDS

    def __call__(self, *command: str | Path) -> tuple[int, str, str]:
        """Return exit status, standard output and error output; status -1 if time was up."""
        try:
            done = subprocess.run(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                env=inheritable(),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=max(self._until - time.monotonic(), 0.1),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return -1, "", f"no answer within {SECONDS:g} s"
        except OSError as error:
            return -1, "", str(error.strerror)
        return done.returncode, done.stdout.strip(), done.stderr.strip()


def preflight(settings: KindSettings) -> Tools:
    """Return the tools; NoTarget for the first thing that is missing, saying what to do."""
    ask = Asking()
    docker = _found("docker", "docker", "install Docker (https://docs.docker.com/get-docker/)")
    kind = _found(settings.kind, "kind", "install it (https://kind.sigs.k8s.io) or give --kind-bin PATH")
    kubectl = _found(
        settings.kubectl,
        "kubectl",
        "install it (https://kubernetes.io/docs/tasks/tools/) or give --kind-kubectl-bin PATH",
    )
    information = _docker_answers(ask, docker)
    version = _version(ask, kind)
    if settings.kubeconfig and settings.kubeconfig.exists() and settings.kubeconfig.stat().st_size:
        raise NoTarget(f"--kubeconfig {settings.kubeconfig} exists, and kind would change it; give a path that is free")
    if settings.proxy_port:
        _port_is_free(settings.proxy_port)
    if sys.platform == "linux" and not os.environ.get("DOCKER_HOST", "unix:").startswith(("tcp:", "ssh:")):
        _room(information)
        _inotify()
    return Tools(docker, kind, kubectl, version)


def _found(given: str, name: str, cure: str) -> Path:
    found = shutil.which(given)  # takes paths, too
    if found is None:
        where = "on PATH" if given == name else f"at {given}"
        raise NoTarget(
            f"--target kind needs {name}, and there is none {where}: {cure}; --target embedded needs none of it"
        )
    return Path(found).absolute()


def _docker_answers(ask: Asking, docker: Path) -> dict[str, Any]:
    status, output, said = ask(docker, "info", "--format", "{{json .}}")
    try:
        information: dict[str, Any] = json.loads(output)
    except ValueError:
        information = {}
    errors = information.get("ServerErrors") or []
    if status or errors or not information.get("ServerVersion"):
        reason = " ".join(map(str, errors)) or said
        raise NoTarget(
            f"Docker does not answer ({_last(reason)}): start it, and check that you may use it (docker info)"
        )
    return information


def _version(ask: Asking, kind: Path) -> str:
    status, output, said = ask(kind, "version")
    version = re.search(r"v(\d+)\.(\d+)\S*", output)
    if status or not version:
        raise NoTarget(f"{kind} is no kind, or does not run here ({_last(said or output)}): give --kind-bin PATH")
    if (int(version[1]), int(version[2])) < OLDEST_KIND:
        raise NoTarget(f"{kind} is {version[0]}; this needs v{OLDEST_KIND[0]}.{OLDEST_KIND[1]} or later")
    return version[0]


def _port_is_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that only waits for late packets is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise NoTarget(f"--proxy-port {port} cannot be had ({error.strerror}): give another, or none") from error


def _room(information: dict[str, Any]) -> None:
    root = Path(str(information.get("DockerRootDir", "")))
    try:
        free = shutil.disk_usage(root).free
    except OSError:
        return  # Docker keeps its data where this machine cannot see it (Docker Desktop): kind will tell
    if free < FREE_BYTES:
        raise NoTarget(
            f"{root} has {free / 1024**3:.1f} GiB free, a kind cluster takes {FREE_BYTES / 1024**3:.0f}:"
            " make room (docker system prune)"
        )


def _inotify() -> None:
    for name, least in INOTIFY.items():
        try:
            limit = int((INOTIFY_LIMITS / name).read_text())
        except (OSError, ValueError):
            continue  # a kernel without that limit
        if limit < least:
            raise NoTarget(
                f"too few inotify handles for a node: sudo sysctl fs.inotify.{name}={least * 8} (now {limit})"
            )


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
