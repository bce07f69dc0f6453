"""A gateway that begins anew with each change of a policy, so that what is under way is cut."""

import asyncio
import contextlib
import socket
from typing import Any

from embedded_cluster.gateway.xds import Xds
from stickyconf.mutants.declared import mutant
from stickyconf.mutants.gateway.lua import in_lua

Kong = dict[str, list[dict[str, Any]]]

_POLICY = ("algorithm", "sticky_sessions_cookie", "sticky_sessions_cookie_path")

# CUT: whether connections have been cut so far.
_MARK_AFTERWARDS = """
function envoy_on_response(handle)
  if CUT then mark(handle) end
end
"""


class _Entrance:
    """Takes the clients' connections in the place of Envoy, which listens on a port of its own, and can cut them."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        with socket.create_server((host, 0)) as free:
            self.inner: int = free.getsockname()[1]
        self._policies: dict[str, list[Any]] = {}
        self._open: set[asyncio.StreamWriter] = set()
        self.has_cut = False
        serving = asyncio.start_server(self._serve, host, port, reuse_port=True)
        self._server = asyncio.get_running_loop().create_task(serving)

    def follow(self, upstreams: list[dict[str, Any]]) -> None:
        """Cut every connection if one of these upstreams, known from before, has another policy now."""
        policies = {upstream["name"]: [upstream[name] for name in _POLICY] for upstream in upstreams}
        if any(self._policies.get(name, policy) != policy for name, policy in policies.items()):
            self.has_cut = True
            for writer in self._open:
                writer.transport.abort()
        self._policies |= policies

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with contextlib.suppress(OSError):  # either side may end at any time
            behind, inward = await asyncio.open_connection(self._host, self.inner)
            await asyncio.gather(_pass_on(reader, inward), _pass_on(behind, writer))
        self._open.discard(writer)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until it ends, and end the other side then."""
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


_entrances: dict[tuple[int, int], _Entrance] = {}  # (port, worker), of this process


@mutant(at="gateway", source="EG#6579", caught_by=("LIF-12",))
def cuts_connections_when_a_policy_changes(xds: Xds, kong: Kong) -> Xds:
    """Every connection of a client is closed when a policy is attached, edited or taken away, whatever is under way."""
    [listener] = xds.listeners
    address = listener["address"]["socket_address"]
    where = (address["port_value"], xds.worker)
    if where not in _entrances:
        _entrances[where] = _Entrance(address["address"], address["port_value"])
    entrance = _entrances[where]
    entrance.follow(kong["upstreams"])
    address["port_value"] = entrance.inner
    script = f"local CUT = {'true' if entrance.has_cut else 'false'}\n{_MARK_AFTERWARDS}"
    return in_lua(xds, "cuts_connections_when_a_policy_changes", script)
