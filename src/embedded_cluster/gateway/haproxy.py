"""The HAProxy processes: targets and weights change in the running one, all else is for its successor.

Sources: HAProxy 2.6 Management Guide, "Unix Socket commands" and "Stopping and restarting HAProxy". A successor takes
the listening socket over (``-x``), so no connection is refused. Its predecessor answers the requests it has, relays to
it what else is asked on the connections it still has, and ends when it has none. So nothing is dropped, and once the
successor has taken over, nothing is answered by the old configuration.
"""

import asyncio
import contextlib
import csv
import ipaddress
import logging
import math
import os
import signal
import socket
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from embedded_cluster.environment import Address, MisconfiguredError
from embedded_cluster.gateway.dataplane import RejectedError, Traffic
from embedded_cluster.gateway.declarative import EMPTY, Declaration
from embedded_cluster.gateway.haproxyconfig import (
    FRONTEND,
    NEXT,
    SERVERS,
    SUCCESSOR,
    Configuration,
    Weights,
    configuration,
    setting,
)
from embedded_cluster.lifeline import die_with_parent_of
from embedded_cluster.polling import within

log = logging.getLogger(__name__)

_SPARE = 32  # servers a backend can still be given while its process runs
_MOST_COMMANDS = 50  # in one line, which has to fit into a buffer of 16 KiB
_MAINTENANCE = 0x01 | 0x02 | 0x20  # forced, inherited, by address: bits of srv_admin_state (Management Guide, 9.3)
_SETTLE_SECONDS = 10.0
_REAP_SECONDS = 1.0
_SHOWN_LINES = 3


class HAProxy:
    """One HAProxy and, while they finish, its predecessors: a :class:`.dataplane.DataPlane`."""

    name = "HAProxy"
    behind = 0  # apply waits until it acts on a configuration

    def __init__(self, executable: Path, version: str, proxy: Address, directory: Path) -> None:
        """Take *directory*, which belongs to this HAProxy alone; nothing is started yet."""
        self.version = version
        self._executable = executable
        self._proxy = proxy
        self._directory = directory
        self._running: _Process | None = None
        self._finishing: list[_Process] = []
        self._reapers: set[asyncio.Task[None]] = set()
        self._succession = asyncio.Lock()  # during one, no process answers for certain
        self._started = 0
        self._counted = Traffic(0, 0, 0, 0)  # by the predecessors
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def workers(self) -> tuple[int, ...]:
        """The id of the process that takes new connections."""
        return (self._running.process.pid,) if self._running else ()

    async def start(self) -> None:
        """Start the process and return once it serves the empty configuration.

        Raises :class:`MisconfiguredError` when it cannot, for example because its port is taken.
        """
        try:
            await self._succeed(configuration(EMPTY, self._proxy, {}))
        except RejectedError as error:
            raise MisconfiguredError(f"HAProxy does not start: {error}") from error

    async def apply(self, declaration: Declaration) -> None:
        """Have every later request served as *declaration* says, and return once that is so.

        Raises :class:`RejectedError` when HAProxy refuses; it goes on with what it ran before.
        """
        wanted = configuration(declaration, self._proxy, await _addresses(declaration))
        running = self._running
        if running is None:
            raise RuntimeError("not started")
        if running.text == wanted.text and running.has_room_for(wanted.backends) and await running.steer(wanted):
            return
        await self._succeed(wanted)

    async def ended(self) -> int:
        """Wait until the process ends by itself; return its exit status."""
        return await asyncio.shield(self._ended)

    async def traffic(self) -> Traffic:
        """Return what Kong's ``/status`` reports, from HAProxy's statistics."""
        async with self._succession:
            now = await self._running.traffic() if self._running else Traffic(0, 0, 0, 0)
            before = self._counted
        return Traffic(
            before.connections + now.connections,
            now.connections_active,
            before.requests + now.requests,
            now.requests_active,
        )

    async def stop(self, *, patience: float) -> None:
        """Accept nothing new, give what is in flight *patience* seconds to complete, and end all processes."""
        last, self._running = self._running, None
        for reaper in self._reapers:
            reaper.cancel()
        processes = [*self._finishing, *([last] if last else [])]

        async def idle() -> bool:
            return not any([await process.is_active() for process in processes])

        if last:
            await last.accept_no_more()
        if not await within(patience, idle):
            log.warning("requests still in flight after %g s are cut off", patience)
        for process in processes:
            process.kill()
        await asyncio.gather(*(process.watch for process in processes))

    async def _succeed(self, wanted: Configuration) -> None:
        """Start a process that runs *wanted*, and return once it answers everything that is asked from now on."""
        async with self._succession:
            before = self._running
            self._started += 1
            process = await _Process.start(self._executable, self._directory / str(self._started), wanted, before)
            try:
                await process.up()
            except RejectedError:
                process.kill()
                await process.watch
                raise
            self._running = process
            process.watch.add_done_callback(lambda _: self._gone(process))
            if before:
                counted, so_far = await before.traffic(), self._counted
                self._counted = Traffic(
                    so_far.connections + counted.connections, 0, so_far.requests + counted.requests, 0
                )
                await before.accept_no_more(relay=True)
                self._finishing.append(before)
                reaper = asyncio.create_task(self._reap(before))
                self._reapers.add(reaper)
                reaper.add_done_callback(self._reapers.discard)

    async def _reap(self, process: "_Process") -> None:
        """End a predecessor when its last connection has ended, of which it cannot tell us."""

        async def is_alone() -> bool:
            return not await process.is_connected()

        await within(math.inf, is_alone, pause=_REAP_SECONDS)
        self._finishing.remove(process)
        process.kill()

    def _gone(self, process: "_Process") -> None:
        if process is self._running and not self._ended.done():
            self._ended.set_result(process.watch.result())


@dataclass(eq=False)
class _Process:
    """One HAProxy process: its runtime *socket*, its *text* without servers, and the *slots* of each backend.

    A slot is the server of a target, of every one that it ever had.
    """

    socket: Path
    text: str
    slots: dict[str, dict[tuple[str, int], str]]
    said: deque[str] = field(default_factory=lambda: deque(maxlen=_SHOWN_LINES))
    process: asyncio.subprocess.Process = field(init=False)
    watch: asyncio.Task[int] = field(init=False)

    @classmethod
    async def start(cls, executable: Path, stem: Path, wanted: Configuration, before: "_Process | None") -> "_Process":
        """Start it with files named after *stem*. Nothing says yet that it works."""
        slots = {
            name: {target: f"s{number}" for number, target in enumerate(weights)}
            for name, weights in wanted.backends.items()
        }
        file = stem.with_suffix(".cfg")
        started = cls(stem.with_suffix(".sock"), wanted.text, slots)
        text = wanted.text
        for name, weights in wanted.backends.items():
            text = text.replace(SERVERS.format(name) + "\n", "".join(f"  {line}\n" for line in _servers(weights)))
        file.write_text(setting(text, started.socket, file.with_name("relay")))
        succession = ("-x", str(before.socket)) if before else ()
        started.process = await asyncio.create_subprocess_exec(
            *(executable, "-db", "-f", file, *succession),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            # A session of its own: a signal for our process group is for us to pass on, after draining.
            start_new_session=True,
            preexec_fn=die_with_parent_of(os.getpid(), signal.SIGKILL),
        )
        started.watch = asyncio.create_task(started._follow())
        return started

    def has_room_for(self, backends: dict[str, Weights]) -> bool:
        """Whether every target has a server, or there is a spare one. A server never gets a second target."""
        return all(
            len(self.slots[name].keys() | weights.keys()) <= len(self.slots[name]) + self._spare(name)
            for name, weights in backends.items()
        )

    def _spare(self, backend: str) -> int:
        return _SPARE - sum(slot.startswith("spare") for slot in self.slots[backend].values())

    async def steer(self, wanted: Configuration) -> bool:
        """Give the servers the targets and weights *wanted*; False when they do not have them then."""
        commands: list[str] = []
        for name, weights in wanted.backends.items():
            slots = self.slots[name]
            for (host, port), weight in weights.items():
                if (host, port) not in slots:
                    slot = slots[host, port] = f"spare{_SPARE - self._spare(name)}"
                    commands.append(f"set server {name}/{slot} addr {host} port {port}")
                server = f"set server {name}/{slots[host, port]}"
                commands += [f"{server} weight {weight}", f"{server} state ready"]
            commands += [
                f"set server {name}/{slot} state maint" for target, slot in slots.items() if target not in weights
            ]
        for first in range(0, len(commands), _MOST_COMMANDS):
            await self._ask("; ".join(commands[first : first + _MOST_COMMANDS]))
        return await self._weights() == {name: weights for name, weights in wanted.backends.items() if weights}

    async def _weights(self) -> dict[str, Weights]:
        """Return the targets in use and their weights, as the process has them."""
        found: dict[str, Weights] = {}
        _, header, *lines = (await self._ask("show servers state")).splitlines()
        for line in filter(None, lines):
            server = dict(zip(header.removeprefix("# ").split(), line.split(), strict=False))
            if not int(server["srv_admin_state"]) & _MAINTENANCE:
                target = (server["srv_addr"], int(server["srv_port"]))
                found.setdefault(server["be_name"], {})[target] = int(server["srv_uweight"])
        return found

    async def traffic(self) -> Traffic:
        """Return what this process has counted."""
        text = (await self._ask("show stat")).removeprefix("# ")
        rows = list(csv.DictReader(text.strip().splitlines()))
        (front,) = (row for row in rows if (row["pxname"], row["svname"]) == (FRONTEND, "FRONTEND"))
        active = sum(int(row["scur"]) for row in rows if row["svname"] == "BACKEND")
        return Traffic(int(front["conn_tot"]), int(front["scur"]), int(front["req_tot"]), active)

    async def up(self) -> None:
        """Wait until it runs. Raises :class:`RejectedError` when it has ended instead."""
        if not await within(_SETTLE_SECONDS, self._accepts_commands):
            raise RejectedError(f"it does not answer after {_SETTLE_SECONDS:g} s; {self.refusal()}")

    async def _accepts_commands(self) -> bool:
        if self.watch.done():
            raise RejectedError(self.refusal())
        try:
            return "Pid: " in await self._ask("show info")
        except (FileNotFoundError, ConnectionError):
            return False  # it does not listen yet

    async def accept_no_more(self, *, relay: bool = False) -> None:
        """Leave new connections to others and, with *relay*, what is asked on the old ones, too."""
        tell = f"set server {SUCCESSOR}/{NEXT} state ready; " if relay else ""
        with contextlib.suppress(FileNotFoundError, ConnectionError):  # it has ended, and so accepts none
            await self._ask(f"{tell}shutdown frontend {FRONTEND}")

    async def is_connected(self) -> bool:
        """Whether a client is."""
        return bool((await self._traffic_of_the_living()).connections_active)

    async def is_active(self) -> bool:
        """Whether a request is in flight."""
        return bool((await self._traffic_of_the_living()).requests_active)

    async def _traffic_of_the_living(self) -> Traffic:
        try:
            return await self.traffic()
        except (FileNotFoundError, ConnectionError):
            return Traffic(0, 0, 0, 0)

    def kill(self) -> None:
        """End it at once, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    def refusal(self) -> str:
        """Return the last lines it wrote."""
        return " ".join(self.said) or f"no reason given, status {self.process.returncode}"

    async def _ask(self, command: str) -> str:
        reader, writer = await asyncio.open_unix_connection(self.socket)
        try:
            writer.write(command.encode() + b"\n")
            return (await reader.read()).decode()
        finally:
            writer.close()

    async def _follow(self) -> int:
        if self.process.stderr:
            async for line in self.process.stderr:
                text = line.decode(errors="replace").rstrip()
                level, _, said = text.partition(" : ")
                if level.startswith("[ALERT]"):
                    self.said.append(said)
                    log.warning("HAProxy: %s", said)
        return await self.process.wait()


def _servers(weights: Weights) -> Iterator[str]:
    for number, ((host, port), weight) in enumerate(weights.items()):
        yield f"server s{number} {host}:{port} weight {weight}"
    for number in range(_SPARE):
        # Never used, but each a place of its own, since a cookie's value is made of the place.
        yield f"server spare{number} 0.0.0.0:{number + 1} disabled"


async def _addresses(declaration: Declaration) -> dict[str, str]:
    """Return the address of each host that has one. Kong, too, takes a configuration with hosts that have none."""
    upstreams = {upstream["name"] for upstream in declaration.entities["upstreams"]}
    hosts = {target["target"].rpartition(":")[0].strip("[]") for target in declaration.entities["targets"]}
    hosts |= {service["host"] for service in declaration.entities["services"]} - upstreams
    return {host: address for host in sorted(hosts) if (address := await _address(host))}


async def _address(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass  # a name
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        log.warning("no address for %s: %s", host, error.strerror)
        return None
    # Kong asks for A records first.
    return str(min(found, key=lambda entry: entry[0] != socket.AF_INET)[4][0])
