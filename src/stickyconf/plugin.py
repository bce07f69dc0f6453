"""The pytest plugin: options, selection by requirement and profile, verdicts, and what a run leaves behind."""

from __future__ import annotations

import asyncio
import gc
import re
import secrets
import shlex
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

import stickyconf
from stickyconf.cases import Inconclusive, Judge, NotApplicable, Violation, enforce
from stickyconf.model import Catalogue, History, Requirement, Ruling, Verdict
from stickyconf.model.catalogue import load_catalogue
from stickyconf.model.run import CaseOutcome, CaseResult, Run
from stickyconf.model.storage import HistoryFileError, read_history
from stickyconf.mutants import deviations
from stickyconf.progress import Progress
from stickyconf.reporting import allure, terminal
from stickyconf.reporting.allure_results import write_redacted
from stickyconf.reporting.checkout import Checkout
from stickyconf.reporting.faults import Faults
from stickyconf.reporting.implementation import STAND_IN
from stickyconf.reporting.layout import RunDirectory
from stickyconf.reporting.publication import Publication, properties, without_credentials
from stickyconf.reporting.redaction import redact
from stickyconf.stats import ALPHA
from stickyconf.targets.embedded import options as embedded_options
from stickyconf.targets.installation import BadOption, NoTarget, TargetOptions
from stickyconf.targets.kind import options as kind_options
from stickyconf.targets.kubeconfig import options as kubeconfig_options
from stickyconf.wait import Budgets, UnknownBudget, Waiter

TARGETS: dict[str, TargetOptions] = {
    "embedded": embedded_options,
    "kind": kind_options,
    "kubeconfig": kubeconfig_options,
}
DRAINS = 3
_JUDGE = pytest.StashKey[Judge]()
_VERDICT = pytest.StashKey[Verdict]()
_SETUP_SECONDS = pytest.StashKey[float]()
RUN = pytest.StashKey["ConformanceRun"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's own options.

    Two more are others' and are read here: ``--keep-cluster`` is pytest-kind's, ``--strict`` is pytest's.
    """
    group = parser.getgroup(
        "stickyconf",
        "sticky-session conformance (besides: --strict, a violated SHOULD fails the run; --keep-cluster)",
    )
    add = group.addoption
    add("--target", default="embedded", help=f"the cluster to judge: {', '.join(TARGETS)} (default: embedded)")
    add("--profile", action="append", default=[], help="judge this profile only (repeatable; default: all with cases)")
    add("--requirement", action="append", default=[], metavar="ID", help="judge this requirement only (repeatable)")
    add("--proxy-url", help="the gateway's proxy address, instead of the one the target finds")
    add("--admin-url", help="the gateway's Admin API address, instead of the ones the target finds")
    add("--rejudge", type=Path, metavar="PATH", help="judge the histories stored by an earlier run, without a cluster")
    add("--budget", action="append", default=[], metavar="NAME=SECONDS", help="change how long a wait may take")
    add("--out", type=Path, metavar="DIR", help="where runs leave their reports (default: reports/out)")
    add("--mutant", metavar="ID", help="judge the embedded cluster with this deliberate fault in it")
    add("--seed", type=int, metavar="N", help="the seed of every choice the suite makes (default: a new one)")
    add("--drains", type=int, metavar="N", help=f"record this many drains for the drain cases (default: {DRAINS})")
    for target in TARGETS.values():
        target.add_options(add)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Refuse bad input in one line before anything starts; open the run's directory."""
    config.addinivalue_line("markers", "requirement(id): the catalogue's requirement this case proves or refutes")
    if config.option.help:
        return
    if config.inipath is None and (config.option.out or config.option.rejudge):
        # pytest looks for its settings above the paths among its arguments, before it knows whose they are.
        raise pytest.UsageError("pytest does not find pyproject.toml; run tox -- ..., or add: -c pyproject.toml")
    if not _judges(config):
        return
    run = ConformanceRun(config)
    config.add_cleanup(write_redacted(run.faults))
    config.stash[RUN] = run
    config.pluginmanager.register(run, "stickyconf-run")


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """With --cleanup: remove what a run left, say what it was, and end without collecting anything."""
    option = config.option
    if option.cleanup is None or option.help:
        return None
    if option.target == "embedded":
        raise pytest.UsageError(
            "--cleanup works with --target kubeconfig and --target kind; the embedded cluster ends with the run"
        )
    # These bring the Kubernetes client, which takes its time.
    from stickyconf.targets.kind import installation as kind_installation
    from stickyconf.targets.kubeconfig import cleanup

    try:
        if option.target == "kind":
            sys.stdout.write("".join(f"{line}\n" for line in kind_installation.clean(option, config.rootpath)))
            return 0
        TARGETS[option.target].check(option)
        budgets = Budgets.of(dict(Budgets.parse(text) for text in option.budget))
        removed = asyncio.run(cleanup.clean(option, Waiter(budgets)))
    except (BadOption, UnknownBudget, NoTarget) as error:
        raise pytest.UsageError(str(error)) from error
    sys.stdout.write("".join(f"{line}\n" for line in removed))
    return 0


def _judges(config: pytest.Config) -> bool:
    """Whether this pytest run collects conformance cases; the suite's own tests need none of what follows."""
    suites = config.rootpath / "suites"
    if not suites.is_dir():
        return False
    chosen = [(config.invocation_params.dir / str(argument).partition("::")[0]).resolve() for argument in config.args]
    return any(path == suites or suites in path.parents or path in suites.parents for path in chosen)


class Recording(Protocol):
    """What makes histories, as far as the plugin needs to know it."""

    def explain(self, name: str) -> Iterable[Path]:
        """Collect diagnostics for a case that failed and return the files."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is under test: the target's name, the implementation, and part -> version."""

    target: str
    implementation: str
    versions: Mapping[str, str]


class ConformanceRun:
    """One run: its settings, its directory, its verdicts. Registered as a plugin only where cases are judged."""

    def __init__(self, config: pytest.Config) -> None:
        """Read and check every option; UsageError with one clear line for what cannot be."""
        self.config = config
        option = config.option
        self.catalogue = _catalogue(config.rootpath / "requirements.toml")
        _known("target", [option.target], tuple(TARGETS))
        try:
            TARGETS[option.target].check(option)
        except BadOption as error:
            raise pytest.UsageError(str(error)) from error
        _known("profile", option.profile, self.catalogue.profiles)
        _known("requirement", option.requirement, tuple(self.catalogue.requirements))
        try:
            self.budgets = Budgets.of(dict(Budgets.parse(text) for text in option.budget))
        except UnknownBudget as error:
            raise pytest.UsageError(str(error)) from error
        if option.mutant:
            _known("mutant", [option.mutant], tuple(deviations()))
            if option.target != "embedded":
                raise pytest.UsageError(f"--mutant {option.mutant} acts in the embedded cluster only")
            if deviations()[option.mutant].where == "gateway" and option.gateway != "envoy":
                raise pytest.UsageError(
                    f"--mutant {option.mutant} acts in Envoy only, not with --gateway {option.gateway}"
                )
        self.strict = bool(config.getini("strict"))
        self.histories = _stored_histories(option.rejudge) if option.rejudge else {}
        if option.drains is not None and option.drains < 1:
            raise pytest.UsageError(f"--drains {option.drains}: give a number of 1 or more")
        stored = sum(re.fullmatch(r"drain-\d+", name) is not None for name in self.histories)
        self.drains: int = option.drains or stored or DRAINS
        for name in ("proxy_url", "admin_url"):
            if getattr(option, name) and not option.rejudge:
                _reachable(name, getattr(option, name))
        self.seed: int = option.seed if option.seed is not None else secrets.randbelow(2**31)
        self.checkout = Checkout.of(config.rootpath)
        self.started = datetime.now(UTC)
        self._clock = time.monotonic()
        self.cases: list[CaseResult] = []
        self.subject = Subject(option.target, "unknown: it was never met", {})
        self._requests: dict[str, int] = {}
        self.profiles: tuple[str, ...] = ()
        self.filtered = False
        self.recording: Recording | None = None
        self.kept = ""
        self.faults = Faults()
        self.directory: RunDirectory | None = None
        self.publication: Publication | None = None
        self.progress = Progress()
        if not option.collectonly:
            out = option.out or config.rootpath / "reports" / "out"
            try:
                self.directory = RunDirectory.create(out, self.started)
            except OSError as error:
                raise pytest.UsageError(f"--out {out}: no report can be written there: {error.strerror}") from error
            option.allure_report_dir = str(self.directory.allure_results)
            self.publication = Publication(self.directory, option.mutant or "", self.faults, option.rejudge)

    def pytest_sessionstart(self) -> None:
        """Show progress where pytest writes."""
        plugins = self.config.pluginmanager
        self.progress = Progress(plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager"))

    def pytest_report_header(self) -> list[str]:
        """Say what is judged, and how to do the same again."""
        option = self.config.option
        what = f"histories in {option.rejudge}" if option.rejudge else f"target {option.target}"
        lines = [f"sticky-session conformance {stickyconf.__version__}: {what}, seed {self.seed}"]
        if self.directory:
            lines.append(f"report: {self.directory.path}")
        return lines

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Check that every case is bound to one requirement and says what it holds; keep those that were chosen."""
        option = self.config.option
        subjects = {item: self._subject(item) for item in items}
        covered = {subject.id for subject in subjects.values()}
        for identifier in option.requirement:
            if identifier not in covered:
                raise pytest.UsageError(self._unproved(identifier))
        with_cases = {profile for subject in subjects.values() for profile in subject.profiles}
        for profile in option.profile:
            if profile not in with_cases:
                raise pytest.UsageError(
                    f"no case belongs to the profile {profile} yet; there are: {_listed(with_cases)}"
                )
        self.profiles = tuple(p for p in self.catalogue.profiles if p in (set(option.profile) or with_cases))
        chosen = [
            item
            for item, subject in subjects.items()
            if set(subject.profiles) & set(self.profiles)
            and (not option.requirement or subject.id in option.requirement)
        ]
        if option.requirement:
            self.profiles = tuple(p for p in self.profiles if any(p in subjects[item].profiles for item in chosen))
        dropped = [item for item in items if item not in chosen]
        if dropped:
            self.config.hook.pytest_deselected(items=dropped)
            items[:] = chosen
        for item in chosen:
            with self.faults.noted(f"Allure's description of {item.name}"):
                allure.describe(item, subjects[item], self.catalogue)
                allure.entitle(item)
        self.filtered = bool(option.requirement or option.keyword or option.markexpr) or self._names_files()

    def pytest_collection_finish(self) -> None:
        """Hide what is imported by now from the garbage collector: pytest alone runs it five times at the end."""
        gc.collect()
        gc.freeze()

    def _unproved(self, identifier: str) -> str:
        """Say why no case of this run proves a requirement: the selection left it out, or there is no such case."""
        if left_out := ", ".join(_narrowing(self.config.option)) or ("the paths given" if self._names_files() else ""):
            return f"{identifier}: {left_out} left out every case that proves it, if there is one; run without"
        return f"{identifier} is in the catalogue, but no case proves it yet"

    def _names_files(self) -> bool:
        return any("::" in str(argument) or str(argument).endswith(".py") for argument in self.config.args)

    def _subject(self, item: pytest.Item) -> Requirement:
        marks = list(item.iter_markers("requirement"))
        if len(marks) != 1:
            raise pytest.UsageError(f"{item.nodeid} is bound to {len(marks)} requirements; give it exactly one")
        identifier = marks[0].args[0]
        if identifier not in self.catalogue:
            raise pytest.UsageError(f"{item.nodeid} names {identifier}, which the catalogue does not have")
        if not (getattr(item, "function", None) and item.function.__doc__):  # type: ignore[attr-defined]
            raise pytest.UsageError(f"{item.nodeid} has no docstring; let it state the property")
        return self.catalogue[identifier]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Give the case its judge and Allure its labels."""
        subject = self._subject(item)
        item.stash[_JUDGE] = Judge(subject)
        item.user_properties[:] = properties(subject)
        with self.faults.noted(f"Allure's labels of {item.name}"):
            allure.label(subject, self.catalogue)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
        """Let the case ask its questions, then turn the answers into its outcome."""
        __tracebackhide__ = True
        result = yield
        judge = pyfuncitem.stash[_JUDGE]
        verdict = judge.verdict()
        pyfuncitem.stash[_VERDICT] = verdict
        pyfuncitem.user_properties[:] = properties(judge.subject, verdict)
        if self.publication:
            self.publication.judged(verdict, judge.histories)
        enforce(judge.subject, verdict, strict=self.strict)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep the case's result; show verdicts as the lines they are, without a traceback of ours."""
        report = yield
        self.progress.clear()
        error = call.excinfo.value if call.excinfo else None
        if isinstance(error, Violation | Inconclusive):
            report.longrepr = str(error)
        without_credentials(report)
        if isinstance(error, NotApplicable):
            subject = self._subject(item).id
            item.stash[_VERDICT] = Verdict.merge(subject, [("", Ruling.not_applicable(str(error)))])
        if report.failed and self.recording and self.publication:
            self.publication.explained(partial(self.recording.explain, item.name))
        judged = item.stash.get(_VERDICT, None)
        if report.when == "setup" and report.passed:
            item.stash[_SETUP_SECONDS] = report.duration
        if report.when == "call" or (report.when == "setup" and not report.passed):
            title = str(item.function.__doc__).strip().splitlines()[0]  # type: ignore[attr-defined]
            said = "" if judged else redact(f"{type(error).__name__}: {error}").splitlines()[0]
            self.cases.append(
                CaseResult(
                    node=item.nodeid,
                    title=title,
                    requirement=self._subject(item).id,
                    outcome=CaseOutcome.JUDGED if judged else CaseOutcome.HARNESS_ERROR,
                    verdict=judged,
                    duration=report.duration + item.stash.get(_SETUP_SECONDS, 0.0),
                    error=said,
                )
            )
        return report

    @property
    def id_suffix(self) -> str:
        """What makes this run's namespaces its own."""
        return self.directory.suffix if self.directory else "none"

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

    def run(self) -> Run:
        """Return everything the report says."""
        option = self.config.option
        return Run(
            id=self.directory.path.name if self.directory else "",
            started=self.started.isoformat(timespec="seconds"),
            duration=round(time.monotonic() - self._clock, 1),
            suite=stickyconf.__version__,
            target=self.subject.target,
            implementation=self.subject.implementation,
            embedded=self.subject.implementation.startswith(STAND_IN),
            versions=self.subject.versions,
            profiles=self.profiles,
            strict=self.strict,
            filtered=self.filtered,
            rejudged=str(option.rejudge or ""),
            command="pytest " + shlex.join(str(argument) for argument in self.config.invocation_params.args),
            seed=self.seed,
            requests=sum(self._requests.values()),
            budgets=dict(self.budgets.seconds),
            alpha=dict(ALPHA),
            cases=tuple(self.cases),
            mutant=option.mutant or "",
            harmless=bool(option.mutant) and deviations()[option.mutant].harmless,
            commit=self.checkout.commit,
            dirty=self.checkout.dirty,
        )

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the report and point ``latest`` at it; a run that judged and recorded nothing leaves nothing."""
        if self.directory and not self.cases and not any(self.directory.histories.iterdir()):
            self.directory.remove()
        elif self.publication and self.cases:
            self.publication.finished(self.run(), self.catalogue)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """End with the verdict table."""
        if not self.cases:
            return
        terminalreporter.section("sticky-session conformance")
        run = self.run()
        lines = terminal.bare(run)
        with self.faults.noted("the table of verdicts"):
            lines = terminal.lines(run, self.catalogue)
        for line in [*lines, *self.faults.lines]:
            terminalreporter.write_line(redact(line))
        if self.directory and (report := self.directory.path / "conformance.md").exists():
            terminalreporter.write_line(f"report: {report}")
        if self.kept:
            terminalreporter.write_line(self.kept)


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Judge:
    """Give a case its judge: ``judge(check, history, ...)``, as often as the requirement has parts."""
    given: Judge = request.node.stash[_JUDGE]
    return given


def _catalogue(path: Path) -> Catalogue:
    try:
        return load_catalogue(path)
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"the catalogue cannot be read: {error}") from error


def _known(what: str, given: list[str], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise pytest.UsageError(f"no {what} is called {name!r}; there are: {_listed(known)}")


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))


def _narrowing(option: Any) -> Iterator[str]:
    """Yield pytest's own options that leave cases out of a run, of those that were given."""
    names = {
        "lf": "--lf",
        "stepwise": "--stepwise",
        "keyword": "-k",
        "markexpr": "-m",
        "deselect": "--deselect",
        "ignore": "--ignore",
        "ignore_glob": "--ignore-glob",
    }
    return (said for name, said in names.items() if getattr(option, name, None))


def _stored_histories(path: Path) -> dict[str, History]:
    """Read the histories of an earlier run, gzipped or not: one file, a directory of them, or a run's directory."""
    directory = path / "histories" if (path / "histories").is_dir() else path
    files = sorted([*directory.glob("*.jsonl"), *directory.glob("*.jsonl.gz")]) if directory.is_dir() else [path]
    if not files:
        raise pytest.UsageError(f"--rejudge {path}: there are no histories (*.jsonl, *.jsonl.gz) in it")
    found: dict[str, History] = {}
    for file in files:
        try:
            history = read_history(file)
        except HistoryFileError as error:
            raise pytest.UsageError(f"--rejudge {error}") from error
        if history.setup.name in found:
            raise pytest.UsageError(f"--rejudge {file}: another file holds a history {history.setup.name!r}, too")
        found[history.setup.name] = history
    return found


def _reachable(name: str, url: str) -> None:
    option = "--" + name.replace("_", "-")
    try:
        httpx.get(url, timeout=5, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):  # Kong's own is self-signed; who reads there deals with that
            return
        raise pytest.UsageError(f"{option} {url}: nobody answers there ({error}); is the address right?") from error
