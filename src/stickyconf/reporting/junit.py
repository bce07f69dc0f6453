"""JUnit XML, for CI systems that show nothing else: one testcase a case, with its requirement, level and verdict."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from stickyconf.model import Catalogue, Level, Status
from stickyconf.model.known import KnownViolation
from stickyconf.model.run import CaseOutcome, CaseResult, Run
from stickyconf.reporting.assessment import assess
from stickyconf.reporting.implementation import Implementation
from stickyconf.reporting.redaction import redact

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


def write(run: Run, catalogue: Catalogue, path: Path) -> None:
    """Write a run's cases as JUnit XML. Durations are seconds.

    ``failure``: the requirement is violated and counts in this run. ``error``: a MUST is inconclusive, or the suite or
    its environment failed. ``skipped``: not applicable, a known violation, or a SHOULD that does not count without
    --strict. A known violation that no longer occurs, or is accepted no longer, is a failure of its own.
    """
    suite = ElementTree.Element(
        "testsuite", {"name": "sticky-session conformance", "timestamp": run.started, "time": f"{run.duration:.1f}"}
    )
    properties = ElementTree.SubElement(suite, "properties")
    facts = {
        "implementation": Implementation.of(run).told,
        "target": run.target,
        "suite": f"stickyconf {run.suite}",
        "seed": str(run.seed),
        "strict": str(run.strict).lower(),
        "filtered": str(run.filtered).lower(),
        "mutant": run.mutant,
        **{f"version.{part}": version for part, version in sorted(run.versions.items())},
    }
    for name, value in facts.items():
        _property(properties, name, value)
    counts = {"failure": 0, "error": 0, "skipped": 0}
    assessment = assess(run, catalogue)
    because = {row.requirement.id: row.because for row in assessment.rows}
    for case in run.cases:
        kind = _case(suite, case, run, catalogue, because[case.requirement])
        if kind:
            counts[kind] += 1
    lapsed = [(one, state) for one, state in assessment.known if state.fails]
    for one, state in lapsed:
        name = f"{one.requirement} {state}"
        made = ElementTree.SubElement(suite, "testcase", {"classname": "known-violations", "name": name, "time": "0"})
        said = _fit(f"the known violation of {name} ({one.told})")
        ElementTree.SubElement(made, "failure", {"message": said, "type": "KnownViolation"}).text = said
        counts["failure"] += 1
    suite.attrib |= {
        "tests": str(len(run.cases) + len(lapsed)),
        "failures": str(counts["failure"]),
        "errors": str(counts["error"]),
        "skipped": str(counts["skipped"]),
    }
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    beside = path.with_name(f".{path.name}.partial")
    ElementTree.ElementTree(root).write(beside, encoding="utf-8", xml_declaration=True)
    beside.replace(path)


def _case(suite: ElementTree.Element, case: CaseResult, run: Run, catalogue: Catalogue, because: str) -> str:
    """Add a testcase and return what became of it: failure, error, skipped, or "" if it passed.

    ``because`` says from which violation it follows, "" if it stands for itself.
    """
    subject = catalogue[case.requirement]
    module, _, function = case.node.partition("::")
    made = ElementTree.SubElement(
        suite,
        "testcase",
        {
            "classname": module.removesuffix(".py").replace("/", "."),
            "name": _fit(function or case.node),
            "time": f"{case.duration:.3f}",
        },
    )
    properties = ElementTree.SubElement(made, "properties")
    said = {"requirement": subject.id, "level": subject.level.value, "title": subject.title}
    said["verdict"] = case.verdict.status.value if case.verdict else "none"
    for name, value in said.items():
        _property(properties, name, value)
    for measure in case.verdict.measures if case.verdict else ():
        _property(properties, f"measure.{measure.name}", f"{measure.value} {measure.unit}".rstrip())
    kind, message, text = _became(case, run.strict, subject.level, run.accepted().get(subject.id))
    if kind:
        message = f"{message.partition(':')[0]}: {because}" if because and kind == "error" else because or message
        element = ElementTree.SubElement(made, kind, {"message": _fit(message)})
        element.text = _fit(text)
        if kind != "skipped":
            element.set("type", "Violation" if kind == "failure" else message.partition(":")[0] or "error")
    return kind


def _became(case: CaseResult, strict: bool, level: Level, known: KnownViolation | None) -> tuple[str, str, str]:
    if case.outcome is CaseOutcome.HARNESS_ERROR or case.verdict is None:
        return "error", f"HarnessError: {case.error}", case.error
    verdict = case.verdict
    if verdict.status is Status.NOT_APPLICABLE:
        return "skipped", verdict.findings[0].actual, ""
    if verdict.status is Status.CONFORMS or level is Level.OBSERVE:
        return "", "", ""
    told = verdict.told(limit=len(verdict.findings))
    first = told.splitlines()[1] if verdict.findings else told
    if known and verdict.status is Status.VIOLATES:
        return "skipped", f"{known.told}: {first}", told
    if level is Level.SHOULD and not strict:
        return "skipped", f"{verdict.status}, counts under --strict only: {first}", told
    if verdict.status is Status.VIOLATES:
        return "failure", first, told
    return "error", f"Inconclusive: {first}", told


def _property(parent: ElementTree.Element, name: str, value: str) -> None:
    ElementTree.SubElement(parent, "property", {"name": _fit(name), "value": _fit(f"{value}")})


def _fit(text: str) -> str:
    """Return a text without credentials, and without the characters XML cannot hold."""
    return _NOT_XML.sub("\ufffd", redact(text))
