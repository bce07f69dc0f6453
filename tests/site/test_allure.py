"""The site with Allure in it, looked at in a browser. Needs Node and npm; the browser tests need Chromium, too."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stickyconf.mutants.matrix.kills import KillMatrix
from stickyconf.mutants.matrix.runs import write
from stickyconf.site.allure import Allure, ReportToolError
from stickyconf.site.build import build
from stickyconf.site.runs import find_runs
from stickyconf.site.serve import address, server
from tests.reporting import examples
from tests.reporting.examples import CATALOGUE, ROOT
from tests.site.made import numbered, on_kong, stored

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
PATIENCE = 60_000
"""Milliseconds a page may take on a machine that is busy."""


@pytest.fixture(scope="module")
def tool() -> Allure:
    try:
        return Allure.installed(ROOT / "reports" / "allure", Path(sys.prefix))
    except ReportToolError as error:
        pytest.skip(f"no Allure here: {error}")


@pytest.fixture(scope="module")
def site(tool: Allure, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three versions, one of them with an earlier run."""
    out = tmp_path_factory.mktemp("runs")
    for run in (
        on_kong(1, cases=examples.violated().cases),
        on_kong(2),
        on_kong(3, kong="3.12.0"),
        numbered(examples.violated(), 4),
    ):
        stored(run, out)
    write(KillMatrix(CATALOGUE, frozenset(), (), 0.0, whole=False), out)
    with contextlib.chdir(out.parent):  # a relative path, as on the command line
        return build(find_runs([out]), CATALOGUE, Path("site"), tool, out).folder


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    with server(site) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield address(serving)
        serving.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("no Chromium is installed here")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Watched:
    """A page, and what it complained of or asked other hosts for."""

    def __init__(self, browser: Any, home: str, **settings: Any) -> None:
        """Open a page that belongs to ``home``."""
        self.context = browser.new_context(**settings)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.complaints: list[str] = []
        self.page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "response", lambda got: got.status < 400 or self.complaints.append(f"{got.status}: {got.url[:200]}")
        )
        self.page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url[:200]}"))
        self.page.on(
            "request",
            lambda request: (
                request.url.startswith((home, "data:", "blob:"))
                or self.complaints.append(f"asks another host: {request.url[:200]}")
            ),
        )

    def __enter__(self) -> Watched:
        """Watch."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the page, and what the browser keeps for it."""
        self.context.close()

    def shows(self, text: str) -> None:
        """Wait until the page says something."""
        try:
            self.page.wait_for_function("text => document.body.innerText.includes(text)", arg=text)
        except Exception as error:  # playwright's own, which is no requirement of this module
            raise AssertionError(f"{self.page.url} never said {text!r}; complaints: {self.complaints}") from error


def results(site: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text(encoding="utf-8")) for file in site.glob("allure/data/test-results/*.json")]


def test_every_cell_leads_to_a_case_that_allure_has(site: Path) -> None:
    """The ids are Allure's own: md5 of a result's uuid, which it does not document."""
    linked = set(re.findall(r"allure/index\.html#([0-9a-f]+)", (site / "index.html").read_text(encoding="utf-8")))
    known = {result["id"]: result for result in results(site)}
    assert linked <= known.keys()
    assert len(linked) > 50


def test_versions_are_environments_and_no_retries_of_each_other(site: Path) -> None:
    environments = json.loads((site / "allure/widgets/environments.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in environments if one["id"] != "default"] == [
        "Kong 3.12.0, KIC 3.5.13, Kubernetes 1.34.1",
        "Kong 3.11.0.14, KIC 3.5.13, Kubernetes 1.34.1",
        "embedded stand-in (Envoy 1.40.0)",
    ]
    for result in results(site):
        assert result["retriesCount"] == 0
        assert result["environment"] != "default"


def test_an_earlier_run_is_a_cases_history(site: Path) -> None:
    """Of its own version only: what Kong 3.12 did says nothing of what 3.11 had done."""
    cases = [result for result in results(site) if result["fullName"].endswith("#test_aff_01")]
    past = {case["environment"]: [item["status"] for item in case["history"]] for case in cases}
    assert past == {
        "Kong 3.12.0, KIC 3.5.13, Kubernetes 1.34.1": [],
        "Kong 3.11.0.14, KIC 3.5.13, Kubernetes 1.34.1": ["failed"],
        "embedded stand-in (Envoy 1.40.0)": [],
    }


def test_violations_have_their_category(site: Path) -> None:
    violated = [result for result in results(site) if result["status"] == "failed"]
    assert {category["name"] for result in violated for category in result["categories"]} == {"Requirement violated"}


def test_nothing_of_the_site_asks_for_analytics(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert "googletagmanager" not in page.read_text(encoding="utf-8"), page.name


def test_a_violated_cell_leads_to_its_case(served: str, chromium: Any) -> None:
    """From the matrix into Allure by a click, without an error and without a request to another host."""
    with Watched(chromium, served) as watched:
        watched.page.goto(served)
        assert watched.page.inner_text("h1").endswith("Conformant")
        watched.page.click("#AFF-01 td.bad a")
        watched.shows("AFF-01: expected")
        watched.shows("test_aff_01")
        assert "/allure/index.html#" in watched.page.url
        run = numbered(examples.violated(), 4).id
        for page in ("", "kill-matrix.html", f"runs/{run}/index.html", "allure/index.html"):
            watched.page.goto(served + page)
            watched.page.wait_for_load_state("networkidle")
        assert watched.complaints == []


def test_the_site_works_from_disk(site: Path, chromium: Any) -> None:
    """No server: the cell leads into the one-file report."""
    with Watched(chromium, site.as_uri()) as watched:
        watched.page.goto((site / "index.html").as_uri())
        watched.page.click("#AFF-01 td.bad a")
        watched.shows("AFF-01: expected")
        assert "/allure.html#" in watched.page.url
        assert watched.complaints == []


def test_the_landing_page_needs_no_script(served: str, chromium: Any) -> None:
    with Watched(chromium, served, java_script_enabled=False) as watched:
        watched.page.goto(served)
        assert "Requirements by version" in watched.page.inner_text("body")
        watched.page.click("#AFF-01 td.bad a")
        assert "/allure/index.html#" in watched.page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits(served: str, chromium: Any, width: int, scheme: str) -> None:
    """On a phone, too: tables scroll by themselves, the page does not; in the dark the ground is dark."""
    with Watched(chromium, served, viewport={"width": width, "height": 844}, color_scheme=scheme) as watched:
        watched.page.goto(served)
        root = "document.documentElement"
        assert watched.page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")
        ground = watched.page.evaluate("getComputedStyle(document.body).backgroundColor")
        darkness = sum(int(part) for part in re.findall(r"\d+", ground)) / 3
        assert darkness < 60 if scheme == "dark" else darkness > 200
