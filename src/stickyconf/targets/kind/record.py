"""Whose a kind cluster is: a record beside its kubeconfig, and a lock that several workers of one run share."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from stickyconf.targets.installation import NoTarget
from stickyconf.targets.kind.programs import output_of
from stickyconf.wait import Waiter, WaitFailed

HOME = ".pytest-kind"
"""Where pytest-kind keeps what it has of a cluster, below the directory it is started in."""

FILES = ("record.json", "kind.yaml", "kubeconfig", "discovery.json")
"""What is kept of a cluster, in a directory of its own there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A cluster that this suite began to make, for which run, and whether it was to be kept.

    ``nodes``: node containers by name with their ids, empty until the cluster was made. ``network``: kind's Docker
    network was made along with it.
    """

    run: str
    kept: bool = False
    network: bool = False
    nodes: Mapping[str, str] = field(default_factory=dict)


def node_containers(docker: Path, name: str) -> dict[str, str]:
    """Return a cluster's node containers and their ids; empty if there is no such cluster."""
    label = f"label=io.x-k8s.kind.cluster={name}"
    lines = output_of(docker, "ps", "-a", "--no-trunc", "--filter", label, "--format", "{{json .}}").splitlines()
    return {node["Names"]: node["ID"] for node in map(json.loads, lines)}


class Claim:
    """A directory for one cluster, locked by its users: by one to make or remove it, by many to use it."""

    def __init__(self, root: Path, name: str) -> None:
        """Name the cluster; ``root`` is where HOME is."""
        self.directory = root / HOME / name
        self._lock: int | None = None

    @property
    def record(self) -> Record | None:
        """What is known of the cluster; None if this suite has not made it."""
        try:
            return Record(**json.loads((self.directory / "record.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, TypeError, ValueError) as error:
            raise NoTarget(f"{self.directory}/record.json cannot be read ({error}): remove it by hand") from error

    def write(self, record: Record) -> None:
        """Keep what is known of the cluster."""
        (self.directory / "record.json").write_text(json.dumps(asdict(record)), encoding="utf-8")

    async def take(self, waiter: Waiter) -> None:
        """Wait until no other worker makes or removes the cluster; use it with others, or lock it until ``share``."""

        async def look() -> bool:
            return self.take_now() or self._join_now()

        if await look():
            return
        try:
            await waiter.until(f"another worker to make {self.directory.name}", "node", look, bool, every=0.2)
        except WaitFailed as error:
            raise NoTarget(f"another process has been making or using {self.directory.name}: {error}") from error

    def take_now(self) -> bool:
        """Keep others from the cluster if it is free now, and say whether that was so."""
        return self._lock_now(fcntl.LOCK_EX)

    def share(self) -> None:
        """Let others use the cluster, too."""
        fcntl.flock(self._held(), fcntl.LOCK_SH)

    def is_last(self) -> bool:
        """Stop using the cluster and say whether it is free now; then others are kept from it."""
        try:
            fcntl.flock(self._held(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self, *, remove: bool) -> None:
        """Give the claim up, with ``remove`` also the files of ours; what others have in the directory stays."""
        if remove:
            for name in FILES:
                (self.directory / name).unlink(missing_ok=True)
        if not (self.directory / "record.json").exists():
            (self.directory / "lock").unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # something is in it
                self.directory.rmdir()
                self.directory.parent.rmdir()
        if self._lock is not None:
            os.close(self._lock)  # and with it the lock
            self._lock = None

    def _held(self) -> int:
        if self._lock is None:
            raise NoTarget(f"{self.directory} is not locked")
        return self._lock

    def _join_now(self) -> bool:
        """Use a cluster that was made, along with those who do."""
        record = self.record
        return bool(record and record.nodes) and self._lock_now(fcntl.LOCK_SH)

    def _lock_now(self, how: int) -> bool:
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / "lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        with contextlib.suppress(OSError):  # held by another, or removed by the one that was the last
            fcntl.flock(lock, how | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock), path.stat()):
                self._lock = lock
                return True
        os.close(lock)
        return False
