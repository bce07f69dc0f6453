"""A known violation in every report: it does not fail the run until its date has passed or it no longer occurs."""

import re
from dataclasses import replace
from datetime import date
from xml.etree import ElementTree

import pytest

from stickyconf.cases import Violation, enforce
from stickyconf.model import Status, Verdict
from stickyconf.model.known import KnownState, KnownViolation
from stickyconf.reporting import conformance, junit, terminal
from stickyconf.reporting.assessment import Result, assess
from stickyconf.reporting.schema import complaint
from stickyconf.site.runs import StoredRun
from stickyconf.site.views import counts, wrongs
from tests.reporting.examples import CATALOGUE, ROOT, STRAY, clean, violated

KNOWN = KnownViolation("AFF-01", "sessions stray", "https://example.com/issues/1", date(2026, 11, 24), {"kong": "3.11"})
"""The runs are of 23 November 2026: it expires tomorrow."""

TOLD = "known until 2026-11-24: sessions stray (https://example.com/issues/1)"
ON_THE_LAST_DAY, A_DAY_LATER = "2026-11-24T23:59:59+00:00", "2026-11-25T00:00:00+00:00"


def state(run):
    [(_, found)] = assess(run, CATALOGUE).known
    return found


def test_it_occurs():
    """It is a violation as before, and no reason to fail."""
    run = replace(violated(), known=(KNOWN,))
    assessment = assess(run, CATALOGUE)
    assert assessment.result is Result.NOT_CONFORMANT
    assert assessment.known == ((KNOWN, KnownState.OCCURS),)
    assert not KnownState.OCCURS.fails
    assert f"The violation of AFF-01 is {TOLD}; it does not fail the run." in assessment.notices


def test_its_last_day_and_the_day_after():
    """The clock is the run's: on the last day the violation is accepted, a day later the run fails."""
    run = replace(violated(), known=(KNOWN,))
    assert state(replace(run, started=ON_THE_LAST_DAY)) is KnownState.OCCURS
    late = replace(run, started=A_DAY_LATER)
    assert state(late) is KnownState.EXPIRED
    assert KnownState.EXPIRED.fails
    assert not late.accepted()
    assert any("AFF-01 was accepted until 2026-11-24 only" in line for line in assess(late, CATALOGUE).notices)


def test_it_no_longer_occurs():
    """Then the list is wrong, which is said; unless cases were left out, so that nobody knows."""
    run = replace(clean(), known=(KNOWN,))
    assert state(run) is KnownState.GONE
    assert KnownState.GONE.fails
    assert any("AFF-01 no longer occurs: take it off the list" in line for line in assess(run, CATALOGUE).notices)
    assert state(replace(run, known=(replace(KNOWN, whole=False),))) is KnownState.NOT_JUDGED
    assert state(replace(run, cases=())) is KnownState.NOT_JUDGED


def test_outcome_of_the_case():
    """An accepted violation is an expected failure; an unsure verdict and other requirements are as they were."""
    subject, verdict = CATALOGUE["AFF-01"], Verdict("AFF-01", Status.VIOLATES, (STRAY,), (), ("affinity",))
    with pytest.raises(pytest.xfail.Exception, match=r"^known violation, known until 2026-11-24: sessions stray"):
        enforce(subject, verdict, strict=False, known=KNOWN)
    with pytest.raises(Violation):
        enforce(subject, verdict, strict=False)


def test_report_and_terminal():
    """The report says what became of it; the terminal says it beside the violation."""
    run = replace(violated(), known=(KNOWN,))
    report = conformance.build(run, CATALOGUE)
    assert complaint(report) == ""
    assert report["known_violations"] == [
        {
            "requirement": "AFF-01",
            "state": "occurs",
            "reason": "sessions stray",
            "link": "https://example.com/issues/1",
            "expires": "2026-11-24",
            "versions": {"kong": "3.11"},
        }
    ]
    assert f"VIOLATES AFF-01 (MUST, {TOLD})" in " ".join(" ".join(terminal.lines(run, CATALOGUE)).split())


def test_junit(tmp_path):
    """A known violation is skipped, with the reason; one that lapsed is a failure of its own."""
    junit.write(replace(violated(), known=(KNOWN,)), CATALOGUE, tmp_path / "junit.xml")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()[0]  # noqa: S314 - our own file
    [skipped] = suite.findall("./testcase/skipped[@message]")[:1]
    assert skipped.get("message", "").startswith(TOLD)

    junit.write(replace(clean(), known=(KNOWN,)), CATALOGUE, tmp_path / "junit.xml")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()[0]  # noqa: S314 - our own file
    [failed] = suite.findall("./testcase[@classname='known-violations']")
    assert failed.get("name") == "AFF-01 no longer occurs"
    assert suite.get("failures") == "1"
    assert suite.get("tests") == str(len(suite.findall("testcase")))


def test_site():
    """It has a mark of its own, and stands behind what is wrong and not known."""
    stored = StoredRun(conformance.build(replace(violated(), known=(KNOWN,)), CATALOGUE), None)
    shown = {one.row["id"]: one.mark.word for one in wrongs(stored, lambda *_: "")}
    assert shown["AFF-01"] == "known"
    assert list(shown)[-1] == "AFF-01"
    assert {count.mark.word: count.number for count in counts(stored)}["known"] == 1


def test_allure_category():
    """Allure's configuration tells it from what is not applicable by what the expected failure says."""
    configuration = (ROOT / "reports" / "allure" / "allurerc.mjs").read_text(encoding="utf-8")
    rule = re.search(r'name: "Known violation.*?message: /(.*?)/', configuration, re.DOTALL)
    verdict = Verdict("AFF-01", Status.VIOLATES, (STRAY,), (), ("affinity",))
    with pytest.raises(pytest.xfail.Exception) as caught:
        enforce(CATALOGUE["AFF-01"], verdict, strict=False, known=KNOWN)
    assert rule
    assert re.search(rule[1], str(caught.value))
    assert configuration.index("Known violation") < configuration.index("Not applicable here")
