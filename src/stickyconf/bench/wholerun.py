"""What a run costs: its wall time, the start of the cluster, and the most memory that all its processes had."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from stickyconf.targets.embedded.installation import embedded_cluster
from stickyconf.wait import Beat

SAMPLE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took. ``memory`` is the largest sum of the proportional set sizes of all its processes, in bytes."""

    wall: float
    memory: int
    processes: int
    status: int


def measure(command: Sequence[str]) -> Cost:
    """Run a command to its end and watch it and all its descendants."""
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as process:
        memory, processes = asyncio.run(_watch(process))
    return Cost(time.monotonic() - began, memory, processes, process.returncode)


async def _watch(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    root, beat = psutil.Process(process.pid), Beat(SAMPLE_SECONDS)
    memory = processes = 0
    while process.poll() is None:
        sizes = [_size(one) for one in [root, *root.children(recursive=True)]]
        memory, processes = max(memory, sum(sizes)), max(processes, len(sizes))
        await beat.tick()
    return memory, processes


def _size(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:  # it ended meanwhile
        return 0


def cluster_start() -> float:
    """Return the seconds that the embedded cluster takes to come up."""
    began = time.monotonic()
    with embedded_cluster():
        return time.monotonic() - began


def one_run(arguments: Sequence[str]) -> Cost:
    """Measure one conformance run with these arguments of pytest's; what it leaves is thrown away."""
    with tempfile.TemporaryDirectory(prefix="stickyconf-bench-") as out:
        return measure([sys.executable, "-m", "pytest", "-c", "pyproject.toml", "--out", out, *arguments])
