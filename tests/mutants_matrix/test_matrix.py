"""How a kill matrix comes about: which requirements judge which fault, whether it fired, and one real small run."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stickyconf.checks import all_checks
from stickyconf.model import Happening
from stickyconf.mutants import mutants
from stickyconf.mutants.matrix.kills import Cell, Cost
from stickyconf.mutants.matrix.planning import (
    NO_JUDGES,
    WHOLE_FAMILIES,
    Places,
    Plan,
    compact,
    judges,
    plans,
)
from stickyconf.mutants.matrix.runs import exit_status, fired, main, read_trial
from tests.histories import affinity, edits
from tests.mutants_matrix.test_kills import matrix, trial

ROOT = Path(__file__).parents[2]
MUTANT = mutants()["sets_a_wrong_path"]
PLACES: Places = {
    "CKE-01": frozenset({"test_cookie.py:history"}),
    "CKE-02": frozenset({"test_cookie.py:history", "test_cookie.py:other_path"}),
    "CKE-09": frozenset({"test_cookie.py:history"}),
    "SPR-01": frozenset({"test_spread.py:history"}),
    "DRN-01": frozenset({"test_drain.py:drains"}),
    "DRN-12": frozenset({"test_drain.py:scaled_down"}),
    "DRN-14": frozenset({"test_drain.py:drains", "test_drain.py:scaled_down"}),
}


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def places() -> Places:
    """The real suite's, collected by a process of its own, as pytest does not like to run inside of itself."""
    program = (
        "import json; from stickyconf.mutants.matrix.planning import collected; "
        "print(json.dumps({name: sorted(histories) for name, histories in collected().items()}))"
    )
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name: frozenset(histories) for name, histories in json.loads(said.stdout).items()}


# Who judges what.


def test_a_mutant_is_judged_by_its_catchers_and_by_all_who_read_the_same_histories() -> None:
    [plan] = plans([MUTANT], [], PLACES)

    assert plan.asked == ("CKE-01", "CKE-02", "CKE-09")


def test_of_a_mutant_only_what_its_catchers_read_is_recorded() -> None:
    drained = replace(MUTANT, caught_by=("DRN-12",))

    assert [plan.asked for plan in plans([drained], [], PLACES)] == [("DRN-12",)]


def test_a_benign_variant_is_judged_by_whole_families_and_the_drains_as_often_as_asked() -> None:
    made = plans([], [MUTANT], PLACES, repeat=3)

    assert [plan.asked for plan in made] == [("CKE-01", "CKE-02", "CKE-09", "DRN-01", "SPR-01")] * 3
    assert made[0].due == ()


def test_the_compact_matrix_has_one_mutant_a_family_and_the_cheapest() -> None:
    dear, cheap = (replace(MUTANT, caught_by=names) for names in (("DRN-14",), ("DRN-01",)))

    assert compact([dear, MUTANT, cheap], PLACES) == [cheap, MUTANT]


def test_every_case_of_the_suites_is_found_with_the_histories_it_reads(places: Places) -> None:
    assert places["SPR-01"] == {"spread"}
    assert places["DRN-14"] == {"drain-{number}", "drain-scale"}


def test_every_family_that_could_object_judges_the_benign_variants(places: Places) -> None:
    readers = {name for check in all_checks().values() if check.arms for name in check.requirements}
    asked = judges(places)

    assert {name[:3] for name in asked} >= {name[:3] for name in readers - NO_JUDGES}
    assert {name for name in places if name[:3] in WHOLE_FAMILIES and name not in NO_JUDGES} <= set(asked)
    assert "DRN-01" in asked


def test_every_mutant_has_cases_that_must_catch_it(places: Places) -> None:
    for mutant in mutants().values():
        assert set(mutant.catchers) <= set(places), mutant.id


def test_where_there_is_no_suite_it_says_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main([]) == 2
    assert capsys.readouterr().err.startswith("matrix: the suite cannot be collected")


@pytest.mark.parametrize("arguments", [["--only", "no_such_fault"], ["--jobs", "0"], ["--repeat", "x"]])
def test_bad_input_ends_with_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


# Whether it fired.


def marked(*headers: tuple[str, str]) -> Any:
    history = affinity()
    return edits.edited(
        history,
        edits.nth("pinned", 3),
        lambda e: replace(e, outcome=replace(e.outcome, headers=(*e.outcome.headers, *headers))),  # type: ignore[type-var]
    )


def test_a_marked_response_proves_that_a_fault_fired_and_no_other_does() -> None:
    assert fired([affinity(), marked(("X-Mutant", "forgets"))], "forgets")
    assert not fired([affinity()], "forgets")
    assert not fired([marked(("x-mutant", "forgets_less"))], "forgets")


@pytest.mark.parametrize(
    ("said", "proves"),
    [
        ('{"tags": ["k8s", "mutant:forgets"]}', True),
        ('{"tags": ["mutant:forgets_less"]}', False),
        ("< x-mutant: forgets\r\n", True),
        ("forgets", False),
    ],
)
def test_a_mark_in_what_the_admin_api_or_a_command_said_proves_it_too(said: str, proves: bool) -> None:
    assert fired([edits.plus(affinity(), Happening.UPSTREAM, "up", 1.0, upstream=said)], "forgets") is proves


def test_a_mark_of_a_definition_stands_with_the_versions() -> None:
    touched = edits.arranged(affinity(), versions={"kongupstreampolicies": "stickyconf.test/mutant: forgets"})

    assert fired([touched], "forgets")


# What a run left.


def test_a_run_that_left_nothing_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    plan = Plan(MUTANT, "mutant", ("CKE-02",))
    trial = read_trial(plan, tmp_path, 2, "starting\nno cluster came up\n\n", Cost(3.0, 1.0))

    assert trial.error == "exit status 2, no report: no cluster came up"
    assert trial.cell("CKE-02") is Cell.HARNESS_ERROR
    assert "did not end" in read_trial(plan, tmp_path, None, "", Cost(3.0, 1.0)).error


def test_a_run_tells_that_the_faults_own_script_fails(tmp_path: Path) -> None:
    said = "...\nthe mutant's own script fails: Envoy: script log: nil is no function\n"

    assert (
        read_trial(Plan(MUTANT, "mutant", ("CKE-02",)), tmp_path, 1, said, Cost(3.0, 1.0)).said == said.splitlines()[1]
    )


def test_a_real_run_finds_a_real_fault_and_is_kept_when_the_next_is_stopped(tmp_path: Path) -> None:
    """The whole way: a cluster with a fault in it, judged, and written as a matrix; the fault after it is not tried."""
    command = [sys.executable, "-m", "stickyconf.mutants.matrix", "--jobs", "1", "--out", str(tmp_path), "--only"]
    with subprocess.Popen([*command, MUTANT.id, "adds_max_age"], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert f"[1/2] ✓ {MUTANT.id}: caught by CKE-02" in running.stdout.readline()
        running.terminate()
        told = running.stdout.read()

    assert running.returncode == 130
    assert "stopped early: 1 of 2 runs were not made" in told
    data = json.loads((tmp_path / "kill-matrix.json").read_text())
    [trial] = data["trials"]
    assert (trial["id"], trial["fired"]) == (MUTANT.id, True)
    assert trial["cells"]["CKE-02"] == "killed"
    assert trial["cells"]["CKE-03"] == "survived"
    assert (data["score"], data["whole"]) == ({"caught": 1, "of": 1}, False)
    assert MUTANT.id in (tmp_path / "kill-matrix.md").read_text()
    assert MUTANT.id in (tmp_path / "kill-matrix.html").read_text()


@pytest.mark.parametrize(
    ("seen", "left", "status"), [(Cell.KILLED, 0, 0), (Cell.SURVIVED, 0, 1), (Cell.KILLED, 1, 130)]
)
def test_the_exit_status_says_what_came_of_the_runs(seen: Cell, left: int, status: int) -> None:
    assert exit_status(replace(matrix(trial(seen={"AFF-01": seen})), left=left)) == status
