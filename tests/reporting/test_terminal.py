"""The last thing a terminal shows: who was tested, the table, and for all that is wrong the place to look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from stickyconf.model import Finding, Level, Status
from stickyconf.model.run import Run
from stickyconf.reporting import terminal
from tests.reporting import examples
from tests.reporting.examples import CATALOGUE, broke, judged, run_of


def told(run: Run) -> str:
    return "\n".join(terminal.lines(run, CATALOGUE))


def rows(run: Run) -> dict[str, list[str]]:
    """The table's rows by profile."""
    lines = terminal.lines(run, CATALOGUE)
    start = next(number for number, line in enumerate(lines) if line.startswith("profile "))
    table = lines[start + 1 : lines.index("", start)]
    return {line.split()[0]: line.split(None, 7)[1:] for line in table}


@pytest.mark.parametrize(
    "example",
    [examples.clean, examples.on_kong, examples.violated, examples.inconclusive, examples.harness_error],
)
def test_every_line_fits(example: Callable[[], Run]) -> None:
    assert all(len(line) <= terminal.WIDTH for line in terminal.lines(example(), CATALOGUE))


def test_even_a_long_word_does_not_break_out() -> None:
    finding = Finding("x" * 300, "one two " * 40, tuple(range(50)), "affinity")
    run = run_of(judged("AFF-01", Status.VIOLATES, finding), broke("AFF-02", "HarnessError: " + "y" * 300))

    assert all(len(line) <= terminal.WIDTH for line in terminal.lines(run, CATALOGUE))


def test_the_implementation_comes_first_and_a_stand_in_is_called_one() -> None:
    first, _, disclaimer, *_ = terminal.lines(examples.clean(), CATALOGUE)

    assert first == "implementation under test: embedded stand-in (Envoy 1.40.0)"
    assert disclaimer.startswith("This run says nothing about Kong.")


def test_a_real_controller_before_a_stand_in_is_said_to_be_real() -> None:
    run = replace(examples.clean(), versions={"kic": "3.5.13"})

    said = " ".join(told(run).split())
    assert "embedded stand-in (Envoy 1.40.0) behind Kong Ingress Controller 3.5.13" in said
    assert "This run says nothing about Kong Gateway." in said
    assert "The controller was a real one, Kong Ingress Controller 3.5.13" in said
    assert "not Kong Gateway and Kong Ingress Controller" not in said


def test_a_real_gateway_behind_a_stand_in_is_said_to_be_real() -> None:
    run = replace(examples.on_kong(), versions={"controller": "embedded stand-in"})

    said = " ".join(told(run).split())
    assert "This run says nothing about Kong Ingress Controller. In its place was the embedded stand-in." in said
    assert "says nothing about Kong." not in said


def test_a_stand_in_is_called_one_even_where_its_name_does_not_say_so() -> None:
    first, *_ = terminal.lines(replace(examples.clean(), implementation="Kong Gateway"), CATALOGUE)

    assert first == "implementation under test: embedded stand-in (Kong Gateway)"


def test_kong_is_named_with_its_versions() -> None:
    said = told(examples.on_kong())

    assert said.startswith("implementation under test: Kong Gateway Enterprise and KIC (Kong Gateway 3.11.0.14")
    assert "stand-in" not in said


def test_the_table_counts_what_can_be_passed_and_beside_it_what_was_measured() -> None:
    core = [one.level is Level.OBSERVE for one in CATALOGUE if "core" in one.profiles]
    passed, measured = str(core.count(False) - 3), str(core.count(True))

    assert rows(examples.violated())["core"] == [passed, "2", "1", "0", "0", measured, "not conformant"]
    assert rows(examples.harness_error()) == {
        "core": [passed, "0", "0", "0", "3", measured, "partial"],
        "docs": ["0", "0", "0", "1", "1", "0", "partial"],
    }


def test_a_violation_tells_requirement_expected_actual_and_place() -> None:
    said = told(examples.violated())

    start = said.index("VIOLATES AFF-01 (MUST) A session stays on its pod")
    block = said[start : said.index("\n\n", start)]
    assert "  expected  session pinned-007, opened on echo-7d9c5-abcde, to stay there\n" in block
    assert "  saw       exchange #14 (GET /cart/items/7?page=2, session pinned-007) reached" in block
    assert "  at        histories/affinity.jsonl #3, #14\n" in block
    assert block.endswith("\n  4 more in the report")


def test_violations_come_before_doubts_and_tell_whether_they_count() -> None:
    said = told(examples.violated())

    assert said.index("VIOLATES AFF-01") < said.index("VIOLATES SPR-02") < said.index("INCONCLUSIVE AFF-03")
    assert "VIOLATES SPR-02 (SHOULD, counts under --strict only)" in said
    assert "VIOLATES SPR-02 (SHOULD)" in told(replace(examples.violated(), strict=True))


def test_causes_come_first_and_what_follows_from_them_takes_a_line() -> None:
    said = told(examples.caused())

    causes = (
        "2 causes:\n  CKE-01 A first response sets the cookie once; 2 others follow from it: CKE-02, AFF-01\n  AFF-02"
    )
    assert causes in said
    assert said.index("2 causes:") < said.index("VIOLATES CKE-01") < said.index("VIOLATES AFF-02")
    assert "\n\nVIOLATES AFF-01: follows from CKE-01: in each counter-example a session was given no cookie\n" in said
    assert "\n\nINCONCLUSIVE CKE-02: not to be asked, because CKE-01 is violated, which it presupposes\n" in said


def test_what_was_not_judged_says_why() -> None:
    said = told(examples.harness_error())

    assert "HARNESS ERROR AFF-02: the suite or its environment failed, not what was tested" in said
    assert "HarnessError: the Kubernetes API at https://127.5.0.1:6443 does not answer" in said
    assert "not applicable: DOC-01: kubectl is not on this machine" in said
    assert "unjudged (no case yet): CKE-10, AFF-08, DOC-02" in said


def test_one_error_of_ours_that_broke_many_cases_is_told_once() -> None:
    gone = "HarnessError: the cluster is gone"
    said = told(run_of(*(broke(f"AFF-0{number}", gone) for number in range(1, 10))))

    assert said.count(gone) == 1
    assert "HARNESS ERROR AFF-01, AFF-02, AFF-03" in said


def test_no_credential_is_shown() -> None:
    run = run_of(broke("AFF-01", "HarnessError: password=hunter2hunter2 was refused"))

    assert "hunter2" not in told(run)
