"""What a case is made of: its requirement, the recordings it reads, and a judge that gives it its outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pytest

from stickyconf.checks.signs import signed
from stickyconf.model import History, Level, Requirement, Ruling, Status, Verdict
from stickyconf.model.known import KnownViolation
from stickyconf.ports import HarnessError
from stickyconf.scenarios.recording import Recording, fixture_title
from stickyconf.scenarios.stage import Scenario
from stickyconf.scenarios.workload import Topology

KNOWN = "known violation"
"""What the reason of an expected failure begins with; Allure's category goes by it."""


class Violation(AssertionError):
    """The system under test broke a requirement."""


class Inconclusive(Exception):
    """A MUST could not be judged: too little was seen, or the outcome of something is not known."""


class NotApplicable(pytest.skip.Exception):  # type: ignore[name-defined, misc]  # pytest names it no other way
    """The requirement cannot be asked on this target; the message says why."""


def requirement(identifier: str) -> pytest.MarkDecorator:
    """Bind a case to the one requirement it tests."""
    return pytest.mark.requirement(identifier)


class Histories(Protocol):
    """The histories of a run; the session fixture ``histories`` gives them."""

    def of(self, recording: Recording) -> tuple[History, ...]:
        """Return the histories of a recording, in order: one, or as many as it is repeated."""


def recorded(
    name: str,
    *scenarios: Scenario,
    topology: Topology = Topology(),  # noqa: B008 - frozen
    alone: bool = False,
    lasting: bool = False,
    long: bool = False,
    claim: str = "",
) -> Any:
    """Declare a recording: return a module-scoped fixture that gives its history.

    The run plays it only if a chosen case needs it, beside others unless it is ``alone``, and never beside one with the
    same ``claim``; one that is ``lasting`` begins first and ends last, one that is ``long`` begins before those that
    are not. Write it at module level: ``history = recorded("affinity", visit(sessions=31, requests=20))``.
    """
    recording = Recording(name, scenarios, topology, alone, lasting=lasting, long=long, claim=claim)

    def history(histories: Histories) -> History:
        [made] = histories.of(recording)
        return made

    return _fixture(history, recording)


def repeated(
    name: str,
    *scenarios: Scenario,
    topology: Topology = Topology(),  # noqa: B008 - frozen
    long: bool = False,
) -> Any:
    """Declare a recording that is made ``--drains`` times: return a module-scoped fixture that gives its histories.

    ``name`` holds ``{number}``, which counts from 1.
    """
    recording = Recording(name, scenarios, topology, repeated=True, long=long)

    def history(histories: Histories) -> tuple[History, ...]:
        return histories.of(recording)

    return _fixture(history, recording)


def _fixture(history: Callable[..., Any], recording: Recording) -> Any:
    history.__doc__ = f"The recording {recording.name}."
    history.__allure_display_name__ = fixture_title(recording)  # type: ignore[attr-defined]  # allure-pytest reads it
    history.recording = recording  # type: ignore[attr-defined]  # scenarios.recording.recordings_of reads it
    return pytest.fixture(scope="module")(history)


class Judge:
    """Collects the rulings of one case. A case that asks for none is broken: it would always pass."""

    def __init__(self, subject: Requirement) -> None:
        """Take the requirement the case is bound to."""
        self.subject = subject
        self.histories: list[History] = []
        self._rulings: list[tuple[str, Ruling]] = []

    def __call__(self, check: Callable[..., Ruling], *histories: History, **arguments: Any) -> None:
        """Let a check rule on each history. A crash in a check is a failure of the suite: HarnessError."""
        if not histories:
            raise HarnessError(f"{self.subject.id}: no history was given to {check.__name__}")
        for history in histories:
            try:
                ruling = signed(check(history, **arguments), history)
            except Exception as error:
                name = history.setup.name
                raise HarnessError(f"{self.subject.id}: {check.__name__} crashed on {name}: {error!r}") from error
            self.histories.append(history)
            self._rulings.append((history.setup.name, ruling))

    def verdict(self) -> Verdict:
        """Merge the rulings; HarnessError if there is none."""
        if not self._rulings:
            raise HarnessError(f"{self.subject.id}: the case asked for no judgement, so it proves nothing")
        return Verdict.merge(self.subject.id, self._rulings)


def enforce(subject: Requirement, verdict: Verdict, *, strict: bool, known: KnownViolation | None = None) -> None:
    """Turn a verdict into the outcome of the test that asked for it.

    MUST (and SHOULD under ``strict``): VIOLATES raises Violation, INCONCLUSIVE raises Inconclusive. A violated SHOULD
    is otherwise an expected failure: shown, counted, not fatal; so is a violation that is ``known``. OBSERVE never
    fails. NOT_APPLICABLE skips.
    """
    __tracebackhide__ = True
    if verdict.status is Status.NOT_APPLICABLE:
        pytest.skip(f"{subject.id}: {verdict.findings[0].actual}")
    if subject.level is Level.OBSERVE or verdict.status is Status.CONFORMS:
        return
    if known and verdict.status is Status.VIOLATES:
        pytest.xfail(f"{KNOWN}, {known.told}\n{verdict.told()}")
    if subject.level is Level.SHOULD and not strict:
        pytest.xfail(verdict.told())
    if verdict.status is Status.VIOLATES:
        raise Violation(verdict.told())
    raise Inconclusive(verdict.told())
