"""What a run writes beside its histories, while it goes and when it ends. Everything passes ``redaction``.

A writer that crashes ends nothing but itself: ``Faults`` keep the crash for the last lines of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from stickyconf.model import Catalogue, History, Requirement, Verdict
from stickyconf.model.run import Run
from stickyconf.plainyaml import DUMPER
from stickyconf.reporting import allure, conformance, junit, summary
from stickyconf.reporting.faults import Faults
from stickyconf.reporting.layout import RunDirectory
from stickyconf.reporting.redaction import publishable, redact, redact_data, remember_credentials
from stickyconf.reporting.timeline import Timelines

if TYPE_CHECKING:
    import pytest


class Publication:
    """The reports of one run. ``mutant`` is the deliberate fault in force, "" if there is none."""

    def __init__(self, directory: RunDirectory, mutant: str, faults: Faults, rejudged: Path | None = None) -> None:
        """Take the directory to write to, and that of the run whose histories are judged again: their manifests."""
        self._directory, self._mutant, self._faults = directory, mutant, faults
        self._timelines = Timelines(directory.timelines)
        with faults.noted("the manifests of the earlier run"):
            for file in (rejudged / "manifests").glob("*.yaml") if rejudged else ():
                (directory.manifests / file.name).write_text(publishable(file.read_text(encoding="utf-8")), "utf-8")

    def applied(self, history: str, manifest: Mapping[str, Any]) -> None:
        """Keep an object as it was applied for a history, without its credentials, which are known from now on."""
        remember_credentials(manifest)
        with self._faults.noted(f"what was applied for {history}"):
            text = yaml.dump(redact_data(manifest), Dumper=DUMPER, sort_keys=False, allow_unicode=True)
            with self._manifests(history).open("a", encoding="utf-8") as file:
                file.write(f"---\n{text}")

    def recorded(self, history: History) -> None:
        """Draw a history's timeline, before it is judged."""
        with self._faults.noted(f"the timeline of {history.setup.name}"):
            self._timelines.add(history)

    def judged(self, verdict: Verdict, histories: Sequence[History]) -> None:
        """Attach to the case that is running: the verdict, the timelines, the histories, and what was applied."""
        distinct = list({history.setup.name: history for history in histories}.values())
        with self._faults.noted(f"Allure's verdict on {verdict.requirement}"):
            allure.attach_verdict(verdict, distinct, self._mutant)
        for history in distinct:
            name = history.setup.name
            with self._faults.noted(f"the timeline of {name}"):
                allure.attach_timeline(name, self._timelines.judged(history, verdict.findings))
        for history in distinct:
            name = history.setup.name
            with self._faults.noted(f"Allure's copy of the history {name}"):
                allure.attach_history(self._directory.histories / f"{name}.jsonl")
            with self._faults.noted(f"Allure's copy of what was applied for {name}"):
                if (applied := self._manifests(name)).exists():
                    allure.attach_file(applied)

    def explained(self, files: Callable[[], Iterable[Path]]) -> None:
        """Collect diagnostics of the case that has failed, and attach them."""
        with self._faults.noted("a part of the diagnostics"):
            for file in files():
                allure.attach_file(file)

    def finished(self, run: Run, catalogue: Catalogue) -> None:
        """Write the conformance report, JUnit XML, Allure's environment, and the job summary if one is asked for."""
        path = self._directory.path
        writers: Mapping[str, Callable[[], object]] = {
            "the conformance report": lambda: conformance.write(run, catalogue, path),
            "junit.xml": lambda: junit.write(run, catalogue, path / "junit.xml"),
            "Allure's environment": lambda: allure.write_environment(self._directory.allure_results, run),
            "the job summary": lambda: summary.append(run, catalogue),
            "the link to the latest run": self._directory.publish_latest,
        }
        for what, write in writers.items():
            with self._faults.noted(what):
                write()

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
