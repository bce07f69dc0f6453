"""What becomes of a case: its judge, its verdict, the test's outcome, and its row in the report."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import partial
from typing import Any

import pytest

from stickyconf.cases import Inconclusive, Judge, NotApplicable, Violation, enforce
from stickyconf.model import Ruling, Verdict
from stickyconf.model.run import CaseOutcome, CaseResult
from stickyconf.plugin.run import ConformanceRun
from stickyconf.plugin.selection import subject_of
from stickyconf.ports import LeftBehind, TargetLost
from stickyconf.reporting import allure
from stickyconf.reporting.publication import properties, without_credentials
from stickyconf.reporting.redaction import redact

JUDGE = pytest.StashKey[Judge]()
_VERDICT = pytest.StashKey[Verdict]()


class Outcomes:
    """Gives cases their judges and keeps their results. Registered as a plugin only if cases are judged."""

    def __init__(self, run: ConformanceRun) -> None:
        """Take the run that keeps the results."""
        self._run = run

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Give the case its judge and Allure its labels."""
        subject = subject_of(item, self._run.catalogue)
        item.stash[JUDGE] = Judge(subject)
        item.user_properties[:] = properties(subject)
        with self._run.faults.noted(f"Allure's labels of {item.name}"):
            allure.label(subject, self._run.catalogue)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
        """Let the case ask its questions, then turn the answers into its outcome."""
        __tracebackhide__ = True
        result = yield
        judge = pyfuncitem.stash[JUDGE]
        verdict = judge.verdict()
        pyfuncitem.stash[_VERDICT] = verdict
        pyfuncitem.user_properties[:] = properties(judge.subject, verdict)
        if self._run.publication:
            self._run.publication.judged(verdict, judge.histories)
        known = self._run.report().accepted().get(judge.subject.id)
        if known:
            with self._run.faults.noted(f"the link of a known violation of {judge.subject.id}"):
                allure.link_known(known)
        enforce(judge.subject, verdict, strict=self._run.settings.strict, known=known)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep the case's result; show verdicts as the lines they are, without our traceback."""
        report = yield
        self._run.progress.clear()
        error = call.excinfo.value if call.excinfo else None
        ended = [one for one in _leaves(error) if isinstance(one, TargetLost | LeftBehind)]
        if isinstance(error, Violation | Inconclusive):
            report.longrepr = str(error)
        elif ended:
            report.longrepr = "\n".join(str(one) for one in ended)
            self._run.left += [redact(str(one)) for one in ended if isinstance(one, LeftBehind)]
            if report.when != "teardown":
                item.session.shouldfail = "the run has ended: the cluster cannot be used any more"
        without_credentials(report)
        subject = subject_of(item, self._run.catalogue).id
        if isinstance(error, NotApplicable):
            item.stash[_VERDICT] = Verdict.merge(subject, [("", Ruling.not_applicable(str(error)))])
        if report.failed and self._run.publication and not ended:
            self._run.publication.explained(partial(self._run.explain, item))
        judged = item.stash.get(_VERDICT, None)
        if report.when == "call" or (report.when == "setup" and not report.passed):
            title = str(item.function.__doc__).strip().splitlines()[0]  # type: ignore[attr-defined]
            said = "" if judged else redact(f"{type(error).__name__}: {error}").splitlines()[0]
            self._run.cases.append(
                CaseResult(
                    node=item.nodeid,
                    title=title,
                    requirement=subject,
                    outcome=CaseOutcome.JUDGED if judged else CaseOutcome.HARNESS_ERROR,
                    verdict=judged,
                    duration=(report.duration if report.when == "call" else 0.0) + self._run.seconds_of(item),
                    error=said,
                )
            )
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Clear the stages whose histories are not read any more."""
        self._run.judged(item)


def _leaves(error: BaseException | None) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    elif error is not None:
        yield error
