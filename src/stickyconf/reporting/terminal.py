"""The end of the terminal's output: what was tested, the result, and what is wrong and where."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from stickyconf.checks.age import AGE_SHOWN
from stickyconf.model import Catalogue, Level
from stickyconf.model.run import Run
from stickyconf.reporting.assessment import (
    LEFT_OUT,
    Assessed,
    Assessment,
    Cause,
    Profile,
    Standing,
    assess,
    by_reason,
    cited,
)
from stickyconf.reporting.redaction import redact
from stickyconf.reporting.tables import aligned

WIDTH = 100
MOST_FINDINGS = 3
_WRONG = (Standing.VIOLATES, Standing.INCONCLUSIVE)
_COUNTED = (
    (Standing.CONFORMS, "conforms"),
    (Standing.VIOLATES, "violates"),
    (Standing.INCONCLUSIVE, "inconclusive"),
    (Standing.NOT_APPLICABLE, "not applicable"),
    (Standing.UNJUDGED, "unjudged"),
)


def lines(run: Run, catalogue: Catalogue) -> list[str]:
    """Return the summary, no line longer than WIDTH columns, nothing shown by colour alone."""
    assessment = assess(run, catalogue)
    blocks: list[list[str]] = [
        _wrapped(f"implementation under test: {assessment.implementation.told}", "  "),
        [line for notice in assessment.notices for line in _wrapped(notice, "")],
        _table(assessment.profiles),
        _causes(assessment.causes),
        *(block for standing in _WRONG for block in _rulings(standing, assessment.of(standing))),
        *_harness_errors(assessment),
        _not_judged(assessment),
        _wrapped(f"{run.requests} requests in {run.duration:.0f} s{_age(run)}, seed {run.seed}", ""),
    ]
    return [redact(line) for line in _spaced(block for block in blocks if block)]


def _age(run: Run) -> str:
    """Say how old sessions were shown to be on their pods; "" if that was not looked at."""
    verdict = run.verdicts().get("AFF-10")
    shown = [measure.value for measure in verdict.measures if measure.name == AGE_SHOWN] if verdict else []
    return f", sessions up to {shown[0]:g} s old" if shown else ""


def bare(run: Run) -> list[str]:
    """Return a line for each case: what is left to say if the summary itself cannot be made."""
    said = [
        f"{case.requirement} {case.verdict.status if case.verdict else 'HARNESS ERROR'} {case.node}"
        f"{f': {case.error}' if case.error else ''}"
        for case in run.cases
    ]
    return [redact(line) for line in said]


def _table(profiles: Iterable[Profile]) -> list[str]:
    rows = [["profile", *(heading for _, heading in _COUNTED), "measured", "result"]]
    for profile in profiles:
        counts = [str(len(profile.of(standing, Level.MUST, Level.SHOULD))) for standing, _ in _COUNTED]
        rows.append([profile.name, *counts, str(len(profile.of(Standing.MEASURED))), profile.result.value])
    return aligned(rows)


def _causes(causes: Sequence[Cause]) -> list[str]:
    """Return a line for each cause, what follows from it beside it; none if nothing is violated."""
    if not causes:
        return []
    heading = f"{len(causes)} cause{'s' * (len(causes) > 1)}:"
    return [heading, *(line for cause in causes for line in _wrapped(f"  {cause.told}", "    "))]


def _rulings(standing: Standing, rows: Sequence[Assessed]) -> Iterator[list[str]]:
    """Yield a block for each requirement that stands for itself, then one for all that follow from the same causes."""
    yield from (_ruling(row) for row in rows if not row.because)
    for because, identifiers in by_reason(rows).items():
        yield _wrapped(f"{standing} {', '.join(identifiers)}: {because}", "  ")


def _ruling(row: Assessed) -> list[str]:
    block = _wrapped(f"{row.standing} {row.requirement.id} ({row.weight}) {row.requirement.title}", "  ")
    for finding in row.findings[:MOST_FINDINGS]:
        block += _wrapped(f"  expected  {finding.expected}", " " * 12)
        block += _wrapped(f"  saw       {finding.actual}", " " * 12)
        block += _wrapped(f"  at        {cited(finding)}", " " * 12)
    if len(row.findings) > MOST_FINDINGS:
        block.append(f"  {len(row.findings) - MOST_FINDINGS} more in the report")
    return block


def _harness_errors(assessment: Assessment) -> Iterator[list[str]]:
    """Yield one block for each error, however many cases it broke: a cluster that died breaks them all."""
    broken: dict[str, list[tuple[str, str]]] = {}
    for row in assessment.rows:
        for case in row.broken:
            broken.setdefault(case.error, []).append((row.requirement.id, case.node))
    for error, places in broken.items():
        identifiers = ", ".join(dict.fromkeys(identifier for identifier, _ in places))
        block = _wrapped(f"HARNESS ERROR {identifiers}: the suite or its environment failed, not what was tested", "  ")
        block += _wrapped(f"  {error}", " " * 4)
        block += _wrapped(f"  at        {places[0][1]}", " " * 12)
        yield block


def _not_judged(assessment: Assessment) -> list[str]:
    block, reasons = [], dict[str, list[str]]()
    for row in assessment.of(Standing.NOT_APPLICABLE):
        reasons.setdefault(row.findings[0].actual, []).append(row.requirement.id)
    for reason, identifiers in reasons.items():
        block += _wrapped(f"not applicable: {', '.join(identifiers)}: {reason}", "  ")
    reasons = {}
    for row in assessment.of(Standing.UNJUDGED):
        if not row.broken:
            reasons.setdefault(row.reason, []).append(row.requirement.id)
    for reason, identifiers in reasons.items():
        # A filter leaves out most on purpose: their number says enough, conformance.yaml has the names.
        left_out = reason == LEFT_OUT
        told = f"{len(identifiers)} requirements" if left_out else ", ".join(identifiers)
        block += _wrapped(f"unjudged ({reason}): {told}", "  ")
    return block


def _wrapped(text: str, indent: str) -> list[str]:
    # Hyphens stand in ids and pod names, which must stay whole to be found again.
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def _spaced(blocks: Iterable[list[str]]) -> Iterator[str]:
    for place, block in enumerate(blocks):
        if place:
            yield ""
        yield from block
