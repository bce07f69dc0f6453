"""``python -m stickyconf.bench``: what a run costs, and what a long history costs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from stickyconf.bench import longhistory, wholerun

_MIB = 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as often as asked and print one line each; the worst exit status of the runs is returned."""
    parser = argparse.ArgumentParser(prog="python -m stickyconf.bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=1, help="how many runs to measure (default: 1)")
    parser.add_argument(
        "--exchanges", type=int, default=1_000_000, help="how long a history to write, read and judge (0: none)"
    )
    parser.add_argument("pytest", nargs="*", default=["--profile", "core", "--profile", "drain"])
    options = parser.parse_args(arguments)
    worst = 0
    if options.runs > 0:
        print(f"cluster start: {wholerun.cluster_start():.1f} s", flush=True)
    for number in range(1, options.runs + 1):
        cost = wholerun.one_run(options.pytest)
        print(
            f"run {number}: {cost.wall:.1f} s wall, {cost.memory / _MIB:.0f} MiB peak over {cost.processes} processes,"
            f" exit status {cost.status}",
            flush=True,
        )
        worst = max(worst, cost.status)
    for step in longhistory.measured(options.exchanges) if options.exchanges else ():
        print(
            f"{options.exchanges:,} exchanges, {step.what}: {step.wall:.1f} s wall, {step.processor:.1f} s of processor"
            f" time, {step.memory / _MIB:.0f} MiB peak",
            flush=True,
        )
    return worst


if __name__ == "__main__":
    sys.exit(main())
