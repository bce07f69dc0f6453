"""What changed between two runs: two conformance reports in, what is newly wrong, newly right and moved out.

A regression is a MUST or SHOULD that is violated and was not, or a MUST that conformed and is no longer shown to
hold although the newer run tried. What the newer run left out on purpose is named, and is no regression.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from stickyconf.reporting.measures import Moved, moved
from stickyconf.reporting.readback import ReportError, read_report

VIOLATES, CONFORMS, UNJUDGED, NOT_APPLICABLE = "VIOLATES", "CONFORMS", "UNJUDGED", "NOT_APPLICABLE"
ABSENT = "not in the run"
_UNSURE = ("INCONCLUSIVE", UNJUDGED, NOT_APPLICABLE)
SAME, WORSE, BAD_INPUT = 0, 1, 2
"""Exit statuses of ``main``."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs: its id, when it started (ISO 8601), who was under test, and what it came to."""

    run: str
    started: str
    implementation: str
    result: str


@dataclass(frozen=True, slots=True)
class Change:
    """A requirement whose status changed. ``why`` is the newer run's first finding or reason, "" if it has none."""

    id: str
    level: str
    title: str
    before: str
    after: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that changed. Each requirement is in one group at most, in the newer report's order.

    ``unproven`` conformed and is no longer shown to hold: inconclusive, not applicable, or unjudged because a case
    broke. ``other`` changed between statuses that say neither yes nor no, or was a violation and is in doubt now.
    ``left_out`` are ids judged before that the newer run did not try. ``cautions`` say what the two runs do not share.
    """

    older: Side
    newer: Side
    cautions: tuple[str, ...]
    violated: tuple[Change, ...]
    unproven: tuple[Change, ...]
    conforming: tuple[Change, ...]
    other: tuple[Change, ...]
    left_out: tuple[str, ...]
    measures: tuple[Moved, ...]
    unchanged: int

    @property
    def regressions(self) -> tuple[Change, ...]:
        """What makes the newer run worse: new violations of MUST and SHOULD, and MUSTs that lost their proof."""
        broken = [change for change in self.violated if change.level != "OBSERVE"]
        lost = [change for change in self.unproven if change.level == "MUST" and change.after != NOT_APPLICABLE]
        return (*broken, *lost)


def difference(older: Mapping[str, Any], newer: Mapping[str, Any]) -> Difference:
    """Compare two parsed conformance.yaml, as ``read_report`` returns them."""
    before = {row["id"]: row for row in older["requirements"]}
    groups: dict[str, list[Change]] = {name: [] for name in ("violated", "unproven", "conforming", "other")}
    left_out, shifts, unchanged = [], [], 0
    for row in newer["requirements"]:
        was = before.pop(row["id"], None)
        old, new = was["status"] if was else ABSENT, row["status"]
        if was is not None and row["level"] == "OBSERVE" and UNJUDGED not in (old, new):
            shifts += moved(row["id"], was["measures"], row["measures"])
        if was is not None and old != UNJUDGED and new == UNJUDGED and not _broke(row):
            left_out.append(row["id"])
        elif old == new or (was is None and new == UNJUDGED):
            unchanged += 1
        else:
            groups[_group(old, new)].append(Change(row["id"], row["level"], row["title"], old, new, _why(row)))
    left_out += [identifier for identifier, row in before.items() if row["status"] != UNJUDGED]
    return Difference(
        older=_side(older),
        newer=_side(newer),
        cautions=tuple(_cautions(older, newer)),
        violated=tuple(groups["violated"]),
        unproven=tuple(groups["unproven"]),
        conforming=tuple(groups["conforming"]),
        other=tuple(groups["other"]),
        left_out=tuple(left_out),
        measures=tuple(shifts),
        unchanged=unchanged,
    )


def text(found: Difference) -> str:
    """Say a difference in lines for a terminal, what is worse first, and end with whether it is a regression."""
    return "\n".join(_lines(found)) + "\n"


def main(older: Path, newer: Path, out: TextIO | None = None, err: TextIO | None = None) -> int:
    """Compare two runs, each given as its folder or its conformance.yaml; print the difference to ``out``.

    Returns the exit status: 1 if the newer run is a regression, 0 if it is none, 2 for input that is no report,
    with one line on ``err`` that says which and why.
    """
    try:
        found = difference(read_report(older), read_report(newer))
    except ReportError as error:
        print(error, file=err or sys.stderr)
        return BAD_INPUT
    print(text(found), end="", file=out or sys.stdout)
    return WORSE if found.regressions else SAME


def _group(old: str, new: str) -> str:
    if new == VIOLATES:
        return "violated"
    if new == CONFORMS:
        return "conforming"
    return "unproven" if old == CONFORMS and new in _UNSURE else "other"


def _broke(row: Mapping[str, Any]) -> bool:
    return any(case["outcome"] != "judged" for case in row["cases"])


def _why(row: Mapping[str, Any]) -> str:
    if row["status"] == CONFORMS:
        return ""
    if row["findings"]:
        first = row["findings"][0]
        return f"expected {first['expected']}; saw {first['actual']}"
    return str(row["reason"])


def _side(report: Mapping[str, Any]) -> Side:
    run = report["run"]
    return Side(run["id"], run["started"], report["implementation"]["name"], report["result"])


def _cautions(older: Mapping[str, Any], newer: Mapping[str, Any]) -> Iterator[str]:
    """Say what the two runs do not share, so that a difference may come from there."""
    was, now = older["implementation"], newer["implementation"]
    if was["target"] != now["target"] or was["kind"] != now["kind"]:
        yield f"different targets: {was['kind']} on {was['target']}, then {now['kind']} on {now['target']}"
    for part in sorted(was["versions"].keys() | now["versions"].keys()):
        one, other = (side["versions"].get(part, "none") for side in (was, now))
        if one != other:
            yield f"{part}: {one}, then {other}"
    one, other = older["run"], newer["run"]
    if set(one["profiles"]) != set(other["profiles"]):
        yield f"different profiles: {', '.join(one['profiles'])}, then {', '.join(other['profiles'])}"
    for which, run in (("older", one), ("newer", other)):
        if run["filtered"]:
            yield f"the {which} run was filtered: it left cases out on purpose"
        if run["mutant"]:
            yield f"the {which} run had a deliberate fault in force: {run['mutant']}"
        if run["rejudged"]:
            yield f"the {which} run judged stored histories again"
    if one["suite"] != other["suite"]:
        yield f"different suites: stickyconf {one['suite']}, then {other['suite']}; a check may have changed"
    if one["strict"] != other["strict"]:
        yield f"only the {'older' if one['strict'] else 'newer'} run was strict"
    if one["started"] > other["started"]:
        yield "the first run given is the later one: what is called newer here is older"


def _lines(found: Difference) -> Iterator[str]:
    for name, side in (("older", found.older), ("newer", found.newer)):
        yield f"{name}: {side.run}, {side.started}, {side.implementation}: {side.result}"
    yield from (f"note: {caution}" for caution in found.cautions)
    yield from _changes("newly violated", found.violated)
    yield from _changes("no longer shown to hold", found.unproven)
    yield from _changes("newly conforming", found.conforming)
    yield from _changes("otherwise changed", found.other)
    if found.measures:
        yield from ("", "measures that moved:")
        yield from (f"  {one.requirement}  {one.name}: {one.before} -> {one.after}" for one in found.measures)
    yield ""
    if found.left_out:
        yield f"judged before and left out now: {', '.join(found.left_out)}"
    regressions = [change.id for change in found.regressions]
    verdict = f"regression: {', '.join(regressions)}" if regressions else "no regression"
    yield f"{verdict} ({found.unchanged} requirements unchanged)"


def _changes(heading: str, changes: Sequence[Change]) -> Iterable[str]:
    if not changes:
        return
    yield from ("", f"{heading}:")
    for change in changes:
        yield f"  {change.id} {change.level} {change.title}: {change.before} -> {change.after}"
        if change.why:
            yield f"      {change.why}"
