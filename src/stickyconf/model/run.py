"""One run of the suite: which cases ran and what came of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from stickyconf.model.catalogue import Catalogue, Requirement
from stickyconf.model.known import KnownViolation
from stickyconf.model.verdict import Status, Verdict


class CaseOutcome(StrEnum):
    """How a case ended. A harness error is a failure of the suite or its environment, not of Kong."""

    JUDGED = "judged"
    HARNESS_ERROR = "harness-error"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case: a test function bound to one requirement.

    ``duration`` is in seconds and includes the recordings that the case reads, which other cases may read, too.
    ``error`` is one line, given when the outcome is HARNESS_ERROR.
    """

    node: str
    title: str
    requirement: str
    outcome: CaseOutcome
    verdict: Verdict | None
    duration: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """Everything a report says. Times are ISO 8601 in UTC, durations seconds.

    ``filtered`` tells that some cases of the selected profiles were left out on purpose (-k, --requirement).
    ``alpha`` is the false-alarm share of each requirement; ``mutant`` the deliberate fault in force, if any;
    ``harmless`` tells that it is a legitimate difference, to which nothing may object.
    ``unrecorded`` are the histories that an earlier run, judged again, does not have, so that cases were left out.
    ``known`` are the known violations of what was judged. ``commit`` and ``dirty`` are the state of the suite's own
    source: "" and None if it is not known.
    """

    id: str
    started: str
    duration: float
    suite: str
    target: str
    implementation: str
    embedded: bool
    versions: Mapping[str, str]
    profiles: tuple[str, ...]
    strict: bool
    filtered: bool
    rejudged: str
    command: str
    seed: int
    requests: int
    budgets: Mapping[str, float]
    alpha: Mapping[str, float]
    cases: tuple[CaseResult, ...]
    mutant: str = ""
    harmless: bool = False
    commit: str = ""
    dirty: bool | None = None
    known: tuple[KnownViolation, ...] = ()
    unrecorded: tuple[str, ...] = ()

    def verdicts(self) -> dict[str, Verdict]:
        """Return one verdict a requirement, the gravest of its cases'. A case with a harness error has none."""
        found: dict[str, list[Verdict]] = {}
        for case in self.cases:
            if case.verdict:
                found.setdefault(case.requirement, []).append(case.verdict)
        return {requirement: _gravest(verdicts) for requirement, verdicts in found.items()}

    @property
    def day(self) -> date:
        """The day the run began, UTC: known violations are accepted, or not, as of that day."""
        return datetime.fromisoformat(self.started).astimezone(UTC).date()

    def accepted(self) -> dict[str, KnownViolation]:
        """Return the known violations that are accepted, by requirement."""
        return {known.requirement: known for known in reversed(self.known) if known.accepted(self.day)}

    def of_profile(self, catalogue: Catalogue, profile: str) -> tuple[Requirement, ...]:
        """Return a profile's requirements in the catalogue's order."""
        return tuple(requirement for requirement in catalogue if profile in requirement.profiles)


_ORDER = (Status.NOT_APPLICABLE, Status.CONFORMS, Status.INCONCLUSIVE, Status.VIOLATES)


def _gravest(verdicts: list[Verdict]) -> Verdict:
    worst = max(verdicts, key=lambda verdict: _ORDER.index(verdict.status))
    return Verdict(
        worst.requirement,
        worst.status,
        tuple(finding for verdict in verdicts for finding in verdict.findings),
        tuple(measure for verdict in verdicts for measure in verdict.measures),
        tuple(dict.fromkeys(history for verdict in verdicts for history in verdict.histories)),
        tuple(tally for verdict in verdicts for tally in verdict.tallies),
    )
