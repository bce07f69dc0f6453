from __future__ import annotations

import json
from pathlib import Path

import pytest

from stickyconf.site import results
from stickyconf.site.results import Results, report_id
from stickyconf.site.runs import StoredRun, find_runs
from tests.reporting import examples
from tests.site.made import attachments_of, numbered, stored


@pytest.fixture
def run(tmp_path: Path) -> StoredRun:
    return find_runs([stored(numbered(examples.violated(), 1), tmp_path / "out")])[0]


def written(collected: Results, directory: Path, *, lean: bool = False) -> list[dict[str, object]]:
    assert collected.write(directory, lean=lean)
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(directory.glob("*-result.json"))]


def test_a_copy_is_named_by_its_version_as_label_and_as_parameter(run: StoredRun, tmp_path: Path) -> None:
    """So that two versions are neither mixed up nor taken for retries; the originals stay as they were."""
    collected = Results()
    collected.add(run, "Kong 3.11, KIC 3.5")
    for copy in written(collected, tmp_path / "copies"):
        assert {"name": "version", "value": "Kong 3.11, KIC 3.5"} in copy["labels"]  # type: ignore[operator]
        assert copy["parameters"] == [{"name": "version", "value": "Kong 3.11, KIC 3.5"}]
    assert run.folder
    assert "Kong 3.11, KIC 3.5" not in "".join(
        file.read_text(encoding="utf-8") for file in run.folder.glob("allure-results/*.json")
    )


def test_what_follows_from_another_violation_begins_its_message_with_that(tmp_path: Path) -> None:
    """Allure's categories go by it."""
    collected = Results()
    collected.add(find_runs([stored(numbered(examples.caused(), 1), tmp_path / "out")])[0], "any")
    messages = {
        str(copy["name"]): str(copy["statusDetails"]["message"])  # type: ignore[index]
        for copy in written(collected, tmp_path / "copies")
        if copy["status"] == "failed"
    }

    assert messages["test_aff_01"].startswith("follows from CKE-01: in each counter-example")
    assert messages["test_cke_01"].startswith("CKE-01: VIOLATES")


def test_equal_attachments_share_a_file(run: StoredRun, tmp_path: Path) -> None:
    collected = Results()
    collected.add(run, "any")
    cases = written(collected, tmp_path / "copies")
    assert len(attachments_of(tmp_path / "copies")) == len(cases) > 1
    assert len(list((tmp_path / "copies").glob("*-attachment*"))) == 1


def test_what_is_too_much_is_left_out_and_says_so(
    run: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "LEAN_BYTES", 10)
    collected = Results()
    collected.add(run, "any")
    written(collected, tmp_path / "copies", lean=True)
    (note,) = set(attachments_of(tmp_path / "copies"))
    assert "too much for this report" in (tmp_path / "copies" / note).read_text(encoding="utf-8")


def test_attachments_of_what_went_wrong_are_kept_first() -> None:
    """A violated case keeps a large one when a conforming case loses a small one."""
    attached = {
        "of a pass": results._Attached(b"x" * 110, from_failed_case=False),
        "of a fail": results._Attached(b"x" * 900, from_failed_case=True),
    }
    assert results._affordable(attached, 950) == {"of a fail"}
    assert results._affordable(attached, 1010) == set(attached)


def test_fixtures_are_kept_where_they_took_long_or_something_happened() -> None:
    passed = {"status": "passed", "start": 5000}
    quick, slow = passed | {"name": "quick", "stop": 5999}, passed | {"name": "slow", "stop": 6000}
    broken, told = quick | {"status": "broken"}, quick | {"steps": [{"name": "a step"}]}
    container = {"befores": [quick, slow, broken, told], "afters": [quick]}
    assert results._with_eventful_fixtures(container)
    assert not results._with_eventful_fixtures({"befores": [quick]})
    assert container == {"befores": [slow, broken, told], "afters": []}


def test_cases_are_found_by_their_node_even_with_parameters(run: StoredRun) -> None:
    collected = Results()
    collected.add(run, "any")
    nodes = {case["node"] for row in run.rows.values() for case in row["cases"]}
    assert {node for _, node in collected.cases} == nodes
    assert len(set(collected.cases.values())) == len(nodes)


def test_one_of_several_parameters_is_found_by_its_name() -> None:
    found = [{"fullName": "suites.test_x#test_y", "name": f"test_y[{name}]"} for name in ("a", "b")]
    assert results._result_of("suites/test_x.py::test_y[a]", found) == found[0]
    assert results._result_of("suites/test_x.py::TestZ::test_y[a]", found) is None


def test_the_id_in_the_report_is_the_md5_of_the_results_uuid() -> None:
    """Undocumented, so pinned here for the pinned Allure; test_allure.py asks Allure itself."""
    assert report_id("fd1734f0-cffe-43b1-99a4-39014ee8209a") == "d5a473fcb3afc5386cd6e655c1dacb5c"
