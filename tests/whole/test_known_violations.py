"""``--known-violations``: a run with a deliberate fault, judged with a list that knows it, and with lists that lie."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.whole.runs import run_suite

ONE = ("--requirement", "CKE-01")


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
    """Recorded once, judged with four lists: accepted, accepted no longer, of something else, and not true any more."""
    out = tmp_path / "out"
    tomorrow, yesterday = today + timedelta(days=1), today - timedelta(days=1)
    list_of = ("--known-violations", listed(tmp_path, "CKE-01", tomorrow))
    known = run_suite(out, "--mutant", "never_sets_the_cookie", *ONE, *list_of)
    assert known.status == 0, known.output
    assert known.status_of("CKE-01") == "VIOLATES"
    assert "it does not fail the run" in " ".join(known.output.split())
    assert known.report
    assert known.report["known_violations"][0]["state"] == "occurs"
    [result] = (known.directory / "allure-results").glob("*-result.json")
    assert "known violation, known until" in result.read_text()

    again = ("--rejudge", str(known.directory.resolve()), *ONE)
    expired = run_suite(tmp_path / "1", *again, "--known-violations", listed(tmp_path, "CKE-01", yesterday))
    assert expired.status == 1
    assert f"CKE-01 was accepted until {yesterday} only" in " ".join(expired.output.split())

    other = run_suite(tmp_path / "2", *again, "--known-violations", listed(tmp_path, "CKE-02", tomorrow))
    assert other.status == 1
    assert "VIOLATES CKE-01" in other.output


def test_no_longer_occurs(tmp_path, today):
    """A run without any violation fails, and says which entry to take off the list."""
    list_of = ("--known-violations", listed(tmp_path, "CKE-01", today))
    result = run_suite(tmp_path / "out", *ONE, *list_of)
    assert result.status == 1, result.output
    assert result.status_of("CKE-01") == "CONFORMS"
    assert "The known violation of CKE-01 no longer occurs: take it off the list" in " ".join(result.output.split())


def test_bad_list(tmp_path):
    """One line, before anything starts."""
    result = run_suite(tmp_path / "out", "--known-violations", listed(tmp_path, "CKE-99", "2026-12-31"))
    assert result.status == 4
    [line] = [line for line in result.output.splitlines() if line.strip()]
    assert "known.toml: entry 1 (CKE-99): the catalogue has no such requirement" in line
