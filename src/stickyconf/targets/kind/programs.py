"""Runs other programs to their end, and keeps what they say."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stickyconf.targets.installation import NoTarget
from stickyconf.wait import Waiter, WaitFailed

SECONDS = 120
"""For one command that does one thing, such as the removal of a cluster."""

STOP_SECONDS = 10
SHOWN = 400
"""The most of a program's output that goes into a message, in characters."""


def output_of(*command: str | Path) -> str:
    """Return what a command prints; NoTarget, with what it said, if it fails."""
    name = f"{Path(command[0]).name} {command[1]}"
    try:
        done = subprocess.run(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NoTarget(f"{name} did not end within {SECONDS} s") from error
    if done.returncode:
        raise NoTarget(f"{name} failed: {last_words(done.stderr)}")
    return done.stdout.strip()


async def finished(waiter: Waiter, what: str, command: Sequence[str | Path], cwd: Path) -> tuple[int, str]:
    """Run a command under the budget ``node`` and return its status and output. It does not outlive this call.

    Its standard input is a pipe on which nothing is sent. It is closed when this process ends, however that ends, so
    that a command that reads it can end, too. Raises NoTarget if the command does not end in time.
    """
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            start_new_session=True,  # Ctrl-C is for the suite, which then stops it in order
        )
        ended = asyncio.create_task(process.wait())

        async def look() -> bool:
            return ended.done()

        def said() -> str:
            log.seek(0)
            return log.read().decode(errors="replace")

        try:
            await waiter.until(what, "node", look, bool, every=0.2)
        except WaitFailed as error:
            raise NoTarget(f"{error}; it said last: {last_words(said())}; more time: --budget node=SECONDS") from error
        finally:
            await _stopped(process, ended)
            if process.stdin:
                process.stdin.close()
        return ended.result(), said()


async def _stopped(process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
    """End a command and all it started; nothing to do if it has ended."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        if ended.done():
            return
        os.killpg(process.pid, how)  # the group is the command's own
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(ended), STOP_SECONDS)


def last_words(output: str) -> str:
    """Return what a tool's output says went wrong, as one line.

    That is what follows its ERROR, and of that what a command it ran has said, as kind quotes it; else its last lines.
    """
    _, marker, error = output.partition("ERROR:")
    said = error.rpartition("Command Output:")[2] if marker else "\n".join(output.splitlines()[-4:])
    return " ".join(said.split())[-SHOWN:] or "nothing"
