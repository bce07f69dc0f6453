"""Kills what a node agent leaves behind when it is killed itself. Run by path, with nothing but the standard library.

Reads lines ``+PGID`` (a container has started) and ``-PGID`` (its process group is gone) from standard input. At end of
file, which comes however the agent ends, every process group still listed is killed. The agent's children are tied
to its life anyway (:mod:`embedded_cluster.lifeline`); this is for the children of those.
"""

import contextlib
import os
import signal
import sys


def reap() -> None:
    """Read until end of file, then kill."""
    groups: set[int] = set()
    for line in sys.stdin:
        pgid = int(line[1:])
        if line.startswith("+"):
            groups.add(pgid)
        else:
            groups.discard(pgid)
    for pgid in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pgid, signal.SIGKILL)


if __name__ == "__main__":
    reap()
