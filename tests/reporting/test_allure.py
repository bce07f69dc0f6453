"""What Allure's report will show, read from the results that a real pytest run leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from stickyconf.model.storage import write_history
from stickyconf.reporting import allure
from stickyconf.reporting.redaction import LIMIT
from tests.reporting import examples
from tests.reporting.examples import CATALOGUE, ROOT

# What the plugin does around each case, without a cluster.
CONFTEST = """
from pathlib import Path
import pytest
from stickyconf.model.storage import read_history
from stickyconf.reporting import allure
from stickyconf.reporting.allure_results import write_redacted
from stickyconf.reporting.faults import Faults
from tests.reporting.examples import CATALOGUE, STRAY

HERE = Path(__file__).parent

@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    config.add_cleanup(write_redacted(Faults(), {}))

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    subject = CATALOGUE[item.get_closest_marker("requirement").args[0]]
    allure.describe(item, subject, CATALOGUE)
    allure.entitle(item)
    allure.label(subject, CATALOGUE)
"""
CASES = """
from dataclasses import replace
from pathlib import Path
import pytest
from stickyconf.model import Measure, Status, Verdict
from stickyconf.model.storage import read_history
from stickyconf.reporting import allure
from stickyconf.reporting.implementation import Implementation
from stickyconf.reporting.timeline import timeline
from tests.reporting.examples import STRAY

HERE = Path(__file__).parent

@pytest.mark.requirement("AFF-01")
def test_live_session_keeps_its_pod():
    '''This docstring is not what the report should show.'''
    history = read_history(HERE / "affinity.jsonl")
    verdict = Verdict("AFF-01", Status.VIOLATES, (STRAY,), (Measure("sessions", 30),), ("affinity",))
    allure.attach_verdict(verdict, [history, history])
    allure.attach_timeline("affinity", timeline(history, [STRAY]))
    allure.attach_history(HERE / "affinity.jsonl")
    allure.attach_file(HERE / "kong-gateway.log")
    raise AssertionError(verdict.told())

@pytest.mark.requirement("SPR-02")
def test_shares_are_the_weights():
    '''A SHOULD.'''

@pytest.mark.requirement("CKE-11")
def test_value_format():
    '''An OBSERVE.'''
    allure.name_implementation(Implementation("Kong", False, {}), "adds_max_age")

@pytest.mark.requirement("CKE-01")
@pytest.mark.parametrize("header", ["Authorization: Bearer hunter2hunter2"])
def test_says_too_much(header):
    '''Its message, its parameter and what it prints name a credential.'''
    print("export KONG_PG_PASSWORD=hunter2hunter2")
    raise RuntimeError(f"401 for {header}, and the key is hunter2-by-value")

@pytest.fixture
def dead_cluster():
    raise RuntimeError("the cluster is gone")

@pytest.mark.requirement("AFF-02")
def test_setup_breaks(dead_cluster):
    '''Never runs.'''
"""


@dataclass(frozen=True)
class Results:
    """An allure-results directory."""

    directory: Path

    def test(self, name: str) -> dict[str, Any]:
        """Return the result of a test function."""
        results = (json.loads(path.read_text(encoding="utf-8")) for path in self.directory.glob("*-result.json"))
        return next(result for result in results if result["fullName"].endswith(f"#{name}"))

    def labels(self, name: str) -> dict[str, list[str]]:
        """Return a test's labels by name."""
        found: dict[str, list[str]] = {}
        for label in self.test(name)["labels"]:
            found.setdefault(label["name"], []).append(label["value"])
        return found

    def attached(self, name: str) -> dict[str, str]:
        """Return the text of every attachment of a test, in its steps too, by the attachment's name."""
        found, open_ = {}, [self.test(name)]
        while open_:
            part = open_.pop()
            open_ += part.get("steps", [])
            for item in part.get("attachments", []):
                found[item["name"]] = (self.directory / item["source"]).read_text(encoding="utf-8")
        return found


def reported(directory: Path, version: str = "1.40.0") -> Results:
    """Run the cases above on a stand-in of that version and return what Allure gets."""
    directory.mkdir()
    history = examples.history()
    setup = replace(history.setup, implementation=f"embedded stand-in (Envoy {version})", versions={"envoy": version})
    write_history(replace(history, setup=setup), directory / "affinity.jsonl")
    (directory / "kong-gateway.log").write_text("started\nKONG_PG_PASSWORD=hunter2hunter2\n" + "." * LIMIT, "utf-8")
    (directory / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (directory / "test_cases.py").write_text(CASES, encoding="utf-8")
    (directory / "pytest.ini").write_text("[pytest]\nmarkers = requirement: ...\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--alluredir", "results", "-p", "no:cacheprovider"],
        cwd=directory,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]), "DEPLOY_KEY": "hunter2-by-value"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 failed, 2 passed, 1 error" in done.stdout, done.stdout + done.stderr
    return Results(directory / "results")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return reported(tmp_path_factory.mktemp("allure") / "one")


def test_a_case_stands_where_its_requirement_belongs(results: Results) -> None:
    labels = results.labels("test_live_session_keeps_its_pod")

    assert labels["epic"] == ["Affinity"]
    assert labels["feature"] == ["core"]
    assert labels["story"] == ["AFF-01 A session stays on its pod"]
    assert labels["tag"] == ["MUST"]


@pytest.mark.parametrize(
    ("case", "severity"),
    [
        ("test_live_session_keeps_its_pod", "blocker"),
        ("test_shares_are_the_weights", "critical"),
        ("test_value_format", "normal"),
    ],
)
def test_the_level_is_the_severity(results: Results, case: str, severity: str) -> None:
    assert results.labels(case)["severity"] == [severity]


def test_the_description_is_the_requirements_text_with_its_source(results: Results) -> None:
    description = results.test("test_live_session_keeps_its_pod")["description"]

    subject = CATALOGUE["AFF-01"]
    assert description.startswith(f"**AFF-01 MUST**: {subject.statement}")
    assert subject.exposure in description
    for source in CATALOGUE.source_links(subject).values():
        assert f"[{source.title}]({source.url})" in description


def test_a_case_is_called_by_the_sentence_it_proves(results: Results) -> None:
    assert results.test("test_shares_are_the_weights")["name"] == "A SHOULD"
    assert results.test("test_says_too_much")["name"].startswith("test_says_too_much[")


def test_the_sources_are_linked(results: Results) -> None:
    links = {(link["name"], link["url"]) for link in results.test("test_live_session_keeps_its_pod")["links"]}

    assert links == {(source.title, source.url) for source in CATALOGUE.source_links(CATALOGUE["AFF-01"]).values()}


def test_a_case_whose_set_up_broke_is_told_apart_and_still_stands_in_its_place(results: Results) -> None:
    assert results.test("test_setup_breaks")["status"] == "broken"
    assert results.labels("test_setup_breaks")["story"] == ["AFF-02 Affinity does not depend on the connection"]
    assert results.test("test_setup_breaks")["description"].startswith("**AFF-02 MUST**")
    assert results.test("test_live_session_keeps_its_pod")["status"] == "failed"


def test_the_verdict_comes_with_the_exchanges_it_cites(results: Results) -> None:
    text = results.attached("test_live_session_keeps_its_pod")["verdict: VIOLATES"]

    assert text.startswith("AFF-01: VIOLATES\nAFF-01: expected session pinned-007")
    assert "  sessions: 30" in text
    table = results.attached("test_live_session_keeps_its_pod")["the exchanges cited"]
    assert table.count("<tr>") == 3
    assert "<td>14</td>" in table
    assert "reached echo-b" in table


def test_a_timeline_is_attached_as_a_picture(results: Results) -> None:
    [attachment] = [
        one
        for one in results.test("test_live_session_keeps_its_pod")["attachments"]
        if one["name"] == "timeline of affinity"
    ]

    assert attachment["type"] == "image/svg+xml"
    assert results.attached("test_live_session_keeps_its_pod")["timeline of affinity"].startswith("<svg")


def test_credentials_are_taken_out_of_tracebacks_parameters_and_captured_output(results: Results) -> None:
    everything = [path.read_text(encoding="utf-8") for path in results.directory.iterdir()]

    assert results.test("test_says_too_much")["status"] == "broken"
    assert results.test("test_says_too_much")["parameters"]
    assert not [text for text in everything if "hunter2" in text]


def test_results_with_a_deliberate_fault_are_not_taken_for_retries_of_those_without(results: Results) -> None:
    parameters = {one["name"]: one["value"] for one in results.test("test_value_format")["parameters"]}

    assert parameters["deliberate fault"] == "'adds_max_age'"


def test_the_history_is_told_in_steps_with_their_times(results: Results) -> None:
    [step] = results.test("test_live_session_keeps_its_pod")["steps"]

    assert step["name"] == "history affinity (20 exchanges)"
    planned, *told = [inner["name"] for inner in step["steps"]]
    assert planned == (
        'planned: 2 pods, policy {"algorithm": "sticky-sessions"}, drain support on, seed 42, pinned.sessions 2'
    )
    assert [line.split()[2] for line in told] == ["applied", "traffic", "terminating"]
    assert told[1] == ("   0.100 s  traffic pinned: 20 requests of 2 sessions to 2 pods, until 2.004 s (1 failed)")
    assert '"seq":14' in results.attached("test_live_session_keeps_its_pod")["affinity.jsonl"]


def test_an_attached_file_is_redacted_and_capped(results: Results) -> None:
    [(name, text)] = [
        (name, text)
        for name, text in results.attached("test_live_session_keeps_its_pod").items()
        if name.endswith("kong-gateway.log")
    ]

    assert name == "one/kong-gateway.log"
    assert len(text.encode()) <= LIMIT
    assert "hunter2" not in text


def test_results_of_two_versions_are_not_taken_for_retries_of_one(results: Results, tmp_path: Path) -> None:
    case = "test_live_session_keeps_its_pod"
    other = reported(tmp_path / "two", version="1.41.0")

    assert results.labels(case)["implementation"] == ["embedded stand-in (Envoy 1.40.0)"]
    assert results.test(case)["parameters"][0]["value"] == "'embedded stand-in (Envoy 1.40.0)'"
    assert results.test(case)["testCaseId"] == other.test(case)["testCaseId"]
    assert results.test(case)["historyId"] != other.test(case)["historyId"]


def test_a_history_too_large_to_attach_is_told_and_named(tmp_path: Path) -> None:
    path = tmp_path / "affinity.jsonl"
    write_history(examples.history(exchanges=4000), path)
    assert path.stat().st_size > LIMIT

    title, steps, body = allure._told(path, path.stat().st_mtime_ns)

    assert title == "history affinity (4000 exchanges)"
    assert any("4000 requests" in step for step in steps)
    assert body.startswith("affinity.jsonl has ")


def test_the_environment_names_the_stand_in(tmp_path: Path) -> None:
    allure.write_environment(tmp_path, examples.clean())

    lines = (tmp_path / "environment.properties").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "Implementation=embedded stand-in (Envoy 1.40.0)"
    assert lines[1].startswith("About.Kong=This run says nothing about Kong.")
    assert "Version.envoy=1.40.0" in lines
    assert "Profiles=core" in lines


def test_the_environment_of_a_run_on_kong_names_its_versions(tmp_path: Path) -> None:
    run = replace(examples.on_kong(), versions={"Kong Gateway": "3.11.0.14"})
    allure.write_environment(tmp_path, run)

    text = (tmp_path / "environment.properties").read_text(encoding="utf-8")
    assert "stand-in" not in text
    assert "Version.Kong.Gateway=3.11.0.14" in text
