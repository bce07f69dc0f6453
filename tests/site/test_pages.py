from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from stickyconf.model import Finding, Measure, Status
from stickyconf.model.run import Run
from stickyconf.site.pages import Contents, Pages
from stickyconf.site.runs import editions, find_runs
from tests.reporting import examples
from tests.reporting.examples import CATALOGUE, conforming, judged, run_of, without
from tests.site.made import numbered, on_kong, stored

HOSTILE = '<script>alert("x")</script>'


class Elements(HTMLParser):
    """Every element's name and attributes, and the text of the page."""

    def __init__(self, page: str) -> None:
        """Read a page."""
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def landing(tmp_path: Path, *runs: Run, cases: dict[tuple[str, str], str] | None = None) -> str:
    for run in runs:
        stored(run, tmp_path)
    columns = editions(find_runs([tmp_path]))
    return Pages(CATALOGUE, columns, Contents(cases=cases or {}), datetime(2026, 11, 23, tzinfo=UTC)).landing()


def cells(page: str, identifier: str) -> list[str]:
    """The words in a requirement's row of the matrix, one an edition."""
    row = re.search(rf'<tr id="{identifier}".*?</tr>', page, re.DOTALL)
    assert row, f"no row {identifier}"
    found = re.findall(r"<td.*?</td>", row[0], re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in found]


def order(page: str, words: Sequence[str]) -> bool:
    places = [page.index(word) for word in words]
    return places == sorted(places)


def test_the_verdict_stands_first_then_differences_matrix_and_measures(tmp_path: Path) -> None:
    page = landing(tmp_path, on_kong(1), replace(numbered(examples.violated(), 2), embedded=False))
    assert order(page, ["<h1>", "What changed", "Requirements by version", "Measured side by side", "<h2>Runs"])


def test_an_embedded_run_is_named_as_what_it_is(tmp_path: Path) -> None:
    """And its imitated versions of Kong are nowhere said to be Kong's."""
    versions = {"gateway": "3.11.0.0-embedded", "Kubernetes": "v1.33.0+embedded"}
    page = landing(tmp_path, numbered(examples.clean(), 1, versions=versions))
    assert "This run says nothing about Kong" in page
    assert "embedded stand-in (Envoy 1.40.0)" in page
    assert "3.11.0.0-embedded" not in page


def test_every_verdict_is_a_sign_and_a_word(tmp_path: Path) -> None:
    page = landing(tmp_path, numbered(examples.violated(), 1))
    assert cells(page, "AFF-01") == ["✕ violated"]
    assert cells(page, "AFF-03") == ["? unsure"]
    assert cells(page, "CKE-11") == ["≈ measured"]
    assert cells(page, "AFF-02") == ["✓ conforms"]


def test_an_error_of_ours_is_no_verdict(tmp_path: Path) -> None:
    page = landing(tmp_path, numbered(examples.harness_error(), 1))
    assert cells(page, "AFF-02") == ["! our error"]
    assert cells(page, "DOC-01") == ["- not asked"]


def test_each_version_is_a_column_and_disagreement_is_marked(tmp_path: Path) -> None:
    page = landing(tmp_path, on_kong(2, kong="3.12.0"), on_kong(1), numbered(examples.violated(), 3))
    assert cells(page, "AFF-01") == ["✓ conforms", "✓ conforms", "✕ violated"]
    assert '<tr id="AFF-01" class="mixed">' in page
    assert '<tr id="AFF-02">' in page


def test_a_cell_leads_to_its_case_in_allure_or_else_to_the_run(tmp_path: Path) -> None:
    """Of two cases the one that gave the requirement its standing is told of."""
    stray = judged("AFF-01", Status.VIOLATES, examples.STRAY)
    fine = replace(judged("AFF-01", Status.CONFORMS), node="suites/test_aff.py::test_fine")
    run = numbered(run_of(*without(conforming("core"), "AFF-01"), fine, stray), 1)
    page = landing(tmp_path, run, cases={(run.id, fine.node): "f" * 32, (run.id, stray.node): "b" * 32})
    hrefs = {attributes.get("href") for tag, attributes in Elements(page).found if tag == "a"}
    assert f"allure/index.html#{'b' * 32}" in hrefs
    assert f"allure/index.html#{'f' * 32}" not in hrefs
    assert f"runs/{run.id}/index.html#AFF-02" in hrefs


def test_the_page_asks_nobody_for_anything(tmp_path: Path) -> None:
    """No address of another host, one stylesheet, one script of ours that only a page opened from disk needs."""
    page = landing(tmp_path, numbered(examples.violated(), 1), on_kong(2))
    loads = [a.get("src") or a.get("href") for tag, a in Elements(page).found if tag in {"script", "link", "img"}]
    assert {load for load in loads if load and not load.startswith("data:")} == {"site.css"}
    assert not re.search(r'(?:href|src)="(?:https?:)?//', page)
    policies = [a["content"] for _, a in Elements(page).found if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies[0] is not None
    assert policies[0].startswith("default-src 'none'")


def test_what_was_seen_cannot_become_markup(tmp_path: Path) -> None:
    finding = Finding(HOSTILE, f"'{HOSTILE}", (), "affinity")
    measure = Measure("a value is", HOSTILE)
    run = run_of(judged("AFF-01", Status.VIOLATES, finding), judged("CKE-11", Status.CONFORMS, measures=(measure,)))
    page = landing(tmp_path, numbered(run, 1))
    assert HOSTILE not in page
    assert HOSTILE in Elements(page).text


def test_differences_of_the_newest_two_versions_are_told(tmp_path: Path) -> None:
    older, newer = on_kong(1), on_kong(2, kong="3.12.0", cases=examples.violated().cases)
    text = " ".join(Elements(landing(tmp_path, older, newer)).text.split())
    assert "From Kong 3.11.0.14, KIC 3.5.13, Kubernetes 1.34.1 to Kong 3.12.0" in text
    assert "Regression in 3." in text
    assert "Newly violated 2" in text


def test_a_version_that_ran_twice_is_compared_with_itself(tmp_path: Path) -> None:
    text = Elements(landing(tmp_path, on_kong(1), on_kong(2))).text
    assert "From the run before, 2026-11-01 01:02 UTC" in text
    assert "No regression." in text


def test_a_single_run_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    assert "What changed" not in landing(tmp_path, numbered(examples.clean(), 1))


def test_measures_stand_side_by_side(tmp_path: Path) -> None:
    def measured(value: str) -> tuple[object, ...]:
        return (
            *without(conforming("core"), "CKE-11"),
            judged("CKE-11", Status.CONFORMS, measures=(Measure("UUID", value),)),
        )

    page = landing(tmp_path, on_kong(1, cases=measured("no")), on_kong(2, kong="3.12.0", cases=measured("yes")))
    row = re.search(r'<tr class="mixed"><th scope="row" class="first">UUID</th>\s*(.*?)</tr>', page, re.DOTALL)
    assert row
    assert re.findall(r"<td>(.*?)</td>", row[1]) == ["yes", "no"]


@pytest.mark.parametrize("example", [examples.clean, examples.violated, examples.harness_error, examples.inconclusive])
def test_every_link_of_the_site_leads_somewhere(tmp_path: Path, example: object) -> None:
    """Files exist, and so do the places in them, on the landing page and on the run's."""
    from stickyconf.site.build import build

    stored(numbered(example(), 1), tmp_path / "out")  # type: ignore[operator]
    site = build(find_runs([tmp_path / "out"]), CATALOGUE, tmp_path / "site", None).folder
    for page in site.rglob("*.html"):
        elements = Elements(page.read_text(encoding="utf-8")).found
        for href in (a["href"] for tag, a in elements if tag == "a" and a.get("href")):
            path, _, place = str(href).partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.is_file(), f"{page.name}: {href}"
            if place:
                there = Elements(target.read_text(encoding="utf-8")).found
                assert any(a.get("id") == place for _, a in there), f"{page.name}: {href}"


def test_causes_stand_before_what_follows_from_them(tmp_path: Path) -> None:
    page = landing(tmp_path, examples.caused())

    assert "2 causes: CKE-01, AFF-02; 2 others follow." in page
    wrong = page[page.index('<section id="wrong">') : page.index('<section id="matrix">')]
    assert order(wrong, ["CKE-01</b>", "2 follow from it", "AFF-02</b>", "2 that follow from others", "AFF-01</b>"])
    assert "follows from CKE-01: in each counter-example a session was given no cookie" in wrong


def test_a_report_of_before_causes_were_worked_out_has_none(tmp_path: Path) -> None:
    folder = stored(examples.caused(), tmp_path)
    report = folder / "conformance.yaml"
    text = report.read_text(encoding="utf-8")
    report.write_text(
        re.sub(r"(?m)^causes:\n(- .*\n|  .*\n)*|^  (follows_from|because): .*\n(  - .*\n)*", "", text), encoding="utf-8"
    )
    page = Pages(CATALOGUE, editions(find_runs([tmp_path])), Contents(), datetime(2026, 11, 23, tzinfo=UTC)).landing()

    assert " causes:" not in page
    assert "that follow from others" not in page
