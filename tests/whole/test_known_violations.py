"""``--known-violations``: a run with a deliberate fault, judged with a list that knows it, and with lists that lie.

The fault is in the controller. One in the gateway is found in tests/mutants_matrix, and every other by the kill matrix
(tox -e mutants).
"""

from datetime import UTC, datetime, timedelta

import pytest

from stickyconf.model.storage import write_history
from stickyconf.mutants import mutants
from stickyconf.reporting.implementation import STAND_IN
from tests.histories import cookie
from tests.histories.edits import arranged
from tests.whole.runs import run_suite

MUTANT, REQUIREMENT = "ignores_the_policy", "CKE-01"
ONE = ("--requirement", REQUIREMENT)
NEVER_PROGRAMMED = ("--budget", "programmed=20")
"""The policy that the fault ignores never is, and is waited for."""


def listed(tmp_path, requirement: str, expires) -> str:
    """Write a list with one entry about the embedded cluster."""
    file = tmp_path / "known.toml"
    file.write_text(
        f'''[[known]]
requirement = "{requirement}"
versions = {{ embedded = "0" }}
reason = "the gateway sets no cookie"
link = "https://example.com/issues/1"
expires = {expires}
'''
    )
    return str(file)


@pytest.fixture
def today():
    return datetime.now(UTC).date()


def test_list_and_run(tmp_path, today):
    """A real fault is found, and judged with three lists: accepted, accepted no longer, of something else."""
    assert REQUIREMENT in mutants()[MUTANT].caught_by
    out = tmp_path / "out"
    tomorrow, yesterday = today + timedelta(days=1), today - timedelta(days=1)
    list_of = ("--known-violations", listed(tmp_path, REQUIREMENT, tomorrow))
    known = run_suite(out, "--mutant", MUTANT, *NEVER_PROGRAMMED, *ONE, *list_of)
    assert known.status == 0, known.output
    assert known.status_of(REQUIREMENT) == "VIOLATES"
    assert "it does not fail the run" in " ".join(known.output.split())
    assert known.report
    assert known.report["known_violations"][0]["state"] == "occurs"
    assert "harness" not in "".join(row["status"] for row in known.report["requirements"]).lower()
    [result] = (known.directory / "allure-results").glob("*-result.json")
    assert "known violation, known until" in result.read_text()

    again = ("--rejudge", str(known.directory.resolve()), *ONE)
    expired = run_suite(tmp_path / "1", *again, "--known-violations", listed(tmp_path, REQUIREMENT, yesterday))
    assert expired.status == 1
    assert f"{REQUIREMENT} was accepted until {yesterday} only" in " ".join(expired.output.split())

    other = run_suite(tmp_path / "2", *again, "--known-violations", listed(tmp_path, "CKE-02", tomorrow))
    assert other.status == 1
    assert f"VIOLATES {REQUIREMENT}" in other.output


def test_no_longer_occurs(tmp_path, today):
    """A run without any violation fails, and says which entry to take off the list."""
    for name in ("cookie", "cookie-path"):
        history = arranged(cookie(), name=name, implementation=STAND_IN)
        write_history(history, tmp_path / f"{name}.jsonl")
    list_of = ("--known-violations", listed(tmp_path, REQUIREMENT, today))
    result = run_suite(tmp_path / "out", "--rejudge", str(tmp_path), *ONE, *list_of)
    assert result.status == 1, result.output
    assert result.status_of(REQUIREMENT) == "CONFORMS"
    assert f"The known violation of {REQUIREMENT} no longer occurs: take it off" in " ".join(result.output.split())


def test_bad_list(tmp_path):
    """One line, before anything starts."""
    result = run_suite(tmp_path / "out", "--known-violations", listed(tmp_path, "CKE-99", "2026-12-31"))
    assert result.status == 4
    [line] = [line for line in result.output.splitlines() if line.strip()]
    assert "known.toml: entry 1 (CKE-99): the catalogue has no such requirement" in line
