"""Plans the runs of a kill matrix: which requirements judge which fault, so that each run stays short."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from stickyconf.checks import all_checks
from stickyconf.mutants import Mutant
from stickyconf.scenarios.recording import recordings_of

WHOLE_FAMILIES = ("CKE", "AFF", "SPR")
"""Families of which every case judges each benign variant; of the others only some do: see ``judges``."""

NO_JUDGES = frozenset({"AFF-07", "KON-01"})
"""They judge no benign variant: a browser takes as long as all other cases together, and none reports to Konnect."""

Places = Mapping[str, frozenset[str]]
"""Requirement -> the names of the recordings its cases read."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One suite run to be made."""

    subject: Mutant
    kind: Literal["mutant", "benign"]
    asked: tuple[str, ...]

    @property
    def due(self) -> tuple[str, ...]:
        """The requirements that have to object, or to show it if they only observe: none for a benign variant."""
        return self.subject.catchers if self.kind == "mutant" else ()


def plans(mutants: Iterable[Mutant], benign: Iterable[Mutant], places: Places, *, repeat: int = 1) -> list[Plan]:
    """Plan a run for each mutant, and ``repeat`` runs for each benign variant.

    A mutant is judged by those that have to catch it, and by every requirement that reads the same histories, which
    costs nothing. The runs of one variant lie apart, so that those that load the machine do not meet.
    """
    made = [Plan(mutant, "mutant", _neighbourhood(set(mutant.catchers), places)) for mutant in mutants]
    asked = judges(places)
    made += [Plan(variant, "benign", asked) for _ in range(repeat) for variant in benign]
    return made


def judges(places: Places) -> tuple[str, ...]:
    """Return who judges a benign variant: every family that reads traffic, for only those could object.

    Of WHOLE_FAMILIES it is every case; of each other family the cases that read one recording, from which most are
    judged.
    """
    places = {name: histories for name, histories in places.items() if name not in NO_JUDGES}
    readers = {name for check in all_checks().values() if check.arms for name in check.requirements} & set(places)
    chosen: dict[str, str] = {}
    for name in sorted(readers, key=lambda one: (len(places[one]), -len(_neighbourhood({one}, places)), one)):
        chosen.setdefault(name[:3], name)
    beside = {name for family, name in chosen.items() if family not in WHOLE_FAMILIES}
    whole = {name for name in places if name[:3] in WHOLE_FAMILIES}
    return tuple(sorted({*_neighbourhood(beside, places), *whole}))


def _neighbourhood(wanted: Collection[str], places: Places) -> tuple[str, ...]:
    recorded = frozenset[str]().union(*(places.get(name, frozenset()) for name in wanted))
    beside = {name for name, histories in places.items() if histories and histories <= recorded}
    return tuple(sorted(beside | {name for name in wanted if name in places}))


def compact(mutants: Iterable[Mutant], places: Places) -> list[Mutant]:
    """Return one mutant a family of requirements: the one whose catchers need the fewest histories."""
    chosen: dict[str, Mutant] = {}
    for mutant in sorted(mutants, key=lambda one: len(_histories(one, places))):
        if _histories(mutant, places):
            chosen.setdefault(mutant.catchers[0][:3], mutant)
    return list(chosen.values())


def _histories(mutant: Mutant, places: Places) -> frozenset[str]:
    return frozenset[str]().union(*(places.get(name, frozenset()) for name in mutant.catchers))


class _Collected:
    """A pytest plugin that notes which recordings the cases of each requirement read."""

    def __init__(self) -> None:
        self.places: dict[str, frozenset[str]] = {}

    @pytest.hookimpl(tryfirst=True)  # before those of profiles that are judged on request are left out
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            [mark] = item.iter_markers("requirement")
            histories = frozenset(recording.name for recording in recordings_of(item))
            self.places[mark.args[0]] = self.places.get(mark.args[0], frozenset()) | histories


class NoSuite(Exception):
    """The suite cannot be collected here; the message is one line."""


def collected() -> Places:
    """Return what the cases of the suite in the current directory prove, and from which histories; or NoSuite."""
    if not Path("pyproject.toml").is_file():
        raise NoSuite("the suite cannot be collected: there is no pyproject.toml here")
    found, said = _Collected(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = pytest.main(["-c", "pyproject.toml", "-p", "no:cacheprovider", "--collect-only", "-q"], [found])
    if status != pytest.ExitCode.OK:
        lines = [line for line in said.getvalue().splitlines() if line.strip()]
        raise NoSuite(f"the suite cannot be collected: {lines[-1] if lines else status}")
    return found.places
