"""Containers as the operating system sees them: process groups, their output and their end."""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, cast

from embedded_cluster.lifeline import die_with_parent_of
from embedded_cluster.node import reaper

log = logging.getLogger(__name__)

_CHUNK = 1 << 16
# Output is read to its end after the last process of the group. A process that left the group may hold the pipe for
# ever, though; then what came within this many seconds is all.
_LAST_OUTPUT = 1.0


class Process:
    """One running process group: a container's main process, first of its session, and all that it started."""

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        output: Callable[[bytes], None],
        on_end: Callable[[int], None],
    ) -> None:
        """Watch *popen*. What comes from its stdout, a pipe, goes to *output*, and its pid to *on_end*."""
        self.pid = popen.pid
        self._on_end = on_end
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._popen = popen
        self._output = output
        self._pipe = cast(IO[bytes], popen.stdout).fileno()
        self._silent = asyncio.Event()
        self._pidfd = os.pidfd_open(self.pid)
        os.set_blocking(self._pipe, False)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._pipe, self._read)
        loop.add_reader(self._pidfd, self._exited)

    async def ended(self) -> int:
        """Return when the main process has ended: its exit code, or 128 and the number of the signal."""
        return await asyncio.shield(self._ended)

    def signal(self, signum: signal.Signals) -> None:
        """Signal the main process, as a container runtime does to process 1."""
        if not self._ended.done():
            self._popen.send_signal(signum)

    def kill(self) -> None:
        """Kill the whole group at once."""
        if self._popen.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)

    async def drain(self) -> None:
        """Return when all output has been handed on; call it after the end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._silent.wait(), _LAST_OUTPUT)
        self._close()

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(self._pipe, _CHUNK)
            if chunk:
                self._output(chunk)
            else:
                self._close()

    def _close(self) -> None:
        if not self._silent.is_set():
            asyncio.get_running_loop().remove_reader(self._pipe)
            cast(IO[bytes], self._popen.stdout).close()
            self._silent.set()

    def _exited(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        # As in a container, nothing outlives the main process. It has not been waited for yet, so the number
        # still names this group and no other.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self._popen.wait()
        self._on_end(self.pid)
        self._ended.set_result(code if code >= 0 else 128 - code)


class Processes:
    """Starts process groups and sees to it that none is left when the agent ends, however it ends."""

    def __init__(self) -> None:
        """Start the reaper."""
        self._running: dict[int, Process] = {}
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(reaper.__file__)],
            stdin=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C on the terminal is not for it
        )

    def start(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        output: Callable[[bytes], None],
    ) -> Process:
        """Start *command* as a group of its own. Raises ``OSError`` when it cannot be started."""
        popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=directory,
            start_new_session=True,
            preexec_fn=die_with_parent_of(os.getpid(), signal.SIGKILL),
        )
        process = Process(popen, output, self._forget)
        self._running[process.pid] = process
        self._tell(f"+{process.pid}")
        return process

    async def stop(self, *, patience: float) -> None:
        """End everything: SIGTERM, and after *patience* seconds SIGKILL."""
        ends = [asyncio.create_task(process.ended()) for process in self._running.values()]
        for process in self._running.values():
            process.signal(signal.SIGTERM)
        if ends:
            await asyncio.wait(ends, timeout=patience)
            for process in list(self._running.values()):
                process.kill()
            await asyncio.wait(ends)
        cast(IO[bytes], self._reaper.stdin).close()
        self._reaper.wait()

    def _forget(self, pid: int) -> None:
        del self._running[pid]
        self._tell(f"-{pid}")

    def _tell(self, line: str) -> None:
        pipe = cast(IO[bytes], self._reaper.stdin)
        try:
            pipe.write(f"{line}\n".encode())
            pipe.flush()
        except BrokenPipeError:
            log.error("the reaper is gone: if this process is killed now, containers may survive")  # noqa: TRY400
