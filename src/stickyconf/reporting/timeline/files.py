"""Timelines on disk: one for each history, with what the verdicts so far cite in it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from stickyconf.model import Finding, History
from stickyconf.reporting.redaction import redact
from stickyconf.reporting.timeline.drawing import timeline


class Timelines:
    """The timelines of a run, written to ``directory``/<history>.svg. Credentials are taken out."""

    def __init__(self, directory: Path) -> None:
        """Take the directory to write to; it is there."""
        self._directory = directory
        self._findings: dict[str, list[Finding]] = {}
        self._plain: dict[str, str] = {}

    def add(self, history: History) -> None:
        """Draw a history as it is, before anything is said about it."""
        name = history.setup.name
        self._plain[name] = redact(timeline(history))
        self._write(name, self._plain[name])

    def judged(self, history: History, findings: Iterable[Finding]) -> str:
        """Return the picture with the exchanges circled that these findings cite in the history.

        The one on disk shows those of every case so far.
        """
        name = history.setup.name
        here = [finding for finding in findings if finding.place == name]
        if not here:
            if name not in self._plain:
                self.add(history)
            return self._plain[name]
        picture = redact(timeline(history, here))
        known = self._findings.setdefault(name, [])
        known += here
        self._write(name, picture if len(known) == len(here) else redact(timeline(history, known)))
        return picture

    def _write(self, name: str, picture: str) -> None:
        (self._directory / f"{name}.svg").write_text(picture, encoding="utf-8")
