"""What went wrong while a report was written. A run goes on without that report: verdicts and errors come first."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path

from stickyconf.reporting.redaction import redact


class Faults:
    """Crashes of a run's report writers, each told in one line at the end of the run."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lines: dict[str, None] = {}

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each crash, without credentials; the same one is told once."""
        return tuple(self._lines)

    @contextlib.contextmanager
    def noted(self, what: str) -> Iterator[None]:
        """Keep what the block raises from reaching its caller, and note that ``what`` is missing, why, and where."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - no crash of a report may hide a verdict or an error
            frame = traceback.extract_tb(error.__traceback__)[-1]
            said = " ".join(f"{type(error).__name__}: {error}".split())
            line = f"{what} is missing from the reports: {said} ({Path(frame.filename).name}:{frame.lineno})"
            self._lines[redact(line)] = None
