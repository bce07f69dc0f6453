"""A GitHub job's summary: the verdict first, nothing secret, no larger than GitHub takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stickyconf.model import Finding, Status
from stickyconf.reporting import summary
from tests.reporting import examples
from tests.reporting.examples import CATALOGUE, judged, run_of


def test_the_verdict_comes_first_and_the_violations_before_the_tables() -> None:
    text = summary.summary(examples.violated(), CATALOGUE)

    assert text.startswith("# Sticky-session conformance of the embedded stand-in (not Kong): not conformant")
    assert text.index("## Violations") < text.index("<details>") < text.index("| AFF-01 |") < text.index("</details>")


def test_it_is_appended_where_github_says(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("an earlier step\n", encoding="utf-8")

    summary.append(examples.clean(), CATALOGUE, {"GITHUB_STEP_SUMMARY": str(path)})
    summary.append(examples.clean(), CATALOGUE, {})

    assert path.read_text(encoding="utf-8").startswith("an earlier step\n# Sticky-session conformance")
    assert path.read_text(encoding="utf-8").count("How to reproduce") == 1


def test_what_somebody_said_is_no_markup_and_no_credential() -> None:
    finding = Finding("a|b", "<img src=x> with Authorization: Bearer hunter2hunter2")
    run = replace(run_of(judged("AFF-01", Status.VIOLATES, finding)), versions={"token": "hunter2hunter2"})

    text = summary.summary(run, CATALOGUE)

    assert "a\\|b" in text
    assert "<img" not in text
    assert "hunter2" not in text


def test_what_is_too_long_is_cut_at_a_line() -> None:
    text = "".join(f"line {number} é\n" for number in range(1000))

    cut = summary.fitting(text, 500)

    assert len(cut.encode()) <= 500
    assert cut.startswith("line 0 é\nline 1 é\n")
    assert "cut here" in cut
    assert summary.fitting(text, 10) == ""
    assert summary.fitting("short", 500) == "short"
