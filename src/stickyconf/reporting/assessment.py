"""The result of a run: each requirement's standing, each profile's result. Every report is written from this."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from stickyconf.checks.older import CONTROLLERS_WARNING, OLDER_GATEWAY
from stickyconf.model import Catalogue, Finding, Level, Requirement, Status, Verdict
from stickyconf.model.catalogue import no_sticky_sessions
from stickyconf.model.known import KnownState, KnownViolation
from stickyconf.model.run import CaseOutcome, CaseResult, Run
from stickyconf.reporting.causes import follows
from stickyconf.reporting.implementation import Implementation

LEFT_OUT = "no case in this run, which was filtered"


class Standing(StrEnum):
    """How a requirement came out of a run: as judged, measured (OBSERVE is never passed or failed), or not judged."""

    CONFORMS = "CONFORMS"
    VIOLATES = "VIOLATES"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    UNJUDGED = "UNJUDGED"
    MEASURED = "MEASURED"


class Result(StrEnum):
    """The result of a profile, or of a whole run."""

    CONFORMANT = "conformant"
    PARTIAL = "partial"
    NOT_CONFORMANT = "not conformant"


@dataclass(frozen=True, slots=True)
class Assessed:
    """One requirement in one run.

    ``binds`` tells whether a profile's result depends on it: MUST always, SHOULD in a strict run, OBSERVE never.
    ``reason`` says why it is UNJUDGED, and is "" otherwise. ``known``: it is violated, which is known and accepted.
    ``follows`` has the causes that explain it, ids in the catalogue's order; none if it stands for itself.
    """

    requirement: Requirement
    standing: Standing
    verdict: Verdict | None
    cases: tuple[CaseResult, ...]
    binds: bool
    reason: str = ""
    known: KnownViolation | None = None
    follows: tuple[str, ...] = ()

    @property
    def weight(self) -> str:
        """The level, and whether it counts in this run."""
        counts = self.binds or self.requirement.level is Level.OBSERVE
        weight = self.requirement.level.value if counts else f"{self.requirement.level}, counts under --strict only"
        return f"{weight}, {self.known.told}" if self.known else weight

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Counter-examples and doubts, none if no case gave a verdict."""
        return self.verdict.findings if self.verdict else ()

    @property
    def because(self) -> str:
        """Say in a line from what it follows and how that shows; "" if it stands for itself."""
        if not self.follows or self.verdict is None:
            return ""
        causes = " and ".join(self.follows)
        if self.standing is Standing.VIOLATES:
            signs = " or ".join(sign.value for sign in sorted(self.verdict.signs))
            return f"follows from {causes}: in each counter-example {signs}"
        are = "is" if len(self.follows) == 1 else "are"
        return f"not to be asked, because {causes} {are} violated, which it presupposes"

    @property
    def broken(self) -> tuple[CaseResult, ...]:
        """The cases that ended in a harness error."""
        return tuple(case for case in self.cases if case.outcome is CaseOutcome.HARNESS_ERROR)

    @property
    def duration(self) -> float:
        """Seconds all its cases took."""
        return sum(case.duration for case in self.cases)


@dataclass(frozen=True, slots=True)
class Cause:
    """A violation that follows from no other, and the requirements that follow from it."""

    row: Assessed
    followers: tuple[Assessed, ...]

    @property
    def told(self) -> str:
        """Say it in a line, its followers by their ids."""
        ids = ", ".join(row.requirement.id for row in self.followers)
        count = len(self.followers)
        others = f"; {count} {'other follows' if count == 1 else 'others follow'} from it: {ids}" if count else ""
        return f"{self.row.requirement.id} {self.row.requirement.title}{others}"


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile: its result and its requirements in the catalogue's order."""

    name: str
    result: Result
    rows: tuple[Assessed, ...]

    def of(self, standing: Standing, *levels: Level) -> tuple[Assessed, ...]:
        """Return the requirements of this standing; only those of some levels if any is named."""
        return tuple(
            row for row in self.rows if row.standing is standing and (not levels or row.requirement.level in levels)
        )


@dataclass(frozen=True, slots=True)
class Assessment:
    """A whole run: its result, its profiles, and every requirement of them (or judged beside them) once.

    ``known``: the known violations of what was judged, each with what became of it.
    """

    implementation: Implementation
    notices: tuple[str, ...]
    result: Result
    profiles: tuple[Profile, ...]
    rows: tuple[Assessed, ...]
    known: tuple[tuple[KnownViolation, KnownState], ...] = ()

    def of(self, standing: Standing) -> tuple[Assessed, ...]:
        """Return the requirements of this standing, those that stand for themselves first, by the catalogue's order."""
        found = (row for row in self.rows if row.standing is standing)
        return tuple(sorted(found, key=lambda row: bool(row.follows)))

    @property
    def causes(self) -> tuple[Cause, ...]:
        """The violations that follow from no other, each with what follows from it, in the catalogue's order."""
        return tuple(
            Cause(row, tuple(other for other in self.rows if row.requirement.id in other.follows))
            for row in self.rows
            if row.standing is Standing.VIOLATES and not row.follows
        )


def assess(run: Run, catalogue: Catalogue) -> Assessment:
    """Take a run's results and work out what they mean for each profile and the run.

    A profile is not conformant when a requirement that binds it is violated, conformant when each of them conforms, and
    partial otherwise: inconclusive, not applicable and unjudged requirements have not been shown to hold, nor has any
    in full when the run was filtered. MUST binds; SHOULD does when the run is strict; OBSERVE never does. A violation
    that is known is still a violation; it only does not fail the run.
    """
    verdicts = run.verdicts()
    touched = {case.requirement for case in run.cases}
    rows = {
        requirement.id: _assessed(requirement, run, verdicts.get(requirement.id))
        for requirement in catalogue
        if requirement.id in touched or set(requirement.profiles) & set(run.profiles)
    }
    found = follows({name: row.verdict for name, row in rows.items() if row.verdict and not row.reason}, catalogue)
    rows = {name: replace(row, follows=found.get(name, ())) for name, row in rows.items()}
    profiles = []
    for name in run.profiles:
        of_profile = tuple(rows[requirement.id] for requirement in run.of_profile(catalogue, name))
        profiles.append(Profile(name, _result(of_profile, run), of_profile))
    implementation = Implementation.of(run)
    known = tuple((one, _state(one, run, rows.get(one.requirement))) for one in run.known)
    return Assessment(
        implementation,
        (*_notices(run, implementation), *_judged_in_part(rows.values()), *_notices_of_known(known)),
        _overall(profile.result for profile in profiles),
        tuple(profiles),
        tuple(rows.values()),
        known,
    )


def by_reason(rows: Iterable[Assessed]) -> dict[str, list[str]]:
    """Return the ids of what follows from other violations, by what there is to say of it."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.because:
            found.setdefault(row.because, []).append(row.requirement.id)
    return found


def cited(finding: Finding, most: int = 6) -> str:
    """Say where to look in the run's directory: the history, and the numbers of the exchanges that prove it."""
    where = f"histories/{finding.place}.jsonl" if finding.place else ""
    numbers = [f"#{number}" for number in finding.exchanges[:most]]
    if len(finding.exchanges) > most:
        numbers.append(f"and {len(finding.exchanges) - most} more")
    return " ".join(part for part in (where, ", ".join(numbers)) if part) or "the case itself"


def _assessed(requirement: Requirement, run: Run, verdict: Verdict | None) -> Assessed:
    cases = tuple(case for case in run.cases if case.requirement == requirement.id)
    binds = requirement.level is Level.MUST or (run.strict and requirement.level is Level.SHOULD)
    binds = binds and not (requirement.about_older_gateways and requirement.unasked_of(run.versions.get("gateway", "")))
    broken = next((case for case in cases if case.outcome is CaseOutcome.HARNESS_ERROR), None)
    if verdict is None or (broken and verdict.status in (Status.CONFORMS, Status.NOT_APPLICABLE)):
        reason = broken.error if broken else _why_no_case(run)
        return Assessed(requirement, Standing.UNJUDGED, verdict, cases, binds, reason)
    if requirement.level is Level.OBSERVE and verdict.status in (Status.CONFORMS, Status.VIOLATES):
        return Assessed(requirement, Standing.MEASURED, verdict, cases, binds)
    known = run.accepted().get(requirement.id) if verdict.status is Status.VIOLATES else None
    return Assessed(requirement, Standing(verdict.status.value), verdict, cases, binds, known=known)


def _why_no_case(run: Run) -> str:
    return LEFT_OUT if run.filtered else "no case yet"


def _result(rows: Iterable[Assessed], run: Run) -> Result:
    rows = tuple(rows)
    standings = {row.standing for row in rows if row.binds}
    if Standing.VIOLATES in standings:
        return Result.NOT_CONFORMANT
    # What has no MUST, as a soak, conforms if all that can be passed was.
    standings = standings or {row.standing for row in rows if row.requirement.level is Level.SHOULD}
    return Result.CONFORMANT if standings == {Standing.CONFORMS} and not run.filtered else Result.PARTIAL


def _overall(results: Iterable[Result]) -> Result:
    found = set(results)
    if Result.NOT_CONFORMANT in found:
        return Result.NOT_CONFORMANT
    return Result.CONFORMANT if found == {Result.CONFORMANT} else Result.PARTIAL


def _notices(run: Run, implementation: Implementation) -> Iterable[str]:
    if implementation.disclaimer:
        yield implementation.disclaimer
    if run.mutant:
        yield f"A deliberate fault was in force: {run.mutant}. What was judged is the fault, not the implementation."
    if said := _too_old(run):
        yield said
    if run.rejudged:
        yield f"No cluster was used: this run judged stored histories again ({run.rejudged})."
    if run.unrecorded:
        missing = ", ".join(run.unrecorded)
        yield f"Cases were left out, because the run that was judged again has no history of: {missing}."
    if run.filtered:
        yield "Some cases were left out on purpose, so no profile can be more than partial."


def _judged_in_part(rows: Iterable[Assessed]) -> Iterable[str]:
    """Say of what conforms which part of it could not be asked here."""
    for row in rows:
        if row.standing is Standing.CONFORMS and row.findings:
            yield f"{row.requirement.id} was judged in part: {row.findings[0].actual}."


def _too_old(run: Run) -> str:
    """Say in one line that the gateway has no sticky sessions, and what the controller says of it; else ""."""
    verdict = run.verdicts().get(OLDER_GATEWAY)
    if verdict is None or verdict.status is Status.NOT_APPLICABLE:
        return ""
    warnings = [measure.value for measure in verdict.measures if measure.name == CONTROLLERS_WARNING]
    told = f"; the controller says: {warnings[0]}" if warnings else ""
    return f"{no_sticky_sessions(run.versions.get('gateway', ''))}{told}."


def _state(known: KnownViolation, run: Run, row: Assessed | None) -> KnownState:
    if not known.accepted(run.day):
        return KnownState.EXPIRED
    if row is not None and row.standing is Standing.VIOLATES:
        return KnownState.OCCURS
    if row is not None and row.standing is Standing.CONFORMS and known.whole:
        return KnownState.GONE
    return KnownState.NOT_JUDGED


def _notices_of_known(known: Iterable[tuple[KnownViolation, KnownState]]) -> Iterable[str]:
    for one, state in known:
        if state is KnownState.OCCURS:
            yield f"The violation of {one.requirement} is {one.told}; it does not fail the run."
        elif state is KnownState.GONE:
            yield f"The known violation of {one.requirement} no longer occurs: take it off the list ({one.reason})."
        elif state is KnownState.EXPIRED:
            yield f"The known violation of {one.requirement} was accepted until {one.expires} only ({one.reason})."
