"""The kill matrix: what became of each deliberate fault under each requirement. Pure: results in, judgement out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal

from stickyconf.model import Catalogue, Level


class Cell(StrEnum):
    """How a requirement judged a fault. One that only observes has MEASURED, or SHOWN if a measure shows it."""

    KILLED = "killed"
    SHOWN = "shown by a measure"
    SURVIVED = "survived"
    INCONCLUSIVE = "inconclusive"
    HARNESS_ERROR = "harness error"
    MEASURED = "measured"
    NOT_APPLICABLE = "not applicable"
    NOT_RUN = "not run"


_STATUS = {
    "VIOLATES": Cell.KILLED,
    "CONFORMS": Cell.SURVIVED,
    "INCONCLUSIVE": Cell.INCONCLUSIVE,
    "NOT_APPLICABLE": Cell.NOT_APPLICABLE,
    "MEASURED": Cell.MEASURED,
}


CAUGHT = (Cell.KILLED, Cell.SHOWN)
"""What counts as caught."""


def cells(report: Mapping[str, Any], measured_by: Mapping[str, str] | None = None) -> dict[str, Cell]:
    """Return requirement -> how it judged the fault, from a run's conformance.yaml as data.

    ``measured_by`` is requirement -> what one of its measures has to say for the fault to be shown.
    """
    found, shows = {}, measured_by or {}
    for row in report["requirements"]:
        cell = _STATUS.get(row["status"], Cell.NOT_RUN)
        if any(case["outcome"] == "harness-error" for case in row["cases"]):
            cell = Cell.HARNESS_ERROR
        elif cell is Cell.MEASURED and row["id"] in shows:
            said = [str(measure["value"]) for measure in row["measures"]]
            cell = Cell.SHOWN if any(shows[row["id"]] in value for value in said) else cell
        found[row["id"]] = cell
    return found


@dataclass(frozen=True, slots=True)
class Cost:
    """What runs took: wall time, and the processor time of the suite and its cluster, both in seconds."""

    seconds: float
    processor: float

    def __add__(self, other: Cost) -> Cost:
        """Return what both took."""
        return Cost(self.seconds + other.seconds, self.processor + other.processor)


@dataclass(frozen=True, slots=True)
class Trial:
    """One suite run with one deliberate fault, or one benign variant, in the cluster.

    ``caught_by`` must object (for a benign variant: nothing may, and it is empty). ``asked`` were selected. ``fired``
    tells whether the run's histories hold the fault's mark. ``error`` is one line if the run left no report. ``runs``
    is how often it was run. ``said`` is what Envoy's log tells of an error in the fault's own Lua, "" if nothing.
    ``failure_mode`` is its number in docs/failure-modes.md, if it stands for one. An ``accident`` takes evidence away,
    so that requirements may be unsure.
    """

    id: str
    sentence: str
    where: str
    source: str
    kind: Literal["mutant", "benign"]
    caught_by: tuple[str, ...]
    asked: tuple[str, ...]
    cells: Mapping[str, Cell]
    fired: bool
    cost: Cost
    error: str = ""
    runs: int = 1
    said: str = ""
    failure_mode: int | None = None
    accident: bool = False

    def cell(self, requirement: str) -> Cell:
        """Return how a requirement judged it; a run that left no report is an error of all that were asked."""
        if self.error and requirement in self.asked:
            return Cell.HARNESS_ERROR
        return self.cells.get(requirement, Cell.NOT_RUN)


class Kind(StrEnum):
    """What can be wrong with a matrix, the gravest first."""

    SURVIVOR = "survivor"
    INCONCLUSIVE = "only inconclusive"
    OBJECTION = "benign objection"
    UNFIRED = "did not fire"
    HARNESS_ERROR = "harness error"
    NOT_JUDGED = "not judged"
    UNKILLED = "MUST that catches no fault"
    STOPPED = "stopped early"
    UNEXPECTED = "unexpected kill"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the matrix is not clean, in one line; ``fatal`` ones fail the run."""

    kind: Kind
    said: str
    fatal: bool = True


@dataclass(frozen=True, slots=True)
class KillMatrix:
    """All trials. ``with_cases`` are the requirements that some case proves; ``whole``: every mutant was to be run.

    ``left`` counts the runs that were not made any more.
    """

    catalogue: Catalogue
    with_cases: frozenset[str]
    trials: tuple[Trial, ...]
    seconds: float
    whole: bool
    left: int = 0

    @property
    def mutants(self) -> tuple[Trial, ...]:
        """The trials of faults."""
        return tuple(trial for trial in self.trials if trial.kind == "mutant")

    @property
    def benign(self) -> tuple[Trial, ...]:
        """What became of each variant that nothing may object to: of all its runs, the worst."""
        runs: dict[str, list[Trial]] = {}
        for trial in self.trials:
            if trial.kind == "benign":
                runs.setdefault(trial.id, []).append(trial)
        return tuple(_worst(trials) for trials in runs.values())

    @property
    def processor(self) -> float:
        """The processor seconds of all runs."""
        return sum(trial.cost.processor for trial in self.trials)

    @property
    def columns(self) -> tuple[str, ...]:
        """The requirements that any trial asked, in the catalogue's order."""
        asked = {requirement for trial in self.trials for requirement in trial.asked}
        return tuple(requirement.id for requirement in self.catalogue if requirement.id in asked)

    def caught(self, trial: Trial) -> bool:
        """Whether a mutant is caught: all who must object do, and those that only observe show it."""
        return bool(trial.caught_by) and all(trial.cell(name) in CAUGHT for name in trial.caught_by)

    @property
    def score(self) -> tuple[int, int]:
        """How many mutants are caught, having fired, and how many there are."""
        return sum(trial.fired and self.caught(trial) for trial in self.mutants), len(self.mutants)

    @property
    def failure_modes(self) -> dict[int, bool]:
        """Of each number of docs/failure-modes.md that a trial stands for: whether all is well with these trials.

        That is: a mutant of it fired and is caught; a benign variant (a mode that is legitimate) is not objected to.
        """
        well: dict[int, bool] = {}
        for trial in (*self.mutants, *self.benign):
            if trial.failure_mode is not None:
                good = not any(problem.fatal for problem in problems_of(trial))
                well[trial.failure_mode] = well.get(trial.failure_mode, True) and good
        return dict(sorted(well.items()))

    @property
    def unkilled(self) -> tuple[str, ...]:
        """The MUSTs with a case that no mutant of this matrix is killed by, but for those that take an account."""
        killers = {name for trial in self.mutants for name in trial.asked if trial.cell(name) is Cell.KILLED}
        return tuple(
            requirement.id
            for requirement in self.catalogue
            if requirement.level is Level.MUST
            and requirement.id in self.with_cases
            and requirement.id not in killers
            and not self.catalogue.by_account.issuperset(requirement.profiles)
        )

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong, the gravest kind first; unexpected kills are shown and fail nothing."""
        told = [problem for trial in self.trials for problem in problems_of(trial)]
        if self.left:
            told.append(Problem(Kind.STOPPED, f"{self.left} of {self.left + len(self.trials)} runs were not made"))
        elif self.whole:
            told += [Problem(Kind.UNKILLED, f"{name}: {self.catalogue[name].title}") for name in self.unkilled]
        times = Counter(told)
        order = list(Kind)
        return tuple(
            replace(problem, said=f"{problem.said} ({count} times)") if count > 1 else problem
            for problem, count in sorted(times.items(), key=lambda item: order.index(item[0].kind))
        )

    @property
    def clean(self) -> bool:
        """Whether nothing fatal is wrong."""
        return not any(problem.fatal for problem in self.problems)

    def data(self) -> dict[str, Any]:
        """Return the matrix as plain data, what is wrong first. ``seconds`` are wall time."""
        caught, of = self.score
        return {
            "clean": self.clean,
            "problems": [{"kind": p.kind.value, "said": p.said, "fatal": p.fatal} for p in self.problems],
            "score": {"caught": caught, "of": of},
            "benign_runs": sum(trial.runs for trial in self.benign),
            "whole": self.whole and not self.left,
            "seconds": round(self.seconds, 1),
            "processor_seconds": round(self.processor, 1),
            "musts_that_nothing_kills": list(self.unkilled),
            "failure_modes": {
                "caught": [number for number, good in self.failure_modes.items() if good],
                "not_caught": [number for number, good in self.failure_modes.items() if not good],
            },
            "trials": [_data(trial) for trial in (*self.mutants, *self.benign)],
        }


def problems_of(trial: Trial) -> Iterator[Problem]:
    """Yield what is wrong with one trial."""
    if trial.kind == "mutant":
        yield from _not_caught(trial)
    else:
        yield from _objections(trial)
    if not trial.fired and not trial.error:
        why = f"; {trial.said}" if trial.said else ""
        yield Problem(Kind.UNFIRED, f"{trial.id}: no history of its run holds its mark{why}")


_WRONG = {
    Cell.INCONCLUSIVE: Kind.INCONCLUSIVE,
    Cell.HARNESS_ERROR: Kind.HARNESS_ERROR,
    Cell.NOT_RUN: Kind.NOT_JUDGED,
}


def _not_caught(trial: Trial) -> Iterator[Problem]:
    if trial.error:
        yield Problem(Kind.HARNESS_ERROR, f"{trial.id}: {trial.error}")
        return
    if not trial.caught_by:
        yield Problem(Kind.SURVIVOR, f"{trial.id}: no requirement is said to catch it")
    for name in trial.caught_by:
        cell = trial.cell(name)
        if cell is Cell.NOT_APPLICABLE:
            yield Problem(Kind.NOT_JUDGED, f"{trial.id} under {name}: {cell}")
        elif cell not in CAUGHT:
            yield Problem(_WRONG.get(cell, Kind.SURVIVOR), f"{trial.id} under {name}: {cell}")
    beside = [name for name in trial.asked if name not in trial.caught_by]
    broken = [name for name in beside if trial.cell(name) is Cell.HARNESS_ERROR]
    killers = [name for name in beside if trial.cell(name) is Cell.KILLED]
    if broken:
        yield Problem(Kind.HARNESS_ERROR, f"{trial.id} under its neighbours {', '.join(broken)}")
    if killers:
        yield Problem(Kind.UNEXPECTED, f"{trial.id} under {', '.join(killers)}", fatal=False)


def _objections(trial: Trial) -> Iterator[Problem]:
    if trial.error:
        yield Problem(Kind.HARNESS_ERROR, f"{trial.id} (benign): {trial.error}")
        return
    for name in trial.asked:
        cell = trial.cell(name)
        if cell is Cell.KILLED:
            yield Problem(Kind.OBJECTION, f"{trial.id} under {name}: a legitimate difference")
        elif cell in _WRONG:
            fatal = not (trial.accident and cell is Cell.INCONCLUSIVE)
            yield Problem(_WRONG[cell], f"{trial.id} (benign) under {name}: {cell}", fatal=fatal)


_GRAVEST = (
    Cell.KILLED,
    Cell.SHOWN,
    Cell.HARNESS_ERROR,
    Cell.INCONCLUSIVE,
    Cell.NOT_RUN,
    Cell.NOT_APPLICABLE,
    Cell.MEASURED,
    Cell.SURVIVED,
)


def _worst(trials: list[Trial]) -> Trial:
    """Return several runs of one benign variant as one: each requirement's worst, the cost of all."""
    return replace(
        trials[0],
        cells={name: min((trial.cell(name) for trial in trials), key=_GRAVEST.index) for name in trials[0].asked},
        fired=all(trial.fired for trial in trials),
        cost=sum((trial.cost for trial in trials), Cost(0.0, 0.0)),
        error=next((trial.error for trial in trials if trial.error), ""),
        runs=len(trials),
    )


def _data(trial: Trial) -> dict[str, Any]:
    return {
        "id": trial.id,
        "kind": trial.kind,
        "sentence": trial.sentence,
        "where": trial.where,
        "source": trial.source,
        "failure_mode": trial.failure_mode,
        "caught_by": list(trial.caught_by),
        "fired": trial.fired,
        "runs": trial.runs,
        "seconds": round(trial.cost.seconds, 1),
        "processor_seconds": round(trial.cost.processor, 1),
        "error": trial.error,
        "cells": {name: trial.cell(name).value for name in trial.asked},
    }
