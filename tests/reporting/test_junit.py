"""JUnit XML says of each case which requirement it is about, how binding that is, and what came of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from stickyconf.model import Finding, Measure, Sign, Status
from stickyconf.model.run import Run
from stickyconf.reporting import junit
from tests.reporting import examples
from tests.reporting.examples import CATALOGUE, STRAY, broke, judged, run_of

DOUBT = Finding("at least 2 ready pods", "1", (), "affinity")


def written(run: Run, tmp_path: Path) -> ElementTree.Element:
    junit.write(run, CATALOGUE, tmp_path / "junit.xml")
    return ElementTree.fromstring((tmp_path / "junit.xml").read_bytes())[0]  # noqa: S314 - our own


def properties(element: ElementTree.Element) -> dict[str, str]:
    return {one.attrib["name"]: one.attrib["value"] for one in element.findall("properties/property")}


def test_a_case_carries_requirement_level_verdict_and_measures(tmp_path: Path) -> None:
    suite = written(run_of(judged("AFF-01", Status.CONFORMS, measures=(Measure("under way", 1.5, "s"),))), tmp_path)

    [case] = suite.findall("testcase")
    assert properties(case) == {
        "requirement": "AFF-01",
        "level": "MUST",
        "title": "A session stays on its pod",
        "verdict": "CONFORMS",
        "measure.under way": "1.5 s",
    }
    assert (case.attrib["classname"], case.attrib["name"]) == ("suites.test_aff", "test_aff_01")
    assert properties(suite)["implementation"] == "embedded stand-in (Envoy 1.40.0)"
    assert properties(suite)["version.Kubernetes"] == "v1.34.0+stickyconf"


def test_every_outcome_is_what_a_ci_takes_it_for(tmp_path: Path) -> None:
    cases = [
        judged("AFF-01", Status.VIOLATES, STRAY),
        judged("AFF-02", Status.INCONCLUSIVE, DOUBT),
        judged("SPR-02", Status.VIOLATES, DOUBT),
        judged("CKE-11", Status.VIOLATES, DOUBT),
        judged("DOC-01", Status.NOT_APPLICABLE, Finding("it can be asked", "there is no kubectl")),
        broke("AFF-03", "HarnessError: the cluster is gone"),
    ]

    suite = written(run_of(*cases), tmp_path)

    kinds = {properties(case)["requirement"]: [one.tag for one in case[1:]] for case in suite.findall("testcase")}
    assert kinds == {
        "AFF-01": ["failure"],
        "AFF-02": ["error"],
        "SPR-02": ["skipped"],
        "CKE-11": [],
        "DOC-01": ["skipped"],
        "AFF-03": ["error"],
    }
    counts = [suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["6", "1", "2", "2"]
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.attrib["message"].startswith("AFF-01: expected session pinned-007")


def test_what_follows_from_another_violation_says_so(tmp_path: Path) -> None:
    bare = replace(STRAY, sign=Sign.COOKIELESS)
    suite = written(run_of(judged("CKE-01", Status.VIOLATES, bare), judged("AFF-01", Status.VIOLATES, bare)), tmp_path)

    cause, other = suite.findall("testcase/failure")
    assert cause.attrib["message"].startswith("CKE-01: expected session pinned-007")
    assert other.attrib["message"] == "follows from CKE-01: in each counter-example a session was given no cookie"
    assert "AFF-01: expected session pinned-007" in str(other.text)


def test_a_should_fails_a_strict_run(tmp_path: Path) -> None:
    suite = written(run_of(judged("SPR-02", Status.VIOLATES, DOUBT), strict=True), tmp_path)

    assert suite.find("testcase/failure") is not None


def test_credentials_and_characters_that_xml_cannot_hold_are_taken_out(tmp_path: Path) -> None:
    finding = Finding("a cookie", "value \x00\x1b with Authorization: Bearer hunter2hunter2")

    written(replace(examples.clean(), cases=(judged("AFF-01", Status.VIOLATES, finding),)), tmp_path)

    assert "hunter2" not in (tmp_path / "junit.xml").read_text(encoding="utf-8")
