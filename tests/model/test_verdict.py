"""Rulings, verdicts and runs: the gravest is what counts."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from stickyconf.model import Finding, Measure, Ruling, Sign, Status, Verdict
from stickyconf.model.catalogue import Catalogue, Level, Requirement
from stickyconf.model.run import CaseOutcome, CaseResult, Run

BROKEN, UNSURE = Finding("one pod", "two", (3, 4)), Finding("100 requests", "7")
RULINGS = {
    Status.NOT_APPLICABLE: Ruling.not_applicable("no kubectl"),
    Status.CONFORMS: Ruling.of(measures=[Measure("n", 1)]),
    Status.INCONCLUSIVE: Ruling.of(doubts=[UNSURE]),
    Status.VIOLATES: Ruling.of([BROKEN], [UNSURE]),
}
GRAVITY = list(RULINGS)


@pytest.mark.parametrize("status", RULINGS)
def test_a_ruling_has_the_status_of_what_it_found(status: Status) -> None:
    assert RULINGS[status].status is status


def test_doubts_are_kept_beside_violations() -> None:
    assert RULINGS[Status.VIOLATES].findings == (replace(BROKEN, sign=Sign.OWN), UNSURE)


@pytest.mark.parametrize(("first", "second"), list(product(RULINGS, repeat=2)))
def test_the_gravest_status_wins_whatever_the_order(first: Status, second: Status) -> None:
    verdict = Verdict.merge("AFF-01", [("one", RULINGS[first]), ("two", RULINGS[second])])

    assert verdict.status is max(first, second, key=GRAVITY.index)
    assert len(verdict.findings) == len(RULINGS[first].findings) + len(RULINGS[second].findings)
    assert verdict.histories == ("one", "two")


def test_findings_name_the_history_they_were_read_from() -> None:
    verdict = Verdict.merge("AFF-01", [("one", RULINGS[Status.VIOLATES]), ("two", RULINGS[Status.INCONCLUSIVE])])

    assert [finding.place for finding in verdict.findings] == ["one", "one", "two"]


def test_nothing_to_merge_is_no_verdict() -> None:
    with pytest.raises(ValueError, match="AFF-01: no ruling to merge"):
        Verdict.merge("AFF-01", [])


def test_a_verdict_says_requirement_expected_actual_and_place() -> None:
    verdict = Verdict.merge("AFF-01", [("drain-1", Ruling.of([BROKEN] * 5))])

    assert verdict.told(limit=1).splitlines() == [
        "AFF-01: VIOLATES",
        "AFF-01: expected one pod; saw two [drain-1:#3, #4]",
        "AFF-01: and 4 more findings",
    ]


def case(requirement: str, status: Status | None) -> CaseResult:
    verdict = Verdict.merge(requirement, [(requirement, RULINGS[status])]) if status else None
    outcome = CaseOutcome.JUDGED if status else CaseOutcome.HARNESS_ERROR
    return CaseResult(f"t::{requirement}", "a case", requirement, outcome, verdict, 0.1, "" if status else "it broke")


def row(identifier: str, *profiles: str) -> Requirement:
    return Requirement(identifier, Level.MUST, "t", "s", "HT", "", "KIC 3.5", profiles, "e")


def run(*cases: CaseResult) -> Run:
    return Run(
        id="r",
        started="2026-01-01T00:00:00+00:00",
        duration=1.0,
        suite="0",
        target="literal",
        implementation="none",
        embedded=False,
        versions={},
        profiles=("core",),
        strict=False,
        filtered=False,
        rejudged="",
        command="pytest",
        seed=1,
        requests=0,
        budgets={},
        alpha={},
        cases=cases,
    )


def test_a_requirement_with_several_cases_gets_the_gravest_of_their_verdicts() -> None:
    verdicts = run(
        case("A-01", Status.CONFORMS), case("A-01", Status.VIOLATES), case("A-02", Status.CONFORMS)
    ).verdicts()

    assert {name: verdict.status for name, verdict in verdicts.items()} == {
        "A-01": Status.VIOLATES,
        "A-02": Status.CONFORMS,
    }
    assert verdicts["A-01"].measures == (Measure("n", 1),)


def test_a_harness_error_is_no_verdict() -> None:
    broken = run(case("A-01", None), case("A-02", Status.INCONCLUSIVE))

    assert set(broken.verdicts()) == {"A-02"}


def test_a_run_knows_the_requirements_of_a_profile() -> None:
    rows = {r.id: r for r in (row("A-01", "core"), row("A-02", "drain", "core"), row("A-03", "drain"))}

    found = run().of_profile(Catalogue(rows, {}, {}), "core")

    assert [requirement.id for requirement in found] == ["A-01", "A-02"]
