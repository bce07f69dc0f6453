"""What a check says of a history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Status(StrEnum):
    """The four things a verdict can be."""

    CONFORMS = "CONFORMS"
    VIOLATES = "VIOLATES"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_APPLICABLE = "NOT_APPLICABLE"


# The gravest wins when rulings are merged; a requirement that does not apply ranks below everything that was judged.
_GRAVITY = {Status.NOT_APPLICABLE: 0, Status.CONFORMS: 1, Status.INCONCLUSIVE: 2, Status.VIOLATES: 3}


class Sign(StrEnum):
    """What a counter-example looks like, if a fault that another requirement is about can look like that.

    The value completes the sentence "in each counter-example ...". OWN is every other one.
    """

    UNSERVED = "no pod served a request"
    COOKIELESS = "a session was given no cookie"
    STRAY = "a request with its cookie reached another pod"
    OWN = "something that only this requirement is about is wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation or one reason for doubt: what was expected, what was there, and where to look.

    ``exchanges`` are the sequence numbers, within the history, of the exchanges that prove it. ``sign`` is what a
    violation looks like; a doubt has none.
    """

    expected: str
    actual: str
    exchanges: tuple[int, ...] = ()
    place: str = ""
    sign: Sign | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How often an arm shows a sign: ``shown`` of so many requests, or of so many sessions for COOKIELESS."""

    sign: Sign
    arm: str
    shown: int
    of: int


@dataclass(frozen=True, slots=True)
class Measure:
    """A number or a text worth keeping: sample sizes, latencies, observed formats."""

    name: str
    value: float | int | str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A check's answer about one history. ``tallies``: how often that history shows signs, see checks/signs.py."""

    status: Status
    findings: tuple[Finding, ...] = ()
    measures: tuple[Measure, ...] = ()
    tallies: tuple[Tally, ...] = ()

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
        found = tuple(replace(violation, sign=violation.sign or Sign.OWN) for violation in violations)
        unsure = tuple(doubts)
        status = Status.VIOLATES if found else Status.INCONCLUSIVE if unsure else Status.CONFORMS
        return cls(status, found + unsure, tuple(measures))

    def doubted(self, doubts: Sequence[Finding]) -> Ruling:
        """Return the same ruling with more doubts, which come before its own; what conforms is inconclusive then."""
        if not doubts or self.status is Status.NOT_APPLICABLE:
            return self
        violations = tuple(finding for finding in self.findings if finding.sign)
        unsure = tuple(finding for finding in self.findings if not finding.sign)
        status = self.status if self.status is Status.VIOLATES else Status.INCONCLUSIVE
        return replace(self, status=status, findings=(*violations, *doubts, *unsure))

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
    tallies: tuple[Tally, ...] = ()

    @property
    def signs(self) -> frozenset[Sign]:
        """What its counter-examples look like; empty unless it violates."""
        found = frozenset(finding.sign for finding in self.findings if finding.sign)
        return found or frozenset({Sign.OWN} if self.status is Status.VIOLATES else ())

    @classmethod
    def merge(cls, requirement: str, rulings: Iterable[tuple[str, Ruling]]) -> Verdict:
        """Join rulings, each with the name of its history, into one verdict: the gravest status wins."""
        pairs = list(rulings)
        if not pairs:
            raise ValueError(f"{requirement}: no ruling to merge, so nothing was judged")
        status = max((ruling.status for _, ruling in pairs), key=_GRAVITY.__getitem__)
        findings = tuple(replace(f, place=f.place or history) for history, ruling in pairs for f in ruling.findings)
        measures = tuple(measure for _, ruling in pairs for measure in ruling.measures)
        tallies = tuple(tally for _, ruling in pairs for tally in ruling.tallies)
        histories = tuple(dict.fromkeys(history for history, _ in pairs))
        return cls(requirement, status, findings, measures, histories, tallies)

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
