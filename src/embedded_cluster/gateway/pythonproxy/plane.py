"""The proxy's process as the gateway sees it: started, configured, stopped."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path

import aiohttp

from embedded_cluster.environment import MisconfiguredError
from embedded_cluster.gateway.dataplane import Entrance, RejectedError, Traffic
from embedded_cluster.gateway.declarative import Declaration
from embedded_cluster.lifeline import die_with_parent_of
from embedded_cluster.polling import within

log = logging.getLogger(__name__)

_SETTLE_SECONDS = 10.0
_POLL_SECONDS = 0.01


class PythonProxy:
    """One proxy process: a :class:`.dataplane.DataPlane`."""

    name = "Python proxy"
    behind = 0  # apply waits until it acts on a configuration

    def __init__(self, version: str, entrance: Entrance, directory: Path, *, shared: bool = False) -> None:
        """Take *directory*, which belongs to this proxy alone, and whether others listen there, too; start nothing."""
        self.version = version
        self._shared = shared
        self._entrance = entrance
        self._socket = directory / "control.sock"
        self._process: asyncio.subprocess.Process | None = None
        self._log: asyncio.Task[None] | None = None
        self._said = ""
        self._session: aiohttp.ClientSession | None = None

    @property
    def workers(self) -> tuple[int, ...]:
        """The id of the process."""
        return (self._process.pid,) if self._process else ()

    async def start(self) -> None:
        """Start the process and return once it serves the empty configuration.

        Raises :class:`MisconfiguredError` when it cannot, for example because its port is taken.
        """
        where = [f"{one.host}:{one.port}" for one in (self._entrance.plain, self._entrance.tls) if one]
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", __package__, *(["--shared"] if self._shared else []), str(self._socket), *where),
            stderr=asyncio.subprocess.PIPE,
            # A session of its own: a signal for our process group is for us to pass on, after draining.
            start_new_session=True,
            preexec_fn=die_with_parent_of(os.getpid(), signal.SIGKILL),
        )
        self._log = asyncio.create_task(self._follow_log(self._process))
        self._session = aiohttp.ClientSession("http://proxy", connector=aiohttp.UnixConnector(str(self._socket)))
        process = self._process

        async def answers_or_has_ended() -> bool:
            return process.returncode is not None or await self._answers()

        if (
            not await within(_SETTLE_SECONDS, answers_or_has_ended, pause=_POLL_SECONDS)
            or process.returncode is not None
        ):
            await asyncio.wait([self._log], timeout=1)
            raise MisconfiguredError(f"the Python proxy does not start: {self._said or 'no reason given'}")

    async def apply(self, declaration: Declaration) -> None:
        """Have every later request served as *declaration* says. Raises :class:`RejectedError`."""
        # The entities, which may be fewer than the document has.
        async with self._control("POST", "/config", {"_format_version": "3.0", **declaration.entities}) as answer:
            if answer.status != 204:
                raise RejectedError(await answer.text())

    async def ended(self) -> int:
        """Wait until the process ends by itself; return its exit status."""
        if self._process is None:
            raise RuntimeError("not started")
        return await self._process.wait()

    async def traffic(self) -> Traffic:
        """Return what the process has counted."""
        async with self._control("GET", "/traffic") as answer:
            return Traffic(**await answer.json())

    async def stop(self, *, patience: float) -> None:
        """Accept nothing new, give what is in flight *patience* seconds to complete, and end the process."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):  # it may just have ended by itself
                self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), patience)
            except TimeoutError:
                log.warning("requests still in flight after %g s are cut off", patience)
                self._process.kill()
                await self._process.wait()
        if self._log:
            await self._log
        if self._session:
            await self._session.close()

    def _control(self, method: str, path: str, document: object = None) -> "aiohttp.client._RequestContextManager":
        if self._session is None:
            raise RuntimeError("not started")
        return self._session.request(method, path, json=document)

    async def _answers(self) -> bool:
        try:
            await self.traffic()
        except aiohttp.ClientConnectionError:
            return False  # it does not listen yet
        return True

    async def _follow_log(self, process: asyncio.subprocess.Process) -> None:
        if process.stderr is None:
            return
        async for line in process.stderr:
            self._said = line.decode(errors="replace").rstrip()
            log.warning("Python proxy: %s", self._said)
