"""Creates a kind cluster through pytest-kind, in a process of its own: ``python -m stickyconf.targets.kind.create``.

pytest-kind hands kind our own output and cannot be stopped; here kind's output goes where the parent wants it, and both
end when the parent says so. They also end with the parent, however that ends: its end of the pipe to our standard input
is closed then. What kind has begun by that time is noted in the cluster's record, so that --cleanup knows it again.
Arguments: project's directory, name, kubeconfig, image ("": kind's own), docker, kind, kubectl, configuration.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import FrameType

from pytest_kind import KindCluster

from stickyconf.targets.kind.record import Claim, node_containers

STOP_SECONDS = 5.0


class _Lifeline:
    """Ends kind, and then this process, once the other end of standard input is closed."""

    def __init__(self, root: Path, name: str, docker: Path) -> None:
        self._claim, self._name, self._docker = Claim(root, name), name, docker
        self._broken, self._ended = threading.Event(), threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def kind_ended(self) -> None:
        """Note what there is of the cluster, if the parent has gone."""
        self._ended.set()
        if self._broken.is_set():
            self._note()

    def _watch(self) -> None:
        while os.read(sys.stdin.fileno(), 1024):  # not sys.stdin.read: its lock would be in the way when Python ends
            pass
        self._broken.set()
        os.killpg(0, signal.SIGTERM)  # the group is ours, and kind's
        if not self._ended.wait(STOP_SECONDS):
            try:
                self._note()
            finally:
                os.killpg(0, signal.SIGKILL)

    def _note(self) -> None:
        record = self._claim.record
        if record and not record.nodes:
            self._claim.write(replace(record, nodes=node_containers(self._docker, self._name)))


def main(arguments: list[str]) -> int:
    """Create the cluster and return kind's exit status."""
    root, name, kubeconfig, image, docker, kind, kubectl, configuration = arguments
    signal.signal(signal.SIGTERM, _leave_it_to_kind)
    lifeline = _Lifeline(Path(root), name, Path(docker))
    cluster = KindCluster(name, Path(kubeconfig), image or None, Path(kind), Path(kubectl))
    try:
        cluster.create(config_file=configuration)
    except subprocess.CalledProcessError as error:
        return error.returncode  # kind has said why
    finally:
        lifeline.kind_ended()
    return 0


def _leave_it_to_kind(_signal: int, _frame: FrameType | None) -> None:
    """Go on: kind gets the signal as well, and ends, and this process with it."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
