"""What a check says of a history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """The four things a verdict can be."""

    CONFORMS = "CONFORMS"
    VIOLATES = "VIOLATES"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_APPLICABLE = "NOT_APPLICABLE"


# The gravest wins when rulings are merged; a requirement that does not apply ranks below everything that was judged.
_GRAVITY = {Status.NOT_APPLICABLE: 0, Status.CONFORMS: 1, Status.INCONCLUSIVE: 2, Status.VIOLATES: 3}


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation or one reason for doubt: what was expected, what was there, and where to look.

    ``exchanges`` are the sequence numbers, within the history, of the exchanges that prove it.
    """

    expected: str
    actual: str
    exchanges: tuple[int, ...] = ()
    place: str = ""


@dataclass(frozen=True, slots=True)
class Measure:
    """A number or a text worth keeping: sample sizes, latencies, observed formats."""

    name: str
    value: float | int | str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A check's answer about one history."""

    status: Status
    findings: tuple[Finding, ...] = ()
    measures: tuple[Measure, ...] = ()

    @classmethod
    def of(
        cls,
        violations: Iterable[Finding] = (),
        doubts: Iterable[Finding] = (),
        measures: Iterable[Measure] = (),
    ) -> Ruling:
        """Rule: any violation violates, else any doubt is inconclusive, else it conforms.

        Doubts are kept beside violations: a reader wants to know how much was seen.
        """
        found, unsure = tuple(violations), tuple(doubts)
        status = Status.VIOLATES if found else Status.INCONCLUSIVE if unsure else Status.CONFORMS
        return cls(status, found + unsure, tuple(measures))

    @classmethod
    def not_applicable(cls, reason: str) -> Ruling:
        """Rule that the requirement cannot be asked here, and why."""
        return cls(Status.NOT_APPLICABLE, (Finding("the requirement can be judged here", reason),))


@dataclass(frozen=True, slots=True)
class Verdict:
    """A ruling on a requirement, with the histories it was read from."""

    requirement: str
    status: Status
    findings: tuple[Finding, ...]
    measures: tuple[Measure, ...]
    histories: tuple[str, ...]

    @classmethod
    def merge(cls, requirement: str, rulings: Iterable[tuple[str, Ruling]]) -> Verdict:
        """Join rulings, each with the name of its history, into one verdict: the gravest status wins."""
        pairs = list(rulings)
        if not pairs:
            raise ValueError(f"{requirement}: no ruling to merge, so nothing was judged")
        status = max((ruling.status for _, ruling in pairs), key=_GRAVITY.__getitem__)
        findings = tuple(
            Finding(f.expected, f.actual, f.exchanges, f.place or history)
            for history, ruling in pairs
            for f in ruling.findings
        )
        measures = tuple(measure for _, ruling in pairs for measure in ruling.measures)
        return cls(requirement, status, findings, measures, tuple(dict.fromkeys(history for history, _ in pairs)))

    def told(self, limit: int = 3) -> str:
        """Say the verdict in lines that tell a person what to do: requirement, expected, actual, place."""
        lines = [f"{self.requirement}: {self.status}"]
        for finding in self.findings[:limit]:
            cited = ", ".join(f"#{seq}" for seq in finding.exchanges[:6])
            where = f"{finding.place}:{cited}" if cited else finding.place
            lines.append(f"{self.requirement}: expected {finding.expected}; saw {finding.actual} [{where}]")
        if len(self.findings) > limit:
            lines.append(f"{self.requirement}: and {len(self.findings) - limit} more findings")
        return "\n".join(lines)
