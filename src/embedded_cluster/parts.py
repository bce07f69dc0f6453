"""The processes that make up the machine: started together, watched, and stopped together."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from embedded_cluster.lifeline import die_with_parent_of

_PATIENCE = 4.0  # seconds between SIGTERM and SIGKILL; the node needs one of them for its containers
_SHOWN = 12  # last lines of the log of a part that ended by itself


class PartEnded(Exception):
    """A part of the cluster has ended by itself; the message has the last lines of its log."""


class NotComing(Exception):
    """The cluster will not come up; the message says why."""


class Parts:
    """Runs ``python -m embedded_cluster.NAME`` and other programs; what they say goes to ``NAME.log`` in *logs*."""

    def __init__(self, logs: Path) -> None:
        """Make the directory *logs*."""
        self._logs = logs
        self._running: dict[str, asyncio.subprocess.Process] = {}
        logs.mkdir(mode=0o700, exist_ok=True)

    async def start(self, name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        """Start one of ours. It ends with this process, however this process ends."""
        await self.run(name, sys.executable, "-m", f"embedded_cluster.{name}", *arguments, environment=environment)

    async def run(self, name: str, *command: str, environment: Mapping[str, str] | None = None) -> None:
        """Start any program under that *name*. It ends with this process, however this process ends."""
        with (self._logs / f"{name}.log").open("wb") as log:
            self._running[name] = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops the parts in order
                preexec_fn=die_with_parent_of(os.getpid(), signal.SIGTERM),
            )

    async def first_end(self) -> None:
        """Wait until one of them ends by itself. Raises :class:`PartEnded` then; never returns."""
        ends = {asyncio.create_task(process.wait()): name for name, process in self._running.items()}
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
        first = done.pop()
        name = ends[first]
        lines = (self._logs / f"{name}.log").read_text(errors="replace").splitlines()[-_SHOWN:]
        raise PartEnded("\n  ".join([f"{name} ended by itself with status {first.result()}", *lines]))

    async def stop(self) -> None:
        """SIGTERM to all, and SIGKILL to those that are still there after a while."""
        running = [process for process in self._running.values() if process.returncode is None]
        for process in running:
            process.terminate()
        ends = [asyncio.create_task(process.wait()) for process in running]
        if not ends:
            return
        _, late = await asyncio.wait(ends, timeout=_PATIENCE)
        if late:
            for process in running:
                if process.returncode is None:
                    process.kill()
            await asyncio.wait(late)
