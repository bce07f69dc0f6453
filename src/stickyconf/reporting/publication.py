"""What a run writes beside its histories, while it goes and when it ends. Everything passes ``redaction``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from stickyconf.model import Catalogue, History, Requirement, Verdict
from stickyconf.model.run import Run
from stickyconf.reporting import allure, conformance, junit, summary
from stickyconf.reporting.layout import RunDirectory
from stickyconf.reporting.redaction import publishable, redact, redact_data, remember_credentials
from stickyconf.reporting.timeline import Timelines

if TYPE_CHECKING:
    import pytest


class Publication:
    """The reports of one run. ``mutant`` is the deliberate fault in force, "" where there is none."""

    def __init__(self, directory: RunDirectory, mutant: str, rejudged: Path | None = None) -> None:
        """Take the directory to write to, and that of the run whose histories are judged again: their manifests."""
        self._directory, self._mutant = directory, mutant
        self._timelines = Timelines(directory.timelines)
        for file in (rejudged / "manifests").glob("*.yaml") if rejudged else ():
            (directory.manifests / file.name).write_text(publishable(file.read_text(encoding="utf-8")), "utf-8")

    def applied(self, history: str, manifest: Mapping[str, Any]) -> None:
        """Keep an object as it was applied for a history, without its credentials, which are known from now on."""
        remember_credentials(manifest)
        text = yaml.safe_dump(redact_data(manifest), sort_keys=False, allow_unicode=True)
        with self._manifests(history).open("a", encoding="utf-8") as file:
            file.write(f"---\n{text}")

    def recorded(self, history: History) -> None:
        """Draw a history's timeline, before it is judged."""
        self._timelines.add(history)

    def judged(self, verdict: Verdict, histories: Sequence[History]) -> None:
        """Attach to the case that is running: the verdict, the timelines, the histories, and what was applied."""
        distinct = list({history.setup.name: history for history in histories}.values())
        allure.attach_verdict(verdict, distinct, self._mutant)
        for history in distinct:
            allure.attach_timeline(history.setup.name, self._timelines.judged(history, verdict.findings))
        for history in distinct:
            name = history.setup.name
            allure.attach_history(self._directory.histories / f"{name}.jsonl")
            if (applied := self._manifests(name)).exists():
                allure.attach_file(applied)

    def finished(self, run: Run, catalogue: Catalogue) -> None:
        """Write the conformance report, JUnit XML, Allure's environment, and the job summary where one is asked for."""
        conformance.write(run, catalogue, self._directory.path)
        junit.write(run, catalogue, self._directory.path / "junit.xml")
        allure.write_environment(self._directory.allure_results, run)
        summary.append(run, catalogue)
        self._directory.publish_latest()

    def _manifests(self, history: str) -> Path:
        return self._directory.manifests / f"{history}.yaml"


def properties(subject: Requirement, verdict: Verdict | None = None) -> list[tuple[str, str]]:
    """Return what JUnit XML says of a case: its requirement and level, and the verdict once there is one."""
    return [
        ("requirement", subject.id),
        ("level", subject.level.value),
        *([("verdict", verdict.status.value)] if verdict else []),
    ]


def without_credentials(report: pytest.TestReport) -> None:
    """Take credentials out of what pytest is about to print of a case, and to write to its own JUnit XML."""
    if report.longrepr and not isinstance(report.longrepr, tuple):
        said = str(report.longrepr)
        clean = redact(said)
        if clean != said:  # else it stays as it is, with its colours
            report.longrepr = clean
    report.sections = [(name, redact(text)) for name, text in report.sections]
