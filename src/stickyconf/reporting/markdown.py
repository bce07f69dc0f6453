"""conformance.md: the verdict first, then what is wrong, then everything else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from stickyconf.checks import figures
from stickyconf.model import Level
from stickyconf.model.run import Run
from stickyconf.reporting.assessment import Assessed, Assessment, Cause, Profile, Standing, by_reason, cited
from stickyconf.stats import SETTLINGS_ALPHA

MOST_FINDINGS = 5


def render(run: Run, assessment: Assessment) -> str:
    """Return the report as Markdown. Durations are seconds."""
    parts = [
        _verdict(run, assessment),
        _causes(assessment.causes),
        _rulings("Violations", assessment.of(Standing.VIOLATES)),
        _rulings("Inconclusive", assessment.of(Standing.INCONCLUSIVE)),
        _harness_errors(assessment.rows),
        _profiles(assessment.profiles),
        _measured(assessment.of(Standing.MEASURED)),
        _tested(run, assessment),
        _statistics(run),
        _reproduce(run),
    ]
    return "\n".join(line for part in parts for line in part)


def summary(run: Run, assessment: Assessment) -> str:
    """Return what a job's summary needs of the report: the verdict and what is wrong; the tables folded away."""
    parts = [
        _verdict(run, assessment),
        _causes(assessment.causes),
        _rulings("Violations", assessment.of(Standing.VIOLATES)),
        _rulings("Inconclusive", assessment.of(Standing.INCONCLUSIVE)),
        _harness_errors(assessment.rows),
        ["<details><summary>Every requirement</summary>", ""],
        _profiles(assessment.profiles),
        ["</details>", ""],
        _reproduce(run),
    ]
    return "\n".join(line for part in parts for line in part)


def _verdict(run: Run, assessment: Assessment) -> Iterator[str]:
    yield f"# Sticky-session conformance{assessment.implementation.title}: {assessment.result}"
    yield ""
    for notice in assessment.notices:
        yield f"> **{_text(notice)}**"
        yield ">"
    yield f"> Implementation under test: {_text(assessment.implementation.told)}"
    yield ""
    for profile in assessment.profiles:
        yield f"- **{profile.name}: {profile.result}**{_why(profile)}"
    yield ""
    counted = sum(row.standing is not Standing.UNJUDGED for row in assessment.rows)
    should = "here too (--strict)" if run.strict else "only under --strict"
    yield (
        f"{counted} requirements were judged or measured on {run.requests} requests in {run.duration:.0f} s. A profile "
        "is conformant when every MUST in it was shown to hold, not conformant when one was violated, and partial "
        f"otherwise. SHOULD counts {should}; OBSERVE is measured and never counts."
    )
    yield ""


def _why(profile: Profile) -> str:
    """Name the requirements that are in the way of a conformant profile, or would be under --strict."""
    standings = (Standing.VIOLATES, Standing.INCONCLUSIVE, Standing.NOT_APPLICABLE, Standing.UNJUDGED)
    groups = ((standing, profile.of(standing, Level.MUST, Level.SHOULD)) for standing in standings)
    said = [f"{_said(standing)} {', '.join(row.requirement.id for row in rows)}" for standing, rows in groups if rows]
    return f": {'; '.join(said)}" if said else ""


def _said(standing: Standing) -> str:
    return standing.value.lower().replace("_", " ")


def _causes(causes: Sequence[Cause]) -> Iterator[str]:
    if not causes:
        return
    yield f"## {len(causes)} cause{'s' * (len(causes) > 1)}"
    yield ""
    for cause in causes:
        yield f"- **{cause.row.requirement.id}** {_text(cause.told.removeprefix(cause.row.requirement.id).strip())}"
    yield ""


def _rulings(heading: str, rows: Sequence[Assessed]) -> Iterator[str]:
    if not rows:
        return
    yield f"## {heading}"
    yield ""
    for row in (row for row in rows if not row.because):
        yield f"### {row.requirement.id} ({row.weight}): {_text(row.requirement.title)}"
        yield ""
        yield _text(row.requirement.statement)
        yield ""
        for finding in row.findings[:MOST_FINDINGS]:
            yield f"- **expected** {_text(finding.expected)}"
            yield f"  <br>**saw** {_text(finding.actual)}"
            yield f"  <br>**at** {_text(cited(finding))}"
        if len(row.findings) > MOST_FINDINGS:
            yield f"- and {len(row.findings) - MOST_FINDINGS} more, in conformance.yaml"
        yield ""
    following = by_reason(rows)
    if following:
        yield "### What follows"
        yield ""
    for because, identifiers in following.items():
        yield f"- {', '.join(identifiers)}: {_text(because)}"
    if following:
        yield ""


def _harness_errors(rows: Iterable[Assessed]) -> Iterator[str]:
    broken = [(row, case) for row in rows for case in row.broken]
    if not broken:
        return
    yield "## Errors of the harness"
    yield ""
    yield "These say nothing about what was tested: the suite or its environment failed, so nothing was judged."
    yield ""
    for row, case in broken:
        yield f"- {row.requirement.id}: {_text(case.error)} (`{case.node}`)"
    yield ""


def _profiles(profiles: Iterable[Profile]) -> Iterator[str]:
    for profile in profiles:
        yield f"## Profile {profile.name}: {profile.result}"
        yield ""
        standings = [standing for standing in Standing if profile.of(standing)]
        levels = [level for level in Level if any(row.requirement.level is level for row in profile.rows)]
        yield from _table(
            ["level", *map(_said, standings)],
            ([level.value, *(str(len(profile.of(standing, level))) for standing in standings)] for level in levels),
        )
        yield ""
        yield from _table(
            ["requirement", "title", "level", "status", "seen", "seconds"],
            (
                [
                    row.requirement.id,
                    _text(row.requirement.title),
                    row.requirement.level.value,
                    _said(row.standing) + _because(row),
                    _seen(row),
                    f"{row.duration:.1f}" if row.cases else "",
                ]
                for row in profile.rows
            ),
        )
        yield ""


def _seen(row: Assessed) -> str:
    """Say on how much the standing rests; what was measured for its own sake has a section of its own."""
    measures = row.verdict.measures if row.verdict and row.standing is not Standing.MEASURED else ()
    return "; ".join(_text(f"{measure.name} {measure.value} {measure.unit}".rstrip()) for measure in measures[:4])


def _because(row: Assessed) -> str:
    if row.standing is Standing.UNJUDGED:
        return f": {_text(row.reason)}"
    if row.standing is Standing.NOT_APPLICABLE:
        return f": {_text(row.findings[0].actual)}"
    return ""


def _measured(rows: Sequence[Assessed]) -> Iterator[str]:
    if not rows:
        return
    yield "## Measured"
    yield ""
    yield "If the documentation is silent or contradicts itself, the behaviour is recorded and not judged."
    yield ""
    for row in rows:
        yield f"### {row.requirement.id}: {_text(row.requirement.title)}"
        yield ""
        yield _text(row.requirement.statement)
        yield ""
        measures = row.verdict.measures if row.verdict else ()
        yield from _table(
            ["measure", "value"],
            ([_text(measure.name), _text(f"{measure.value} {measure.unit}".strip())] for measure in measures),
        )
        yield ""


def _tested(run: Run, assessment: Assessment) -> Iterator[str]:
    yield "## What was tested"
    yield ""
    yield from _table(
        ["part", "version"],
        [
            ["implementation", _text(assessment.implementation.gateway)],
            ["target", run.target],
            *([_text(part), _text(version)] for part, version in sorted(run.versions.items())),
        ],
    )
    yield ""


def _statistics(run: Run) -> Iterator[str]:
    yield "## Statistics"
    yield ""
    yield (
        f"On an implementation that conforms, a run raises a false alarm with a probability of at most "
        f"{sum(run.alpha.values()) + SETTLINGS_ALPHA:.1e}. It is divided over the checks that compare frequencies; if "
        f"alpha is 0, one violation is a fact, and only the power is a matter of chance. {SETTLINGS_ALPHA:.0e} is for "
        "waits that end although a worker of the gateway is late."
    )
    yield ""
    yield from _table(
        ["requirement", "judged by at least", "alpha", "false alarm", "seen", "with probability"],
        (
            [
                design.requirement,
                f"{design.samples} {design.unit}",
                f"{design.alpha:.0e}" if design.alpha else "0",
                f"{design.false_alarm:.1e}" if design.false_alarm else "0",
                design.deviation,
                f"1 - {1 - design.power:.0e}" if design.power < 1 else "1",
            ]
            for design in figures()
        ),
    )
    yield ""


def _reproduce(run: Run) -> Iterator[str]:
    yield "## How to reproduce"
    yield ""
    yield f"With stickyconf {run.suite}:"
    yield ""
    yield "```"
    yield run.command if "--seed" in run.command else f"{run.command} --seed {run.seed}"
    yield "```"
    yield ""
    yield f"Run {run.id}, started {run.started}, took {run.duration:.0f} s."
    yield ""


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heading)} |"
    yield f"|{'---|' * len(heading)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _text(said: str) -> str:
    """Return a quoted text so that Markdown shows it as it is, in one line."""
    escaped = " ".join(said.split()).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    for character in "|*_`[]":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped
