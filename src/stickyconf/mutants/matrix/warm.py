"""Starts runs of the suite in processes that have its modules loaded: that takes longer than a short recording.

They are loaded once, by multiprocessing's fork server, a process of its own. Each run begins from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import NoReturn

from embedded_cluster.lifeline import die_with_parent

# What a run of the suite imports, as far as that takes long.
_MODULES = (
    "allure_pytest.plugin",
    "httpx",
    "jinja2",
    "jsonschema",
    "kubernetes.aio.client",
    "kubernetes.aio.config",
    "kubernetes.aio.dynamic",
    "pytest",
    "pytest_kind.plugin",
    "scipy.special",
    "stickyconf.mutants.matrix.warm",
    "stickyconf.plugin",
    "stickyconf.targets.kubernetes",
    "websockets",
)
_EARLY = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # the plugin is imported before pytest asks for it

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(list(_MODULES))


class SuiteRun:
    """One run of the suite, in a process group of its own."""

    def __init__(self, arguments: Sequence[str], output: Path, directory: Path, environment: Mapping[str, str]) -> None:
        """Start ``python -m pytest`` with these arguments; what it says goes to ``output``, and it reads nothing.

        Of the environment, Python's own variables count only for the programs that it starts.
        """
        self._spent, spent = _CONTEXT.Pipe(duplex=False)
        told = tuple(arguments), str(output), str(directory), dict(environment), spent
        self._process: ForkServerProcess = _CONTEXT.Process(target=_become, args=told)
        self._process.start()
        spent.close()

    async def ended(self, seconds: float) -> int | None:
        """Return its exit status, negative for a signal, once it has ended; None if it has not in so many seconds."""
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            async with asyncio.timeout(seconds):
                await ended.wait()
        except TimeoutError:
            return None
        finally:
            loop.remove_reader(self._process.sentinel)
        self._process.join()
        return self._process.exitcode

    def processor_seconds(self) -> float:
        """Return what it and the processes that it started have spent, once it has ended; 0 if it was killed."""
        with contextlib.suppress(EOFError):
            return float(self._spent.recv())
        return 0.0

    async def stop(self, patience: float) -> None:
        """End it if it goes on, as Ctrl-C would; kill it if that has not ended it in so many seconds."""
        if not self._process.is_alive():
            return
        os.kill(self._process.pid or 0, signal.SIGINT)
        if await self.ended(patience) is None:
            self._process.kill()
            self._process.join()


def _become(
    arguments: Sequence[str], output: str, directory: str, environment: Mapping[str, str], spent: Connection
) -> NoReturn:
    """Go on as pytest with these arguments, which ends when the process that forked it does; does not return."""
    os.setsid()  # so that Ctrl-C reaches the matrix alone, which then ends its runs in order
    die_with_parent(parent=os.getppid())
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (written, 1), (written, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    sys.argv = ["pytest", *_EARLY, *arguments]
    import pytest  # it is loaded already

    status = pytest.console_main()
    uses = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    spent.send(sum(use.ru_utime + use.ru_stime for use in uses))
    sys.exit(status)
