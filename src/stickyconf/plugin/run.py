"""One run: what it is made with, what it has found out, and what it leaves behind."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pytest

import stickyconf
from stickyconf.checks import alphas, false_alarms
from stickyconf.command import Command
from stickyconf.known_violations import about
from stickyconf.model import Catalogue, History
from stickyconf.model.known import KnownViolation
from stickyconf.model.run import CaseResult, Run
from stickyconf.mutants import MUTANT_FAILS, deviations
from stickyconf.plugin.options import Settings
from stickyconf.plugin.progress import Progress
from stickyconf.plugin.selection import Selection
from stickyconf.reporting import terminal
from stickyconf.reporting.assessment import assess
from stickyconf.reporting.checkout import Checkout
from stickyconf.reporting.faults import Faults
from stickyconf.reporting.implementation import STAND_IN, Implementation
from stickyconf.reporting.layout import RunDirectory
from stickyconf.reporting.publication import Publication
from stickyconf.reporting.readback import ReportError, read_report
from stickyconf.reporting.redaction import redact
from stickyconf.scenarios.recording import Recording, fixture_title, recordings_of
from stickyconf.shipped import is_installed, working_folder
from stickyconf.targets.kubeconfig import options as kubeconfig_options


class Source(Protocol):
    """Where histories come from: recordings that are played, or an earlier run."""

    def clear(self, name: str) -> None:
        """Remove what was made on the cluster for a history that is not read any more."""

    def explain(self, names: Iterable[str], directory: Path) -> list[Path]:
        """Collect diagnostics about recordings of a case that failed and return the files."""

    def span(self, name: str) -> tuple[float, float] | None:
        """Return when a recording began and ended, as time.time() counts; None if it has not, or not in this run."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is under test: the target's name, the implementation, and part -> version."""

    target: str
    implementation: str
    versions: Mapping[str, str]


RUN = pytest.StashKey["ConformanceRun"]()


class ConformanceRun:
    """The state of one run, and its report. Registered as a plugin only if cases are judged."""

    def __init__(
        self,
        config: pytest.Config,
        catalogue: Catalogue,
        settings: Settings,
        selection: Selection,
        faults: Faults,
    ) -> None:
        """Take what was read and checked; open the run's directory. UsageError if there can be none."""
        self.config, self.catalogue, self.settings, self.selection = config, catalogue, settings, selection
        self.faults = faults
        option = config.option
        self._earlier = _run_of(option.rejudge) if option.rejudge else {}
        if option.rejudge:
            selection.stored = self._not_stored
            selection.earlier = tuple(self._earlier.get("profiles", ()))
        self.checkout = Checkout() if is_installed() else Checkout.of(config.rootpath)
        self.started = datetime.now(UTC)
        self._clock = time.monotonic()
        self.cases: list[CaseResult] = []
        self.subject = Subject(option.target, "unknown: no gateway was contacted", {})
        self.spans: dict[str, tuple[float, float]] = {}
        self._requests: dict[str, int] = {}
        self.source: Source | None = None
        self.kept = ""
        self.left: list[str] = []
        self.mutant_errors: list[str] = []
        self.directory: RunDirectory | None = None
        self.publication: Publication | None = None
        self.progress = Progress()
        if not option.collectonly:
            out = option.out or working_folder() / "reports" / "out"
            try:
                self.directory = RunDirectory.create(out, self.started)
            except OSError as error:
                raise pytest.UsageError(f"--out {out}: no report can be written there: {error.strerror}") from error
            option.allure_report_dir = str(self.directory.allure_results)
            self.publication = Publication(self.directory, option.mutant or "", faults, option.rejudge)

    def pytest_sessionstart(self) -> None:
        """Show progress where pytest writes."""
        plugins = self.config.pluginmanager
        self.progress = Progress(plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager"))

    def pytest_report_header(self) -> list[str]:
        """Say what is judged, and how to do the same again."""
        option = self.config.option
        what = f"histories in {option.rejudge}" if option.rejudge else f"target {option.target}"
        lines = [f"sticky-session conformance {stickyconf.__version__}: {what}, seed {self.settings.seed}"]
        lines.append(f"false alarms: at most {false_alarms():.0e} a run")
        if self.directory:
            lines.append(f"report: {self.directory.path}")
        return lines

    @property
    def id_suffix(self) -> str:
        """What makes this run's namespaces its own."""
        return self.directory.suffix if self.directory else "none"

    def recordings(self) -> list[Recording]:
        """Return the recordings that the chosen cases need, each as often as it is made."""
        return [one for recording in self.selection.readers for one in recording.times(self.settings.drains)]

    def withheld(self) -> dict[str, str]:
        """Return which recordings need not be made, because of the gateway's release, and why: name -> reason."""
        release, found = self.subject.versions.get("gateway", ""), dict[str, str]()
        for recording, subjects in self.selection.subjects.items():
            reasons = {subject.unasked_of(release) for subject in subjects}
            if "" not in reasons:
                found |= dict.fromkeys(self._names([recording]), min(reasons))
        return found

    def _not_stored(self, recording: Recording) -> list[str]:
        """Return the histories of a recording that the earlier run does not have, nor a reason for."""
        there = {*self.settings.rejudged, *self.settings.unreachable}
        return [name for name in self._names([recording]) if name not in there]

    def _names(self, recordings: Iterable[Recording]) -> list[str]:
        return [one.name for recording in recordings for one in recording.times(self.settings.drains)]

    def explain(self, case: pytest.Item) -> list[Path]:
        """Collect diagnostics of a case that failed and return the files."""
        if self.source is None or self.directory is None:
            return []
        return self.source.explain(self._names(recordings_of(case)), self.directory.diagnostics / case.name)

    def seconds_of(self, case: pytest.Item) -> float:
        """Return how long the recordings that a case reads took, in all; keep when they were made, for Allure."""
        seconds = 0.0
        for recording in recordings_of(case):
            spans = [span for name in self._names([recording]) if self.source and (span := self.source.span(name))]
            if spans:
                self.spans[fixture_title(recording)] = min(began for began, _ in spans), max(end for _, end in spans)
            seconds += sum(end - began for began, end in spans)
        return seconds

    def judged(self, case: pytest.Item) -> None:
        """Take note that a case has ended: what was made for it alone goes."""
        for name in self._names(self.selection.read_by(case)):
            if self.source:
                self.source.clear(name)

    def applied(self, history: str, manifest: Mapping[str, Any]) -> None:
        """Keep an object as it is applied for a history."""
        if self.publication:
            self.publication.applied(history, manifest)

    def recorded(self, history: History) -> None:
        """Take note of a history for the report's facts."""
        setup = history.setup
        self.subject = Subject(setup.target, setup.implementation, dict(setup.versions))
        self._requests[history.setup.name] = len(history.exchanges)
        if self.publication:
            self.publication.recorded(history)

    def report(self) -> Run:
        """Return everything the report says."""
        option, settings = self.config.option, self.settings
        return Run(
            id=self.directory.path.name if self.directory else "",
            started=self.started.isoformat(timespec="seconds"),
            duration=round(time.monotonic() - self._clock, 1),
            suite=stickyconf.__version__,
            target=self.subject.target,
            implementation=self.subject.implementation,
            embedded=self.subject.implementation.startswith(STAND_IN),
            versions=self.subject.versions,
            profiles=self.selection.profiles,
            strict=settings.strict,
            filtered=self.selection.filtered,
            rejudged=str(option.rejudge or ""),
            command=_command(self.config),
            seed=settings.seed,
            requests=sum(self._requests.values()),
            budgets=dict(settings.budgets.seconds),
            alpha=alphas(),
            cases=tuple(self.cases),
            mutant=option.mutant or str(self._earlier.get("mutant", "")),
            harmless=deviations()[option.mutant].harmless if option.mutant else bool(self._earlier.get("harmless")),
            commit=self.checkout.commit,
            dirty=self.checkout.dirty,
            known=self._known(),
            unrecorded=self.selection.unrecorded,
        )

    def _known(self) -> tuple[KnownViolation, ...]:
        """Return the known violations of what is judged; a run that leaves cases out cannot say that one is gone."""
        if not self.settings.known:
            return ()
        subject = self.subject
        implementation = Implementation(
            subject.implementation, subject.implementation.startswith(STAND_IN), subject.versions
        )
        known = about(self.settings.known, implementation, stickyconf.__version__)
        return tuple(replace(one, whole=self.selection.whole) for one in known)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the report and point ``latest`` at it; a run that judged and recorded nothing leaves nothing.

        The run fails if a known violation no longer occurs, or is accepted no longer.
        """
        lapsed = [one for one, state in assess(self.report(), self.catalogue).known if state.fails]
        if lapsed and self.cases and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self.directory and not self.cases and not any(self.directory.histories.iterdir()):
            self.directory.remove()
        elif self.publication and self.cases:
            self.publication.finished(self.report(), self.catalogue)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """End with the verdict table."""
        if not self.cases:
            return
        terminalreporter.section("sticky-session conformance")
        run = self.report()
        lines = terminal.bare(run)
        with self.faults.noted("the table of verdicts"):
            lines = terminal.lines(run, self.catalogue)
        for line in [*lines, *self.faults.lines]:
            terminalreporter.write_line(redact(line))
        if self.directory and (report := self.directory.path / "conformance.md").exists():
            terminalreporter.write_line(f"report: {report}")
        for line in self.mutant_errors:
            terminalreporter.write_line(f"{MUTANT_FAILS}{redact(line)}")
        if self.kept:
            terminalreporter.write_line(self.kept)
        for line in self.left:
            terminalreporter.write_line(f"left on the cluster: {line}")
        if self.left and self.config.option.target == "kubeconfig":
            command = kubeconfig_options.cleanup_command(self.config.option, self.id_suffix)
            terminalreporter.write_line(f"remove it with: {command}")


def _run_of(earlier: Path) -> Mapping[str, Any]:
    """Return what the report of an earlier run says of that run; nothing if it is not there, or not to be read."""
    with contextlib.suppress(ReportError):
        found: dict[str, Any] = read_report(earlier)["run"]
        return found
    return {}


def _command(config: pytest.Config) -> str:
    """Return the command that made the run, as a shell takes it."""
    for plugin in config.pluginmanager.get_plugins():
        if isinstance(plugin, Command):
            return shlex.join(["stickyconf", "run", *plugin.given])
    return "pytest " + shlex.join(str(argument) for argument in config.invocation_params.args)
