"""What a cluster needs of the machine: addresses of its own, free ports, a directory, credentials."""

import base64
import contextlib
import errno
import json
import os
import random
import secrets
import socket
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_NETWORKS = range(2, 255)  # 127.0 and 127.1 are used by hand


class Unavailable(Exception):
    """The machine does not have what the cluster needs; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A ``127.A.0.0/16`` that belongs to this cluster and to no other on this machine."""

    a: int

    @property
    def network(self) -> str:
        """The network in CIDR notation."""
        return f"127.{self.a}.0.0/16"

    @property
    def api_server(self) -> str:
        """Address of the API server."""
        return f"127.{self.a}.0.1"

    @property
    def node(self) -> str:
        """Address of the node agent."""
        return f"127.{self.a}.0.2"


@contextlib.contextmanager
def claim() -> Iterator[Claim]:
    """A loopback network that no other cluster has, as :func:`claimed` gives it."""
    with claimed([f"127.{a}.0.0/16" for a in _NETWORKS]) as network:
        yield Claim(int(network.split(".")[1]))


@contextlib.contextmanager
def claimed(networks: Sequence[str]) -> Iterator[str]:
    """One of the *networks* (CIDR), at random, for the time of the context, or until this process ends however it ends.

    Two clusters must differ even when other programs force them off the usual ports, so a name decides and
    not a port: an abstract Unix socket (unix(7)), which the kernel gives to one process of a network namespace.
    Raises :class:`Unavailable`.
    """
    for network in random.sample(networks, len(networks)):
        with socket.socket(socket.AF_UNIX) as name:
            try:
                name.bind(f"\0stickyconf-embedded-{network}")
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                raise Unavailable(f"cannot claim {network}: {error.strerror}") from error
            yield network
            return
    raise Unavailable(f"{networks[0]} and {len(networks) - 1} more networks are taken by running embedded clusters")


def port(address: str, preferred: int) -> int:
    """*preferred*, or a free port when something has it on all addresses. Raises :class:`Unavailable`."""
    for candidate in (preferred, 0):
        try:
            with socket.create_server((address, candidate)) as listener:
                return int(listener.getsockname()[1])
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise Unavailable(f"cannot listen on {address}:{candidate}: {error.strerror}") from error
    raise Unavailable(f"no port is free on {address}")


@contextlib.contextmanager
def directory(chosen: Path | None) -> Iterator[Path]:
    """*chosen*, which is left behind, or else a temporary one that is removed in the end. What is new is private.

    Raises :class:`Unavailable`.
    """
    if chosen is None:
        with tempfile.TemporaryDirectory(prefix="stickyconf-", ignore_cleanup_errors=True) as temporary:
            yield Path(temporary)
        return
    try:
        chosen.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"cannot use directory {chosen}: {error.strerror}") from error
    yield chosen.resolve()


def executable(file: Path, option: str) -> Path:
    """*file*, made absolute. Raises :class:`Unavailable`, naming *option*, when it cannot be run."""
    if not file.is_file():
        raise Unavailable(f"{option}: there is no file {file}")
    if not os.access(file, os.X_OK):
        raise Unavailable(f"{option}: {file} is not executable (chmod +x {file})")
    return file.resolve()


@dataclass(frozen=True, slots=True)
class Credentials:
    """Files that let the API server prove who it is, and its clients who they are."""

    certificate: Path
    key: Path
    token: Path
    kubeconfig: Path


def credentials(where: Path, server: str, server_port: int) -> Credentials:
    """Make a certificate for *server*, a token, and a kubeconfig that holds them, in directory *where*."""
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert(server)
    files = Credentials(where / "apiserver.crt", where / "apiserver.key", where / "token", where / "kubeconfig")
    token = secrets.token_urlsafe(32)
    write_private(files.certificate, b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    write_private(files.key, certificate.private_key_pem.bytes())
    write_private(files.token, token.encode())
    config = _kubeconfig(f"https://{server}:{server_port}", authority.cert_pem.bytes(), token)
    write_private(files.kubeconfig, config.encode())
    return files


def _kubeconfig(server: str, authority: bytes, token: str) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "embedded",
                "cluster": {
                    "server": server,
                    "certificate-authority-data": base64.b64encode(authority).decode(),
                },
            }
        ],
        "users": [{"name": "embedded", "user": {"token": token}}],
        "contexts": [{"name": "embedded", "context": {"cluster": "embedded", "user": "embedded"}}],
        "current-context": "embedded",
    }
    return json.dumps(config, indent=2)  # which is YAML as well


def write_private(file: Path, content: bytes) -> None:
    """Write a file that no other user can read, from its first moment on."""
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_bytes(content)
