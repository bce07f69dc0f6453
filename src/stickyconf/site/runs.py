"""Runs found on disk, and the editions they judged: what a column of the matrix is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from stickyconf.model.known import KnownState
from stickyconf.reporting.implementation import UNKNOWN, parts
from stickyconf.reporting.layout import LATEST
from stickyconf.reporting.readback import ReportError, read_report


@dataclass(frozen=True)
class StoredRun:
    """One run on disk. ``folder`` is None if only its conformance.yaml was given."""

    report: Mapping[str, Any]
    folder: Path | None

    @property
    def id(self) -> str:
        """The run's name, which is its folder's."""
        return str(self.report["run"]["id"])

    @property
    def started(self) -> datetime:
        """When it began, UTC."""
        return datetime.fromisoformat(self.report["run"]["started"])

    @property
    def result(self) -> str:
        """``conformant``, ``partial`` or ``not conformant``."""
        return str(self.report["result"])

    @property
    def embedded(self) -> bool:
        """Whether the stand-in was judged, not Kong."""
        return bool(self.report["implementation"]["kind"] != "Kong")

    @property
    def about(self) -> tuple[str, ...]:
        """Of which of Kong's parts the run says something. Reports of before this was told apart say all or nothing."""
        said = self.report["implementation"]
        whole = ("Kong Gateway", "Kong Ingress Controller") if said["says_something_about_kong"] else ()
        return tuple(said.get("says_something_about", whole))

    @property
    def implementation(self) -> str:
        """Who was under test, in one line."""
        return str(self.report["implementation"]["name"])

    @property
    def mutant(self) -> str:
        """The deliberate fault or difference in force, "" for none."""
        return str(self.report["run"]["mutant"])

    @property
    def harmless(self) -> bool:
        """Whether that is a legitimate difference. Reports of before this was recorded count as faults."""
        return bool(self.report["run"].get("harmless"))

    @property
    def filtered(self) -> bool:
        """Whether cases were left out on purpose."""
        return bool(self.report["run"]["filtered"])

    @cached_property
    def rows(self) -> dict[str, Mapping[str, Any]]:
        """The report's requirements by id; ``known`` says of a violation that it is a known one, and why."""
        known = {
            one["requirement"]: f"known until {one['expires']}: {one['reason']} ({one['link']})"
            for one in self.report.get("known_violations", ())
            if one["state"] == KnownState.OCCURS
        }
        return {row["id"]: row | {"known": known.get(row["id"], "")} for row in self.report["requirements"]}

    @cached_property
    def versions(self) -> dict[str, str]:
        """``Kong``, ``KIC`` and ``Kubernetes``, each with its version or UNKNOWN."""
        return parts(self.report["implementation"]["versions"])


@dataclass(frozen=True)
class Edition:
    """What was judged, told apart by implementation, versions and deliberate fault; its runs, the newest first."""

    runs: tuple[StoredRun, ...]

    @cached_property
    def shown(self) -> StoredRun:
        """The run that stands for the edition: the newest that left nothing out, else the newest."""
        return next((run for run in self.runs if not run.filtered), self.runs[0])

    @property
    def earlier(self) -> tuple[StoredRun, ...]:
        """The other runs, the newest first."""
        return tuple(run for run in self.runs if run is not self.shown)

    @property
    def fault(self) -> str:
        """What was done to the stand-in on purpose, in words; "" for nothing."""
        run = self.shown
        return f"{'harmless difference' if run.harmless else 'deliberate fault'}: {run.mutant}" if run.mutant else ""

    @cached_property
    def name(self) -> str:
        """The edition in one line, the same in every part of the site."""
        run = self.shown
        if run.embedded:
            return f"{run.implementation}, {self.fault}" if self.fault else run.implementation
        told = ", ".join(f"{part} {version}" for part, version in run.versions.items() if version != UNKNOWN)
        return " ".join(part for part in (told or run.implementation, f"({self.fault})" if self.fault else "") if part)


def find_runs(places: Sequence[Path]) -> list[StoredRun]:
    """Read runs: each place is a run's folder, a conformance.yaml, or a folder of runs.

    A folder of runs is searched one level deep; a folder in it without conformance.yaml is no run (it still
    runs, or was stopped). Raises ReportError for a place that holds no run, and for a report that cannot be read.
    """
    found: dict[str, StoredRun] = {}
    for place in places:
        files = _reports(place)
        if not files:
            raise ReportError(f"{place}: no run has left a report there; make one first: tox")
        for file in files:
            run = StoredRun(read_report(file), file.parent if file.name == "conformance.yaml" else None)
            found.setdefault(run.id, run)
    return sorted(found.values(), key=lambda run: (run.started, run.id))


def editions(runs: Iterable[StoredRun]) -> list[Edition]:
    """Group runs by what they judged: Kong before stand-ins, no deliberate fault before one, the newest first."""
    groups: dict[tuple[Any, ...], list[StoredRun]] = {}
    for run in runs:
        versions = run.report["implementation"]["versions"].items()
        parts = tuple(sorted((part, version) for part, version in versions if part != "stickyconf"))
        groups.setdefault((run.implementation, run.embedded, run.mutant, parts), []).append(run)
    found = [Edition(tuple(sorted(group, key=lambda run: run.started, reverse=True))) for group in groups.values()]
    return sorted(found, key=_rank, reverse=True)


def _rank(edition: Edition) -> tuple[Any, ...]:
    run = edition.shown
    numbers = () if run.embedded else tuple(_numbers(version) for version in run.versions.values())
    return (not run.embedded, not run.mutant, not run.filtered, numbers, run.started)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("@")[0])[:4])


def _reports(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    own = place / "conformance.yaml"
    if own.is_file():
        return [own]
    if not place.is_dir():
        raise ReportError(f"{place}: there is no such file or folder; give a run's folder or a folder of runs")
    return sorted(
        report for report in place.glob("*/conformance.yaml") if report.parent.name != LATEST and report.is_file()
    )
