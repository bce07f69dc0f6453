"""What probes and lifecycle hooks do: a request, a connection, a command, a pause."""

import asyncio
import contextlib
import re
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from embedded_cluster.client import Object
from embedded_cluster.node.process import Process

_NO_LIMIT = aiohttp.ClientTimeout(total=None)  # aiohttp's own would be five minutes: a preStop hook may take longer
_LONGEST_HEAD = 1 << 16  # bytes of a response before its body
_AGENT = "kube-probe/embedded"
_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}")
_PLAIN_PATH = re.compile(r"[!-\"$-~]+")  # goes into a request as it is; a fragment would not
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})\b")


class ActionError(Exception):
    """The action failed; the message is for people."""


@dataclass(frozen=True, slots=True)
class Target:
    """The container that actions are about."""

    container: Object
    ip: str
    start: Callable[[list[str], Callable[[bytes], None]], Process]
    """Starts a command in the container's surroundings; its output goes to the second argument."""
    http: aiohttp.ClientSession


async def perform(action: Object, target: Target) -> None:
    """Do what *action* says: ``httpGet``, ``tcpSocket``, ``exec`` or ``sleep``, as in a probe or lifecycle handler.

    Has no time limit: the caller sets it. Raises :class:`ActionError` when it fails.
    """
    try:
        if "httpGet" in action:
            await _http_get(action["httpGet"], target)
        elif "tcpSocket" in action:
            await _connect(action["tcpSocket"], target)
        elif "exec" in action:
            await _execute(action["exec"]["command"], target)
        elif "sleep" in action:
            await asyncio.sleep(action["sleep"]["seconds"])
        else:
            raise ActionError(f"nothing to do that is known here: {', '.join(action) or 'empty'}")
    except KeyError as error:
        raise ActionError(f"{error} is missing") from error


async def _http_get(get: Object, target: Target) -> None:
    scheme, host, port = get.get("scheme", "HTTP").lower(), get.get("host") or target.ip, _port(get, target)
    path, headers = _absolute(get.get("path", "/")), get.get("httpHeaders") or []
    url = f"{scheme}://{host}:{port}{path}"
    plain = scheme == "http" and not headers and _ADDRESS.fullmatch(host) and _PLAIN_PATH.fullmatch(path)
    try:
        status = await _plain_status(host, port, path) if plain else None
        if status is None or 300 <= status < 400:  # a redirect is followed
            status = await _status(url, headers, target)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ActionError(f"Get {url!r}: {error}") from error
    # A redirect to another host is not followed, and counts as success.
    if not 200 <= status < 400:
        raise ActionError(f"HTTP probe failed with statuscode: {status}")


async def _plain_status(host: str, port: int, path: str) -> int | None:
    """Ask over plain HTTP by a socket alone: every pod is probed each second, and more often while it starts.

    Returns None if the answer is no response of HTTP/1.
    """
    loop, head = asyncio.get_running_loop(), b""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as connection:
        await loop.sock_connect(connection, (host, port))
        request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: {_AGENT}\r\nConnection: close\r\n\r\n"
        await loop.sock_sendall(connection, request.encode("ascii"))
        while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
            chunk = await loop.sock_recv(connection, _LONGEST_HEAD)
            if not chunk:
                break
            head += chunk
    found = _STATUS_LINE.match(head)
    return int(found[1]) if found else None


async def _status(url: str, headers: list[Object], target: Target) -> int:
    """Ask with a client that knows TLS, names and redirects."""
    named = {header["name"]: header["value"] for header in headers}
    # ssl=False: a probe does not verify certificates ("Configure Probes", section "HTTP probes").
    async with target.http.get(url, headers=named, ssl=False, timeout=_NO_LIMIT) as response:
        return response.status


async def _connect(place: Object, target: Target) -> None:
    try:
        _, writer = await asyncio.open_connection(place.get("host") or target.ip, _port(place, target))
    except OSError as error:
        raise ActionError(f"dial tcp: {error}") from error
    writer.close()
    with contextlib.suppress(OSError):  # it was open, and that is all that was asked
        await writer.wait_closed()


async def _execute(command: list[str], target: Target) -> None:
    output = bytearray()
    try:
        process = target.start(command, output.extend)
    except (OSError, ValueError) as error:
        raise ActionError(f"command {' '.join(command)!r}: {error}") from error
    try:
        code = await process.ended()
    except asyncio.CancelledError:
        process.signal(signal.SIGKILL)
        raise
    await process.drain()
    if code:
        said = bytes(output).decode(errors="replace").strip()
        raise ActionError(f"command {' '.join(command)!r} exited with {code}: {said}")


def _port(action: Object, target: Target) -> int:
    wanted: Any = action["port"]
    if isinstance(wanted, int):
        return wanted
    for port in target.container.get("ports") or []:
        if port.get("name") == wanted:
            return int(port["containerPort"])
    raise ActionError(f"container {target.container['name']} has no port named {wanted}")


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"
