"""Measures what a run costs: ``python -m stickyconf.bench`` prints wall time, cluster start and peak memory.

The figures are printed, never asserted: a slow machine is not a defect.
"""

from __future__ import annotations

import argparse
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as often as asked and print one line a run; the worst exit status of the runs is returned."""
    parser = argparse.ArgumentParser(prog="python -m stickyconf.bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=1, help="how many runs to measure (default: 1)")
    parser.add_argument("pytest", nargs="*", default=["--profile", "core", "--profile", "drain"])
    options = parser.parse_args(arguments)
    began = time.monotonic()
    with embedded_cluster():
        print(f"cluster start: {time.monotonic() - began:.1f} s")
    worst = 0
    for number in range(1, options.runs + 1):
        with tempfile.TemporaryDirectory(prefix="stickyconf-bench-") as out:
            cost = measure([sys.executable, "-m", "pytest", "-c", "pyproject.toml", "--out", out, *options.pytest])
        print(
            f"run {number}: {cost.wall:.1f} s wall, {cost.memory / 2**20:.0f} MiB peak over {cost.processes} processes,"
            f" exit status {cost.status}"
        )
        worst = max(worst, cost.status)
    return worst


if __name__ == "__main__":
    sys.exit(main())
