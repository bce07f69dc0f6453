"""Where a run leaves what it made: a directory of its own, and a link to the last one that was finished."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

LATEST = "latest"


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The directory of one run. ``suffix`` is what makes its name the run's own: six hexadecimal digits."""

    path: Path
    suffix: str

    @classmethod
    def create(cls, out: Path, started: datetime) -> RunDirectory:
        """Make ``out``/<UTC time>-<suffix>/ with its parts; two runs of the same second get two directories.

        Raises OSError if it cannot be made.
        """
        suffix = secrets.token_hex(3)
        made = cls(out.absolute() / f"{started.astimezone(UTC):%Y%m%dT%H%M%SZ}-{suffix}", suffix)
        made.path.parent.mkdir(parents=True, exist_ok=True)
        made.path.mkdir()
        for part in (made.histories, made.timelines, made.manifests, made.allure_results, made.diagnostics):
            part.mkdir()
        return made

    @property
    def histories(self) -> Path:
        """What happened, one file an experiment, written before anything is judged."""
        return self.path / "histories"

    @property
    def timelines(self) -> Path:
        """A picture of each history."""
        return self.path / "timelines"

    @property
    def manifests(self) -> Path:
        """The objects applied for each history."""
        return self.path / "manifests"

    @property
    def allure_results(self) -> Path:
        """What Allure makes its report from."""
        return self.path / "allure-results"

    @property
    def diagnostics(self) -> Path:
        """Logs, configuration, objects and events, collected when a case failed."""
        return self.path / "diagnostics"

    def remove(self) -> None:
        """Delete the directory: there is nothing to keep."""
        shutil.rmtree(self.path)

    def publish_latest(self) -> None:
        """Point ``latest`` beside this directory at it, at once and never at something half made.

        The link is relative, so that the reports can be moved. Raises OSError if ``latest`` is no link but a
        directory.
        """
        beside = self.path.with_name(f".{LATEST}-{self.suffix}")
        beside.symlink_to(self.path.name)
        try:
            beside.replace(self.path.with_name(LATEST))
        except OSError:
            beside.unlink()
            raise
