"""The conformance report: conformance.yaml for machines, conformance.md for people, both of one assessment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from stickyconf.checks import figures
from stickyconf.model import Catalogue, Finding, Level, Measure
from stickyconf.model.known import KnownState, KnownViolation
from stickyconf.model.run import CaseResult, Run
from stickyconf.plainyaml import DUMPER
from stickyconf.ports import HarnessError
from stickyconf.reporting import markdown
from stickyconf.reporting.assessment import Assessed, Profile, Standing, assess
from stickyconf.reporting.redaction import redact, redact_data
from stickyconf.reporting.schema import API_VERSION, KIND, complaint
from stickyconf.stats import Figures

_JUDGED = (
    Standing.CONFORMS,
    Standing.VIOLATES,
    Standing.INCONCLUSIVE,
    Standing.NOT_APPLICABLE,
    Standing.UNJUDGED,
)
_MEASURED = (Standing.MEASURED, Standing.INCONCLUSIVE, Standing.NOT_APPLICABLE, Standing.UNJUDGED)


def build(run: Run, catalogue: Catalogue) -> dict[str, Any]:
    """Return the report as plain data, its keys and lists in an order that depends on the run and catalogue alone.

    Durations are seconds. Credentials are taken out.
    """
    assessment = assess(run, catalogue)
    alpha = {identifier: run.alpha[identifier] for identifier in sorted(run.alpha)}
    report = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "notices": list(assessment.notices),
        "result": assessment.result.value,
        "implementation": {
            "name": assessment.implementation.told,
            "kind": assessment.implementation.kind,
            "gateway": assessment.implementation.gateway,
            "controller": assessment.implementation.controller,
            "says_something_about_kong": not (run.embedded or run.mutant),
            "says_something_about": [] if run.mutant else list(assessment.implementation.about),
            "target": run.target,
            "versions": dict(sorted(run.versions.items())),
        },
        "run": {
            "id": run.id,
            "started": run.started,
            "duration": round(run.duration, 1),
            "suite": run.suite,
            "profiles": list(run.profiles),
            "strict": run.strict,
            "filtered": run.filtered,
            "rejudged": run.rejudged,
            "mutant": run.mutant,
            "harmless": run.harmless,
            "seed": run.seed,
            "requests": run.requests,
        },
        "suite": {"version": run.suite, "commit": run.commit, "dirty": run.dirty},
        "reproduce": {"command": run.command, "seed": run.seed, "suite": run.suite},
        "causes": [
            {"requirement": cause.row.requirement.id, "followed_by": _ids(cause.followers)}
            for cause in assessment.causes
        ],
        "profiles": [_profile(profile) for profile in assessment.profiles],
        "requirements": [_requirement(row) for row in assessment.rows],
        "known_violations": [_known(one, state) for one, state in assessment.known],
        "error_budget": {"sum": sum(alpha.values()), "alpha": alpha},
        "statistics": [_figures(row) for row in figures()],
        "budgets": {name: run.budgets[name] for name in sorted(run.budgets)},
    }
    clean: dict[str, Any] = redact_data(report)
    return clean


def write(run: Run, catalogue: Catalogue, directory: Path) -> Path:
    """Write conformance.yaml and conformance.md into a directory and return the first one's path.

    Raises HarnessError, and writes nothing, if the report would break its own schema.
    """
    report = build(run, catalogue)
    _validate(report)
    said = "".join(f"# {notice}\n" for notice in report["notices"])
    text = yaml.dump(report, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)
    path = directory / "conformance.yaml"
    _write(path, said + text)
    # A table cell stands apart from its name, so versions are looked at while they are still data.
    shown = replace(run, versions=report["implementation"]["versions"])
    _write(path.with_suffix(".md"), redact(markdown.render(shown, assess(shown, catalogue))))
    return path


def _validate(report: dict[str, Any]) -> None:
    wrong = complaint(report)
    if wrong:
        raise HarnessError(f"the report would break its own schema at {wrong}")


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.partial")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def _profile(profile: Profile) -> dict[str, Any]:
    binding = (Level.MUST, Level.SHOULD)
    counts = {
        level.value: {
            standing.value.lower(): len(profile.of(standing, level))
            for standing in (_MEASURED if level is Level.OBSERVE else _JUDGED)
        }
        for level in Level
    }
    return {
        "name": profile.name,
        "result": profile.result.value,
        "statistics": counts,
        "violated": _ids(profile.of(Standing.VIOLATES, *binding)),
        "inconclusive": _ids(profile.of(Standing.INCONCLUSIVE, *binding)),
        "not_applicable": _ids(profile.of(Standing.NOT_APPLICABLE, *binding)),
        "unjudged": _ids(profile.of(Standing.UNJUDGED, *binding)),
    }


def _ids(rows: tuple[Assessed, ...]) -> list[str]:
    return [row.requirement.id for row in rows]


def _requirement(row: Assessed) -> dict[str, Any]:
    requirement = row.requirement
    return {
        "id": requirement.id,
        "level": requirement.level.value,
        "title": requirement.title,
        "profiles": list(requirement.profiles),
        "status": row.standing.value,
        "reason": row.reason,
        "follows_from": list(row.follows),
        "because": row.because,
        "duration": round(row.duration, 2),
        "findings": [_finding(finding) for finding in row.findings],
        "measures": [_measure(measure) for measure in (row.verdict.measures if row.verdict else ())],
        "histories": [name for name in (row.verdict.histories if row.verdict else ()) if name],
        "cases": [_case(case) for case in row.cases],
    }


def _known(known: KnownViolation, state: KnownState) -> dict[str, Any]:
    return {
        "requirement": known.requirement,
        "state": state.value,
        "reason": known.reason,
        "link": known.link,
        "expires": known.expires.isoformat(),
        "versions": dict(known.versions),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "expected": finding.expected,
        "actual": finding.actual,
        "place": {"history": finding.place, "exchanges": list(finding.exchanges)},
    }


def _measure(measure: Measure) -> dict[str, Any]:
    return {"name": measure.name, "value": measure.value, "unit": measure.unit}


def _figures(design: Figures) -> dict[str, Any]:
    return {
        "requirement": design.requirement,
        "unit": design.unit,
        "samples": design.samples,
        "alpha": design.alpha,
        "false_alarm": _rounded(design.false_alarm),
        "deviation": design.deviation,
        "power": _rounded(design.power),
    }


def _rounded(probability: float) -> float:
    """Keep what does not depend on the processor."""
    return float(f"{probability:.9g}")


def _case(case: CaseResult) -> dict[str, Any]:
    return {
        "node": case.node,
        "title": case.title,
        "outcome": case.outcome.value,
        "status": case.verdict.status.value if case.verdict else "",
        "error": case.error,
        "duration": round(case.duration, 2),
    }


class _Plain(DUMPER):  # type: ignore[misc]  # which class it is depends on how PyYAML was built
    """Writes what is there, without anchors and references: a reader should not have to look one up."""

    def ignore_aliases(self, data: Any) -> bool:
        """Never refer back."""
        return True
