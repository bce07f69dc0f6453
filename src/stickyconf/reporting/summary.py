"""The summary of a GitHub job: the verdict where people look first, appended to the file GitHub names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from stickyconf.model import Catalogue
from stickyconf.model.run import Run
from stickyconf.reporting import markdown
from stickyconf.reporting.assessment import assess
from stickyconf.reporting.redaction import redact, redact_data

VARIABLE = "GITHUB_STEP_SUMMARY"
MOST_BYTES = 1024 * 1024
"""GitHub refuses a larger summary of a step (docs.github.com, workflow commands, adding a job summary)."""

_CUT = "\n\n(cut here: GitHub takes no more than 1 MiB; the rest is in conformance.md of the run)\n"


def append(run: Run, catalogue: Catalogue, environ: Mapping[str, str] = os.environ) -> None:
    """Append a run's verdict to the summary of the job that runs, if any. Raises OSError if it cannot be written."""
    name = environ.get(VARIABLE)
    if not name:
        return
    path = Path(name)
    there = path.stat().st_size if path.exists() else 0
    with path.open("a", encoding="utf-8") as file:
        file.write(fitting(summary(run, catalogue), MOST_BYTES - there))


def summary(run: Run, catalogue: Catalogue) -> str:
    """Return a run's verdict as Markdown, without credentials."""
    shown = replace(run, versions=redact_data(dict(run.versions)))
    return redact(markdown.summary(shown, assess(shown, catalogue)))


def fitting(text: str, room: int) -> str:
    """Return the text, or as many of its first lines as fit into so many bytes with a note that there was more."""
    if len(text.encode()) <= room:
        return text
    kept = text.encode()[: max(room - len(_CUT.encode()), 0)].decode(errors="ignore")
    return kept[: kept.rfind("\n") + 1] + _CUT if kept else ""
