"""What probes and lifecycle hooks do: a request, a connection, a command, a pause."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from embedded_cluster.client import Object
from embedded_cluster.node.process import Process

_NO_LIMIT = aiohttp.ClientTimeout(total=None)  # aiohttp's own would be five minutes: a preStop hook may take longer


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
    scheme = get.get("scheme", "HTTP").lower()
    url = f"{scheme}://{get.get('host') or target.ip}:{_port(get, target)}{_absolute(get.get('path', '/'))}"
    headers = {header["name"]: header["value"] for header in get.get("httpHeaders") or []}
    try:
        # ssl=False: a probe does not verify certificates ("Configure Probes", section "HTTP probes").
        async with target.http.get(url, headers=headers, ssl=False, timeout=_NO_LIMIT) as response:
            # A redirect to another host is not followed, and counts as success.
            if not 200 <= response.status < 400:
                raise ActionError(f"HTTP probe failed with statuscode: {response.status}")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ActionError(f"Get {url!r}: {error}") from error


async def _connect(socket: Object, target: Target) -> None:
    try:
        _, writer = await asyncio.open_connection(socket.get("host") or target.ip, _port(socket, target))
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
