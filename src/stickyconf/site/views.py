"""What the pages show, worked out before any HTML: the matrix, what is wrong, the measures, the differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from stickyconf.model import Catalogue, Level, Requirement
from stickyconf.reporting.diff import Difference, difference
from stickyconf.reporting.measures import moved, told
from stickyconf.site.runs import Edition, StoredRun
from stickyconf.site.wording import ABSENT, BROKEN, KNOWN, STANDINGS, Mark, mark_of

MOST_FINDINGS = 3
MOST_EXCHANGES = 6
_GRAVE = {"VIOLATES": 0, "INCONCLUSIVE": 1, "UNJUDGED": 2}
_COUNTED = ("CONFORMS", "VIOLATES", "INCONCLUSIVE", "NOT_APPLICABLE", "UNJUDGED", "MEASURED")
Links = Callable[[StoredRun, Mapping[str, Any]], str]
"""From a run and one of its report's requirements to the address of the case that tells most about it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One requirement in one edition. ``said`` is what there is to say in a line, "" for nothing."""

    mark: Mark
    href: str
    said: str


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement in every edition. ``mixed``: the editions do not agree."""

    requirement: Requirement
    cells: tuple[Cell, ...]
    mixed: bool


@dataclass(frozen=True, slots=True)
class Family:
    """The rows of a family that some run judged, and ``silent``: the requirements that none gave a verdict on."""

    id: str
    name: str
    rows: tuple[Row, ...]
    silent: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class Wrong:
    """A requirement that is violated or in doubt in a run, with the first of its findings.

    ``followers``: the ids of those that follow from it; ``because``: from which others it follows, and how that shows.
    """

    row: Mapping[str, Any]
    mark: Mark
    href: str
    binds: bool
    findings: tuple[Mapping[str, Any], ...]
    more: int
    followers: tuple[str, ...] = ()
    because: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """An OBSERVE requirement: each measure's name with its values, one an edition. ``differs`` names those that do."""

    requirement: Requirement
    measures: tuple[tuple[str, tuple[str, ...], bool], ...]


@dataclass(frozen=True, slots=True)
class Count:
    """How many requirements of a run have a standing."""

    mark: Mark
    number: int


@dataclass(frozen=True, slots=True)
class Compared:
    """A difference, and whether it is one of two editions or of two runs of one."""

    found: Difference
    older: Edition
    newer: Edition

    @property
    def same(self) -> bool:
        """Whether both runs judged the same edition."""
        return self.older is self.newer


def matrix(catalogue: Catalogue, columns: Sequence[Edition], link: Links) -> list[Family]:
    """Return the requirement x version matrix, by family, in the catalogue's order."""
    families = []
    for identifier, name in catalogue.families.items():
        rows, silent = [], []
        for requirement in catalogue:
            if requirement.family != identifier:
                continue
            cells = tuple(_cell(edition.shown, requirement, link) for edition in columns)
            if all(cell.mark in (STANDINGS["UNJUDGED"], ABSENT) for cell in cells):
                silent.append(requirement)
            else:
                mixed = len({cell.mark for cell in cells if cell.mark is not ABSENT}) > 1
                rows.append(Row(requirement, cells, mixed))
        if rows or silent:
            families.append(Family(identifier, name, tuple(rows), tuple(silent)))
    return families


def counts(run: StoredRun) -> list[Count]:
    """Return how many requirements came out how, those that none has left out."""
    rows = run.rows.values()
    numbers = {STANDINGS[name]: sum(row["status"] == name and not row["known"] for row in rows) for name in _COUNTED}
    numbers[KNOWN] = sum(bool(row["known"]) for row in rows)
    return [Count(mark, number) for mark, number in numbers.items() if number]


def wrongs(run: StoredRun, link: Links) -> list[Wrong]:
    """Return what is violated or in doubt: what counts before what does under --strict only, the graver first.

    What follows from others comes after that, and what is known last. Older reports have no causes.
    """
    strict = bool(run.report["run"]["strict"])
    followers = {cause["requirement"]: tuple(cause["followed_by"]) for cause in run.report.get("causes", ())}
    found = []
    for row in run.rows.values():
        broken = mark_of(row) is BROKEN
        if row["level"] == Level.OBSERVE or not (broken or row["status"] in ("VIOLATES", "INCONCLUSIVE")):
            continue
        findings = row["findings"] or [{"expected": "a verdict", "actual": row["reason"], "place": None}]
        binds = row["level"] == Level.MUST or strict
        found.append(
            Wrong(
                row,
                mark_of(row),
                link(run, row),
                binds,
                tuple(findings[:MOST_FINDINGS]),
                len(findings[MOST_FINDINGS:]),
                followers.get(row["id"], ()),
                row.get("because", ""),
            )
        )
    return sorted(
        found,
        key=lambda wrong: (
            bool(wrong.row["known"]),
            bool(wrong.because),
            _GRAVE[wrong.row["status"]],
            not wrong.binds,
        ),
    )


def causes(run: StoredRun) -> str:
    """Say how many causes a run's violations have; "" if there is none, or if the report does not say."""
    found = run.report.get("causes", ())
    followers = {name for cause in found for name in cause["followed_by"]}
    if not found:
        return ""
    others = f"; {len(followers)} {'other follows' if len(followers) == 1 else 'others follow'}" if followers else ""
    return f"{len(found)} cause{'s' * (len(found) > 1)}: {', '.join(cause['requirement'] for cause in found)}{others}."


def observed(catalogue: Catalogue, columns: Sequence[Edition]) -> Iterator[Observed]:
    """Yield the OBSERVE requirements that some edition measured, their measures side by side."""
    for requirement in catalogue:
        if requirement.level is not Level.OBSERVE:
            continue
        taken = [told(edition.shown.rows.get(requirement.id, {"measures": ()})["measures"]) for edition in columns]
        names = dict.fromkeys(name for measures in taken for name in measures)
        if names:
            lines = [(name, tuple(measures.get(name, "") for measures in taken)) for name in names]
            shifted = _moved(requirement.id, columns)
            yield Observed(requirement, tuple((name, values, name in shifted) for name, values in lines))


def compared(columns: Sequence[Edition]) -> Compared | None:
    """Compare the newest two editions, or the newest two runs if there is one edition; None for a single run."""
    if len(columns) > 1:
        newer, older = columns[:2]
        return Compared(difference(older.shown.report, newer.shown.report), older, newer)
    if columns and columns[0].earlier:
        edition = columns[0]
        return Compared(difference(edition.earlier[0].report, edition.shown.report), edition, edition)
    return None


def cited(finding: Mapping[str, Any]) -> tuple[str, str]:
    """Return where a finding is proven: the history's name, and the numbers of the exchanges in a few words."""
    place = finding["place"]
    if not place:
        return "", ""
    numbers = ", ".join(f"#{number}" for number in place["exchanges"][:MOST_EXCHANGES])
    more = len(place["exchanges"]) - MOST_EXCHANGES
    return place["history"], f"{numbers} and {more} more" if more > 0 else numbers


def _cell(run: StoredRun, requirement: Requirement, link: Links) -> Cell:
    row = run.rows.get(requirement.id)
    if row is None:
        return Cell(ABSENT, "", "")
    finding = row["findings"][0] if row["findings"] else None
    said = f"expected {finding['expected']}; saw {finding['actual']}" if finding else str(row["reason"])
    if row["known"]:
        said = f"{row['known']}; {said}"
    return Cell(mark_of(row), link(run, row), said)


def _moved(identifier: str, columns: Sequence[Edition]) -> set[str]:
    """Name the measures of a requirement that moved between any edition and the next."""
    names: set[str] = set()
    for newer, older in pairwise(columns):
        old, new = (edition.shown.rows.get(identifier) for edition in (older, newer))
        if old and new and old["measures"] and new["measures"]:
            names |= {shift.name for shift in moved(identifier, old["measures"], new["measures"])}
    return names
