"""The difference of two runs: what is newly wrong, newly right, moved, and what the two do not share."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from stickyconf.model import Finding, Measure, Status
from stickyconf.model.run import Run
from stickyconf.reporting import conformance, diff
from stickyconf.reporting.measures import Moved, moved
from tests.reporting import examples
from tests.reporting.examples import CATALOGUE, STRAY, broke, conforming, judged, run_of, without


def between(older: Run, newer: Run) -> diff.Difference:
    return diff.difference(conformance.build(older, CATALOGUE), conformance.build(newer, CATALOGUE))


def changed(identifier: str, status: Status, *findings: Finding) -> Run:
    return run_of(*without(conforming("core"), identifier), judged(identifier, status, *findings))


def test_a_run_does_not_differ_from_itself() -> None:
    found = between(examples.clean(), examples.clean())

    assert found.regressions == found.violated == found.conforming == found.measures == found.cautions == ()
    assert diff.text(found).splitlines()[-1] == f"no regression ({found.unchanged} requirements unchanged)"


def test_a_new_violation_is_a_regression_and_says_what_was_seen() -> None:
    found = between(examples.clean(), changed("AFF-01", Status.VIOLATES, STRAY))

    [change] = found.regressions
    assert (change.id, change.before, change.after) == ("AFF-01", "CONFORMS", "VIOLATES")
    assert change.why == f"expected {STRAY.expected}; saw {STRAY.actual}"
    assert "newly violated:\n  AFF-01 MUST A session stays on its pod: CONFORMS -> VIOLATES" in diff.text(found)
    assert "regression: AFF-01" in diff.text(found)


def test_what_conforms_again_is_told_and_no_regression() -> None:
    found = between(changed("AFF-01", Status.VIOLATES, STRAY), examples.clean())

    assert [change.id for change in found.conforming] == ["AFF-01"]
    assert not found.regressions


@pytest.mark.parametrize(
    ("identifier", "status", "regressions"),
    [
        ("AFF-01", Status.INCONCLUSIVE, ["AFF-01"]),
        ("AFF-01", Status.NOT_APPLICABLE, []),
        ("SPR-02", Status.INCONCLUSIVE, []),
        ("SPR-02", Status.VIOLATES, ["SPR-02"]),
    ],
)
def test_a_must_that_lost_its_proof_is_a_regression_too(
    identifier: str, status: Status, regressions: list[str]
) -> None:
    found = between(examples.clean(), changed(identifier, status, Finding("enough", "too little")))

    assert [change.id for change in found.regressions] == regressions


def test_a_case_that_broke_is_no_proof() -> None:
    newer = run_of(*without(conforming("core"), "AFF-01"), broke("AFF-01", "HarnessError: the cluster is gone"))

    [change] = between(examples.clean(), newer).regressions

    assert (change.after, change.why) == ("UNJUDGED", "HarnessError: the cluster is gone")


def test_what_was_left_out_on_purpose_is_said_and_no_regression() -> None:
    newer = run_of(*without(conforming("core"), "AFF-01"), filtered=True)

    found = between(examples.clean(), newer)

    assert found.left_out == ("AFF-01",)
    assert not found.regressions
    assert "the newer run was filtered: it left cases out on purpose" in found.cautions
    assert "judged before and left out now: AFF-01" in diff.text(found)


def test_a_profile_that_was_not_run_again_is_left_out() -> None:
    found = between(run_of(*conforming("core"), *conforming("docs"), profiles=("core", "docs")), examples.clean())

    assert "DOC-01" in found.left_out
    assert "different profiles: core, docs, then core" in found.cautions


def test_a_violation_the_older_run_did_not_look_for_is_a_regression() -> None:
    older = run_of(*without(conforming("core"), "AFF-01"), filtered=True)

    [change] = between(older, changed("AFF-01", Status.VIOLATES, STRAY)).regressions

    assert change.before == "UNJUDGED"


def test_other_targets_versions_and_faults_are_said() -> None:
    cautions = between(examples.clean(), replace(examples.on_kong(), mutant="adds_max_age")).cautions

    assert "different targets: embedded stand-in on embedded, then Kong on kind" in cautions
    assert "KIC: none, then 3.5.13" in cautions
    assert "the newer run had a deliberate fault in force: adds_max_age" in cautions


def test_two_runs_in_the_wrong_order_are_noticed() -> None:
    later = replace(examples.clean(), started="2026-11-24T00:00:00+00:00")

    assert any("is the later one" in caution for caution in between(later, examples.clean()).cautions)


def seconds(*values: float | str) -> list[dict[str, object]]:
    return [{"name": "weight 0", "value": value, "unit": "s"} for value in values]


def texts(value: str) -> list[dict[str, object]]:
    return [{"name": "attributes", "value": value, "unit": ""}]


def test_a_duration_moved_when_no_experiment_of_one_run_took_as_long_as_any_of_the_other() -> None:
    assert moved("DRN-14", seconds(0.14, 0.18), seconds(1.2, 2)) == [
        Moved("DRN-14", "weight 0", "0.14 to 0.18 s", "1.2 to 2 s")
    ]
    assert moved("DRN-14", seconds(0.1, 0.9), seconds(0.8, 2)) == []
    assert moved("DRN-14", seconds(0.01), seconds(0.05)) == [], "a twentieth of a second is the clock of a poll"
    assert moved("DRN-14", seconds(0.5, "not seen"), seconds(0.5)) == []
    assert moved("DRN-14", seconds("not seen"), seconds(0.5))[0].before == "not seen s"


def test_a_text_moved_when_it_says_something_else() -> None:
    assert moved("CKE-08", texts("HttpOnly on 84 of 84"), texts("HttpOnly on 90 of 90")) == []
    assert moved("CKE-08", texts("HttpOnly on 84 of 84"), texts("HttpOnly on 8 of 90"))
    assert moved("CKE-08", texts("HttpOnly"), [])[0].after == "not measured"


def test_measured_behaviour_is_compared_for_observe_only() -> None:
    def measuring(identifier: str, length: str) -> Run:
        case = judged(identifier, Status.CONFORMS, measures=(Measure("length", length),))
        return run_of(*without(conforming("core"), identifier), case)

    assert [one.requirement for one in between(measuring("CKE-11", "26"), measuring("CKE-11", "36")).measures] == [
        "CKE-11"
    ]
    assert not between(measuring("AFF-01", "26"), measuring("AFF-01", "36")).measures


def test_what_was_not_measured_again_did_not_move() -> None:
    length = judged("CKE-11", Status.CONFORMS, measures=(Measure("length", "26"),))
    older = run_of(*without(conforming("core"), "CKE-11"), length)

    found = between(older, run_of(*without(conforming("core"), "CKE-11"), filtered=True))

    assert found.measures == ()
    assert found.left_out == ("CKE-11",)


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, Path]:
    """Two runs' folders, the newer one worse."""
    folders = (tmp_path / "older", tmp_path / "newer")
    for folder, run in zip(folders, (examples.clean(), examples.violated()), strict=True):
        folder.mkdir()
        conformance.write(run, CATALOGUE, folder)
    return folders


def test_the_exit_status_tells_a_regression(stored: tuple[Path, Path]) -> None:
    older, newer = stored
    said = io.StringIO()

    assert diff.main(older, newer, said) == 1
    assert diff.main(newer / "conformance.yaml", older, said) == 0
    assert diff.main(older, older, said) == 0
    assert "regression: AFF-01" in said.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file or directory; give a run's folder or its conformance.yaml"),
        ("a: [", "cannot be read: "),
        ("- 1", "no ConformanceReport; give a run's folder or its conformance.yaml"),
        ("kind: ConformanceReport\napiVersion: stickyconf/v9", "written as stickyconf/v9, this version reads"),
        ("kind: ConformanceReport\napiVersion: stickyconf/v1", "breaks the schema at $: "),
    ],
)
def test_what_is_no_report_is_refused_in_one_line(
    content: str | None, said: str, stored: tuple[Path, Path], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.yaml"
    if content is not None:
        bad.write_text(content, encoding="utf-8")
    err = io.StringIO()

    assert diff.main(stored[0], bad, io.StringIO(), err) == 2
    assert f"{bad}: {said}" in err.getvalue()
    assert len(err.getvalue().splitlines()) == 1


def test_a_folder_without_a_report_is_refused(stored: tuple[Path, Path], tmp_path: Path) -> None:
    err = io.StringIO()

    assert diff.main(tmp_path, stored[1], io.StringIO(), err) == 2
    assert f"{tmp_path}: it has no conformance.yaml" in err.getvalue()
