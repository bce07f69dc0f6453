"""What a kill matrix makes of its runs: made-up results in, judgement and pages out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from stickyconf.model.catalogue import load_catalogue
from stickyconf.mutants.matrix.kills import Cell, Cost, KillMatrix, Kind, Trial, cells
from stickyconf.mutants.matrix.tables import html, markdown, verdict

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "requirements.toml")
KILLED, SURVIVED, DOUBT = Cell.KILLED, Cell.SURVIVED, Cell.INCONCLUSIVE


def trial(name: str = "forgets", seen: Mapping[str, Cell] | None = None, **fields: Any) -> Trial:
    """A mutant that AFF-01 has to catch and does, with CKE-01 as its neighbour, but for what is said."""
    seen = {"AFF-01": KILLED, "CKE-01": SURVIVED} if seen is None else seen
    given = {
        "sentence": "It forgets <sessions>.",
        "where": "gateway",
        "source": "EG#1",
        "kind": "mutant",
        "caught_by": ("AFF-01",),
        "asked": tuple(seen),
        "fired": True,
        "cost": Cost(12.3, 4.5),
    }
    return Trial(id=name, cells=seen, **(given | fields))


def variant(name: str = "reissues", seen: Mapping[str, Cell] | None = None, **fields: Any) -> Trial:
    """A benign variant that nothing objects to, but for what is said."""
    return trial(name, seen or {"AFF-01": SURVIVED, "CKE-06": Cell.MEASURED}, kind="benign", caught_by=(), **fields)


def matrix(*trials: Trial, whole: bool = False, with_cases: tuple[str, ...] = ("AFF-01",)) -> KillMatrix:
    return KillMatrix(CATALOGUE, frozenset(with_cases), trials, 60.0, whole)


def test_a_matrix_that_was_stopped_is_neither_whole_nor_clean() -> None:
    made = replace(matrix(trial(), whole=True, with_cases=("AFF-01", "SPR-01")), left=3)

    assert kinds(made) == [Kind.STOPPED]
    assert made.problems[0].said == "3 of 4 runs were not made"
    assert not made.clean
    assert not made.data()["whole"]
    assert verdict(made).startswith("NOT clean: 1 of 1 mutants caught, a part of all mutants")


def test_the_matrix_says_which_failure_modes_are_caught() -> None:
    """One that survives is not; a benign variant stands for one that is legitimate."""
    survivor = trial("survives", {"AFF-01": SURVIVED}, failure_mode=3)
    made = matrix(
        trial(failure_mode=1), trial("again", failure_mode=3), survivor, trial("odd"), variant(failure_mode=30)
    )

    assert made.data()["failure_modes"] == {"caught": [1, 30], "not_caught": [3]}
    told = "Failure modes (docs/failure-modes.md) that are caught: 1, 30 (2). Not caught: 3."
    assert told in markdown(made)
    assert told in html(made)
    assert "EG#1 (failure mode 1)" in markdown(made)


def kinds(made: KillMatrix) -> list[Kind]:
    return [problem.kind for problem in made.problems]


def test_all_caught_and_nothing_legitimate_objected_to_is_clean() -> None:
    made = matrix(trial(), variant(), whole=True)

    assert made.clean
    assert not made.problems
    assert made.score == (1, 1)
    assert verdict(made) == "clean: 1 of 1 mutants caught, 1 benign runs, 60 s, 9 s of processor time"


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        (SURVIVED, Kind.SURVIVOR),
        (DOUBT, Kind.INCONCLUSIVE),
        (Cell.HARNESS_ERROR, Kind.HARNESS_ERROR),
        (Cell.NOT_RUN, Kind.NOT_JUDGED),
        (Cell.MEASURED, Kind.SURVIVOR),
    ],
)
def test_whoever_has_to_catch_a_mutant_and_does_not_fails_the_matrix(cell: Cell, kind: Kind) -> None:
    made = matrix(trial(seen={"AFF-01": cell}))

    assert not made.clean
    assert kinds(made) == [kind]
    assert made.score == (0, 1)


def test_all_who_have_to_catch_it_must() -> None:
    made = matrix(trial(seen={"AFF-01": KILLED, "AFF-02": SURVIVED}, caught_by=("AFF-01", "AFF-02")))

    assert kinds(made) == [Kind.SURVIVOR]
    assert "AFF-02" in made.problems[0].said


def test_a_requirement_that_only_observes_catches_by_showing_the_fault() -> None:
    assert matrix(trial(seen={"CKE-08": Cell.SHOWN}, caught_by=("CKE-08",))).clean
    assert kinds(matrix(trial(seen={"CKE-08": Cell.MEASURED}, caught_by=("CKE-08",)))) == [Kind.SURVIVOR]
    assert not matrix(trial(seen={"CKE-08": DOUBT}, caught_by=("CKE-08",))).clean


@pytest.mark.parametrize(
    ("value", "cell"), [("Same-Site on 3 of 3", Cell.SHOWN), ("none", Cell.MEASURED), (0, Cell.MEASURED)]
)
def test_a_fault_is_shown_where_a_measure_says_so(value: str | int, cell: Cell) -> None:
    measures = [{"name": "misspelt", "value": value, "unit": ""}]
    row = {"id": "CKE-08", "status": "MEASURED", "cases": [{"outcome": "judged"}], "measures": measures}

    assert cells({"requirements": [row]}, {"CKE-08": "Same-Site"}) == {"CKE-08": cell}
    assert cells({"requirements": [row]}) == {"CKE-08": Cell.MEASURED}


def test_a_mutant_that_nobody_has_to_catch_survives() -> None:
    assert kinds(matrix(trial(caught_by=()))) == [Kind.SURVIVOR, Kind.UNEXPECTED]


def test_what_did_not_fire_proves_nothing_even_where_it_was_caught() -> None:
    made = matrix(trial(fired=False), variant(fired=False))

    assert kinds(made) == [Kind.UNFIRED, Kind.UNFIRED]
    assert not made.clean
    assert made.score == (0, 1)


def test_what_envoy_says_of_a_failing_script_stands_with_the_fault_that_did_not_fire() -> None:
    [problem] = matrix(trial(fired=False, said="the mutant's own script fails: nil is no function")).problems

    assert problem.said.endswith("holds its mark; the mutant's own script fails: nil is no function")


def test_unexpected_kills_are_shown_and_fail_nothing() -> None:
    made = matrix(trial(seen={"AFF-01": KILLED, "CKE-01": KILLED}))

    assert kinds(made) == [Kind.UNEXPECTED]
    assert made.clean
    assert "CKE-01" in made.problems[0].said


def test_a_broken_neighbour_is_told_and_fails() -> None:
    assert kinds(matrix(trial(seen={"AFF-01": KILLED, "CKE-01": Cell.HARNESS_ERROR}))) == [Kind.HARNESS_ERROR]


@pytest.mark.parametrize(
    ("cell", "kind"),
    [(KILLED, Kind.OBJECTION), (DOUBT, Kind.INCONCLUSIVE), (Cell.HARNESS_ERROR, Kind.HARNESS_ERROR)],
)
def test_a_benign_variant_must_conform(cell: Cell, kind: Kind) -> None:
    made = matrix(trial(), variant(seen={"AFF-01": cell}))

    assert kinds(made) == [kind]
    assert not made.clean


def test_what_a_variants_cluster_cannot_do_is_no_objection_but_catches_no_mutant_either() -> None:
    seen = {"AFF-01": Cell.NOT_APPLICABLE}

    assert matrix(trial(), variant(seen=seen)).clean
    assert Kind.NOT_JUDGED in kinds(matrix(trial(seen=seen)))


def test_an_accident_may_leave_requirements_unsure_but_nothing_may_object_to_it() -> None:
    unsure, objected = (variant(seen={"AFF-01": cell}, accident=True) for cell in (DOUBT, KILLED))

    assert kinds(matrix(unsure)) == [Kind.INCONCLUSIVE]
    assert matrix(unsure).clean
    assert not matrix(objected).clean


def test_a_benign_variant_is_as_good_as_the_worst_of_its_runs() -> None:
    made = matrix(variant(), variant(seen={"AFF-01": KILLED, "CKE-06": Cell.MEASURED}), variant(fired=False))
    [shown] = made.benign

    assert (shown.runs, shown.cost, shown.fired) == (3, Cost(pytest.approx(36.9), 13.5), False)
    assert shown.cell("AFF-01") is KILLED
    assert made.data()["benign_runs"] == 3


def test_the_same_objection_again_is_one_line() -> None:
    again = variant(seen={"AFF-01": KILLED})

    assert [problem.said for problem in matrix(again, again).problems] == [
        "reissues under AFF-01: a legitimate difference (2 times)"
    ]


def test_a_must_that_nothing_kills_fails_a_whole_matrix_and_no_part_of_one() -> None:
    cases = ("AFF-01", "AFF-02", "SPR-02", "CKE-06", "KON-01")  # the last takes an account, and so has no mutant

    assert [problem.said for problem in matrix(trial(), whole=True, with_cases=cases).problems] == [
        f"AFF-02: {CATALOGUE['AFF-02'].title}"
    ]
    assert not matrix(trial(), whole=True, with_cases=cases).clean
    assert matrix(trial(), with_cases=cases).clean
    assert matrix(trial(), with_cases=cases).data()["musts_that_nothing_kills"] == ["AFF-02"]


def test_a_run_without_a_report_is_an_error_of_all_that_were_asked() -> None:
    made = matrix(trial(seen={}, asked=("AFF-01", "CKE-01"), error="exit status 2, no report: no cluster"))
    [problem] = made.problems

    assert problem.kind is Kind.HARNESS_ERROR
    assert problem.said == "forgets: exit status 2, no report: no cluster"
    assert made.data()["trials"][0]["cells"] == {"AFF-01": "harness error", "CKE-01": "harness error"}


def test_the_gravest_comes_first() -> None:
    made = matrix(
        trial("a", seen={"AFF-01": KILLED, "CKE-01": KILLED}),
        trial("b", fired=False),
        variant(seen={"AFF-01": KILLED}),
        trial("c", seen={"AFF-01": SURVIVED}),
        whole=True,
        with_cases=("AFF-02",),
    )

    assert kinds(made) == [Kind.SURVIVOR, Kind.OBJECTION, Kind.UNFIRED, Kind.UNKILLED, Kind.UNEXPECTED]


def test_statuses_of_a_report_become_cells() -> None:
    def row(name: str, status: str, outcome: str = "judged") -> dict[str, Any]:
        return {"id": name, "status": status, "cases": [{"outcome": outcome}] if status != "UNJUDGED" else []}

    broken = row("AFF-05", "CONFORMS", "harness-error")
    rows = [row("AFF-01", "VIOLATES"), row("AFF-02", "CONFORMS"), row("AFF-03", "INCONCLUSIVE"), broken]
    rows += [row("CKE-06", "MEASURED"), row("AFF-06", "UNJUDGED"), row("AFF-09", "NOT_APPLICABLE")]

    assert cells({"requirements": rows}) == {
        "AFF-01": KILLED,
        "AFF-02": SURVIVED,
        "AFF-03": DOUBT,
        "AFF-05": Cell.HARNESS_ERROR,
        "CKE-06": Cell.MEASURED,
        "AFF-06": Cell.NOT_RUN,
        "AFF-09": Cell.NOT_APPLICABLE,
    }


# The pages.

SPOILT = matrix(trial(), trial("adds", seen={"AFF-01": SURVIVED}), variant(seen={"AFF-01": KILLED}), whole=True)


class Page(HTMLParser):
    """Reads a page strictly enough to find what is not closed, and what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[dict[str, str | None]] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)
        if tag == "td":
            self.cells.append(dict(attrs))
        self.loads += [
            f"{tag} {key}" for key, value in attrs if key in ("src", "href") and not (value or "").startswith("data:")
        ] + ([tag] if tag == "script" else [])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_one_small_file_and_says_everything_without_colour() -> None:
    text, page = html(SPOILT), Page()
    page.feed(text)

    assert page.open == []
    assert page.loads == []
    assert "color-scheme: light dark" in text
    assert "It forgets &lt;sessions&gt;." in text
    assert all(cell.get("aria-label") for cell in page.cells if "class" in cell)
    assert len(text) < 10_000
    assert text.index("<strong") < text.index("<table")


def test_the_markdown_begins_with_what_is_wrong() -> None:
    lines = markdown(SPOILT).splitlines()

    assert lines[0].startswith("# Kill matrix: NOT clean: 1 of 2 mutants caught")
    assert lines[2] == "- **survivor**: adds under AFF-01: survived"
    assert "- **benign objection**: reissues under AFF-01: a legitimate difference" in lines
    assert any("**forgets**" in line and "✓ [AFF-01]; · CKE-01" in line for line in lines)


def test_the_data_is_json() -> None:
    data = json.loads(json.dumps(SPOILT.data()))

    assert list(data)[:2] == ["clean", "problems"]
    assert [row["id"] for row in data["trials"]] == ["forgets", "adds", "reissues"]
    assert data["trials"][0]["cells"] == {"AFF-01": "killed", "CKE-01": "survived"}
