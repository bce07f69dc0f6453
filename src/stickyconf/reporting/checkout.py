"""Which state of the suite's own source a run was made with, so that a published report can be made again."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

LIMIT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Checkout:
    """A state of the source. ``commit`` is the full hash, "" if it is not known.

    ``dirty``: files are changed, or there are new ones that git does not ignore; None if that is not known.
    """

    commit: str = ""
    dirty: bool | None = None

    @classmethod
    def of(cls, directory: Path) -> Checkout:
        """Ask git about a directory. No git and no repository are no error: then nothing is known."""
        commit = _git(directory, "rev-parse", "--verify", "HEAD")
        if not commit:
            return cls()
        status = _git(directory, "status", "--porcelain")
        return cls(commit, None if status is None else bool(status))


def _git(directory: Path, *arguments: str) -> str | None:
    """Return what git says, without the last line's end; None if it cannot say."""
    git = shutil.which("git")
    if git is None:
        return None
    try:
        # Without locks: a run must not disturb people who work in the checkout.
        done = subprocess.run(
            [git, "--no-optional-locks", "-C", str(directory), *arguments],
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
