"""Which cases are judged, in which order, and which recordings they need."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stickyconf.model import Catalogue, Requirement
from stickyconf.reporting import allure
from stickyconf.reporting.faults import Faults
from stickyconf.scenarios.recording import Recording, recordings_of

Stored = Callable[[Recording], list[str]]
"""Says which histories of a recording an earlier run, judged again, does not have."""


def subject_of(case: pytest.Item, catalogue: Catalogue) -> Requirement:
    """Return the one requirement a case is bound to; UsageError if it is not bound as it must be."""
    marks = list(case.iter_markers("requirement"))
    if len(marks) != 1:
        raise pytest.UsageError(f"{case.nodeid} is bound to {len(marks)} requirements; give it exactly one")
    identifier = marks[0].args[0]
    if identifier not in catalogue:
        raise pytest.UsageError(f"{case.nodeid} names {identifier}, which the catalogue does not have")
    if not (getattr(case, "function", None) and case.function.__doc__):  # type: ignore[attr-defined]
        raise pytest.UsageError(f"{case.nodeid} has no docstring; let it state the property")
    return catalogue[identifier]


class Selection:
    """Keeps the cases that were chosen. Registered as a plugin only if cases are judged.

    ``profiles``: those that are judged. ``filtered``: some of their cases were left out. ``whole``: of the requirements
    that are judged no case was. ``readers``: how many of the chosen cases still read each recording. ``subjects``: the
    requirements of the cases that read each. ``stored`` and
    ``earlier`` are of a run that is judged again: which histories of a recording it lacks, and the profiles that it
    judged, if known. ``unrecorded``: the histories it lacks, so that the cases that read them are left out.
    """

    def __init__(self, config: pytest.Config, catalogue: Catalogue, faults: Faults) -> None:
        """Take the options, the catalogue, and what notes crashes of reporting."""
        self._config, self._catalogue, self._faults = config, catalogue, faults
        self.profiles: tuple[str, ...] = ()
        self.filtered = False
        self.whole = True
        self.readers: Counter[Recording] = Counter()
        self.subjects: dict[Recording, set[Requirement]] = {}
        self.unrecorded: tuple[str, ...] = ()
        self.stored: Stored | None = None
        self.earlier: tuple[str, ...] = ()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Check that every case is bound to one requirement and says what it holds; keep those that were chosen."""
        option, subjects = self._config.option, {item: subject_of(item, self._catalogue) for item in items}
        covered = {subject.id for subject in subjects.values()}
        for identifier in option.requirement:
            if identifier not in covered:
                raise pytest.UsageError(self._unproved(identifier))
        with_cases = {profile for subject in subjects.values() for profile in subject.profiles}
        for profile in option.profile:
            if profile not in with_cases:
                listed = ", ".join(sorted(with_cases))
                raise pytest.UsageError(f"no case belongs to the profile {profile} yet; there are: {listed}")
        usual = with_cases if option.requirement else with_cases - self._catalogue.on_request
        self.profiles = tuple(p for p in self._catalogue.profiles if p in (set(option.profile) or usual))
        chosen = [
            item
            for item, subject in subjects.items()
            if set(subject.profiles) & set(self.profiles)
            and (not option.requirement or subject.id in option.requirement)
        ]
        if option.requirement:
            self.profiles = tuple(p for p in self.profiles if any(p in subjects[item].profiles for item in chosen))
        lacking = self._without_history(chosen)
        chosen = [item for item in chosen if item not in lacking]
        if lacking and not option.profile:
            then = self.earlier or {profile for item in chosen for profile in subjects[item].profiles}
            self.profiles = tuple(p for p in self.profiles if p in then)
        dropped = [item for item in items if item not in chosen]
        if dropped:
            self._config.hook.pytest_deselected(items=dropped)
        items[:] = _in_order_of_playing(chosen)
        for item in chosen:
            with self._faults.noted(f"Allure's description of {item.name}"):
                allure.describe(item, subjects[item], self._catalogue)
                allure.entitle(item)
        self.whole = not (any(_narrowing(option)) or self._names_files())
        self.filtered = bool(option.requirement or option.keyword or option.markexpr) or self._names_files()
        self.filtered |= any(set(subjects[item].profiles) & set(self.profiles) for item in lacking)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn which recordings are needed, now that no more cases are deselected."""
        self.readers = Counter(recording for item in session.items for recording in recordings_of(item))
        for item in session.items:
            for recording in recordings_of(item):
                self.subjects.setdefault(recording, set()).add(subject_of(item, self._catalogue))
        names: dict[str, Recording] = {}
        for recording in self.readers:
            if names.setdefault(recording.name, recording) is not recording:
                raise pytest.UsageError(f"two recordings are called {recording.name!r}; give each a name of its own")
        # Hide what is imported by now from the garbage collector: pytest alone runs it five times at the end.
        gc.collect()
        gc.freeze()

    def read_by(self, case: pytest.Item) -> list[Recording]:
        """Note that a case has been judged; return the recordings that no case reads any more."""
        recordings = recordings_of(case)
        self.readers.subtract(recordings)
        return [recording for recording in recordings if self.readers[recording] <= 0]

    def _without_history(self, cases: list[pytest.Item]) -> list[pytest.Item]:
        """Return the cases that read what an earlier run, judged again, did not record; note what that is.

        UsageError if one of them was asked for by its requirement, or if no case is left.
        """
        if self.stored is None:
            return []
        gone = {item: [name for one in recordings_of(item) for name in self.stored(one)] for item in cases}
        lacking = [item for item in cases if gone[item]]
        self.unrecorded = tuple(dict.fromkeys(name for item in lacking for name in gone[item]))
        given = self._config.option.rejudge
        if lacking and self._config.option.requirement:
            said = f"it has no history of {', '.join(self.unrecorded)}, which the requirement is read from"
            raise pytest.UsageError(f"--rejudge {given}: {said}")
        if lacking and len(lacking) == len(cases):
            raise pytest.UsageError(f"--rejudge {given}: no case can be judged by the histories in it")
        return lacking

    def _unproved(self, identifier: str) -> str:
        """Say why no case of this run proves a requirement: the selection left it out, or there is no such case."""
        if left_out := ", ".join(_narrowing(self._config.option)) or ("the paths given" if self._names_files() else ""):
            return f"{identifier}: {left_out} left out every case that proves it, if there is one; run without"
        return f"{identifier} is in the catalogue, but no case proves it yet"

    def _names_files(self) -> bool:
        return any("::" in str(argument) or str(argument).endswith(".py") for argument in self._config.args)


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


def _in_order_of_playing(cases: list[pytest.Item]) -> list[pytest.Item]:
    """Sort modules so that those whose recordings are played first are judged first."""
    turns: dict[object, int] = {}
    for case in cases:
        turn = max((recording.turn for recording in recordings_of(case)), default=0)
        turns[case.path] = max(turn, turns.get(case.path, 0))
    return sorted(cases, key=lambda case: turns[case.path])
