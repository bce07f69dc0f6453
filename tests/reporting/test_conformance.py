"""The conformance report says what a run comes to, no more and no less, and never lets a stand-in pass for Kong."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from stickyconf.model import Finding, Level, Measure, Status
from stickyconf.model.run import Run
from stickyconf.ports import HarnessError
from stickyconf.reporting import conformance, markdown
from stickyconf.reporting.assessment import assess
from stickyconf.reporting.implementation import STAND_IN
from stickyconf.reporting.schema import schema
from tests.reporting import examples
from tests.reporting.examples import CATALOGUE, ROOT, broke, conforming, judged, run_of, without

EVERY = [examples.clean, examples.on_kong, examples.violated, examples.inconclusive, examples.harness_error]


def report_of(run: Run) -> dict[str, Any]:
    return conformance.build(run, CATALOGUE)


def profile(report: dict[str, Any], name: str = "core") -> dict[str, Any]:
    return next(profile for profile in report["profiles"] if profile["name"] == name)


def requirement(report: dict[str, Any], identifier: str) -> dict[str, Any]:
    return next(row for row in report["requirements"] if row["id"] == identifier)


@pytest.mark.parametrize("example", EVERY)
def test_what_is_written_is_what_was_built_and_keeps_to_the_schema(tmp_path: Path, example: Callable[[], Run]) -> None:
    path = conformance.write(example(), CATALOGUE, tmp_path)

    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert written == report_of(example())
    jsonschema.validate(written, schema(), cls=jsonschema.Draft202012Validator)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["conformance.md", "conformance.yaml"]


def test_the_schema_is_a_schema_and_stands_where_readers_look_for_it() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())

    published = ROOT / "reports" / "schema" / "conformance.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == schema()


def test_the_same_run_is_written_the_same_whatever_order_its_cases_ended_in(tmp_path: Path) -> None:
    run = examples.violated()
    one, other = tmp_path / "one", tmp_path / "other"
    for directory, cases in ((one, run.cases), (other, run.cases[::-1])):
        directory.mkdir()
        conformance.write(replace(run, cases=cases), CATALOGUE, directory)

    for name in ("conformance.yaml", "conformance.md"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_everything_conforming_is_conformant() -> None:
    report = report_of(examples.clean())

    assert report["result"] == profile(report)["result"] == "conformant"
    assert profile(report)["statistics"]["MUST"] == {
        "conforms": sum(row.level is Level.MUST and "core" in row.profiles for row in CATALOGUE),
        "violates": 0,
        "inconclusive": 0,
        "not_applicable": 0,
        "unjudged": 0,
    }


@pytest.mark.parametrize(
    ("status", "result", "listed"),
    [
        (Status.VIOLATES, "not conformant", "violated"),
        (Status.INCONCLUSIVE, "partial", "inconclusive"),
        (Status.NOT_APPLICABLE, "partial", "not_applicable"),
    ],
)
def test_one_must_decides_its_profile(status: Status, result: str, listed: str) -> None:
    case = judged("AFF-01", status, Finding("a pod", "another", (3,), "affinity"))

    core = profile(report_of(run_of(*without(conforming("core"), "AFF-01"), case)))

    assert core["result"] == result
    assert core[listed] == ["AFF-01"]
    assert core["statistics"]["MUST"][status.value.lower()] == 1


def test_a_must_without_a_case_leaves_its_profile_partial() -> None:
    report = report_of(run_of(*without(conforming("core"), "AFF-08")))

    assert profile(report)["result"] == "partial"
    assert profile(report)["unjudged"] == ["AFF-08"]
    assert requirement(report, "AFF-08")["reason"] == "no case yet"


def test_a_must_about_other_versions_is_not_held_against_a_gateway(tmp_path: Path) -> None:
    cases = [*without(conforming("api"), "API-11"), judged("API-11", Status.NOT_APPLICABLE, Finding("3.10", "3.11"))]
    run = run_of(*cases, profiles=("api",), versions={"gateway": "3.11.0.14"})

    conformance.write(run, CATALOGUE, tmp_path)

    assert profile(report_of(run), "api")["result"] == "conformant"
    assert profile(report_of(run), "api")["not_applicable"] == ["API-11"]


def test_a_filtered_run_says_that_cases_were_left_out() -> None:
    report = report_of(run_of(*without(conforming("core"), "AFF-08"), filtered=True))

    assert "filtered" in requirement(report, "AFF-08")["reason"]
    assert any("left out on purpose" in notice for notice in report["notices"])


def test_a_filtered_run_shows_no_profile_to_be_conformant_whatever_conforms() -> None:
    """A requirement may have several cases, and the ones left out may be those that would have failed."""
    assert profile(report_of(replace(examples.clean(), filtered=True)))["result"] == "partial"


def test_a_should_counts_under_strict_only() -> None:
    case = judged("SPR-02", Status.VIOLATES, Finding("even shares", "one pod starved"))
    run = run_of(*without(conforming("core"), "SPR-02"), case)

    assert profile(report_of(run))["result"] == "conformant"
    assert profile(report_of(run))["violated"] == ["SPR-02"]
    assert profile(report_of(replace(run, strict=True)))["result"] == "not conformant"


def test_an_observation_is_measured_and_never_counts() -> None:
    case = judged("CKE-11", Status.VIOLATES, Finding("a UUID", "base64"), measures=(Measure("UUID", "no"),))
    report = report_of(run_of(*without(conforming("core"), "CKE-11"), case, strict=True))

    assert requirement(report, "CKE-11")["status"] == "MEASURED"
    assert requirement(report, "CKE-11")["measures"] == [{"name": "UUID", "value": "no", "unit": ""}]
    assert profile(report)["result"] == "conformant"
    assert profile(report)["violated"] == []


def test_an_error_of_ours_is_no_violation_and_no_pass() -> None:
    """A second case that broke takes a requirement's good standing away: not all of it was looked at."""
    cases = [*conforming("core"), broke("AFF-02", "HarnessError: the cluster went away")]
    report = report_of(run_of(*cases))

    row = requirement(report, "AFF-02")
    assert (row["status"], row["reason"]) == ("UNJUDGED", "HarnessError: the cluster went away")
    assert [case["outcome"] for case in row["cases"]] == ["judged", "harness-error"]
    assert profile(report)["result"] == "partial"
    assert profile(report)["violated"] == []


def test_an_error_of_ours_hides_no_violation() -> None:
    cases = [judged("AFF-02", Status.VIOLATES, examples.STRAY), broke("AFF-02", "HarnessError: later")]
    report = report_of(run_of(*without(conforming("core"), "AFF-02"), *cases))

    assert requirement(report, "AFF-02")["status"] == "VIOLATES"
    assert profile(report)["result"] == "not conformant"


def test_the_worst_profile_decides_the_run_and_no_profile_proves_nothing() -> None:
    report = report_of(replace(examples.violated(), profiles=("core", "drain")))

    assert [entry["result"] for entry in report["profiles"]] == ["not conformant", "partial"]
    assert report["result"] == "not conformant"
    assert report_of(run_of(profiles=()))["result"] == "partial"


def test_requirements_come_in_the_catalogues_order_and_only_those_that_were_asked_for() -> None:
    report = report_of(examples.harness_error())

    order = [requirement.id for requirement in CATALOGUE]
    listed = [row["id"] for row in report["requirements"]]
    assert listed == [identifier for identifier in order if identifier in listed]
    assert set(listed) == {r.id for r in CATALOGUE if {"core", "docs"} & set(r.profiles)}


def test_a_finding_says_where_to_look() -> None:
    row = requirement(report_of(examples.violated()), "AFF-01")

    assert row["findings"][0] == {
        "expected": examples.STRAY.expected,
        "actual": examples.STRAY.actual,
        "place": {"history": "affinity", "exchanges": [3, 14]},
    }


def test_no_reader_of_a_run_on_the_stand_in_can_take_it_for_kong(tmp_path: Path) -> None:
    path = conformance.write(examples.clean(), CATALOGUE, tmp_path)

    yaml_text, page = path.read_text(encoding="utf-8"), (tmp_path / "conformance.md").read_text(encoding="utf-8")
    report = yaml.safe_load(yaml_text)
    assert yaml_text.startswith("# This run says nothing about Kong.")
    assert report["notices"][0].startswith("This run says nothing about Kong.")
    assert report["implementation"]["kind"] == "embedded stand-in"
    assert report["implementation"]["name"] == "embedded stand-in (Envoy 1.40.0)"
    assert report["implementation"]["says_something_about_kong"] is False
    title, _, first, *_ = page.splitlines()
    assert title == "# Sticky-session conformance of the embedded stand-in (not Kong): conformant"
    assert first.startswith("> **This run says nothing about Kong.")


def test_a_run_on_kong_names_it_with_its_versions_and_disclaims_nothing(tmp_path: Path) -> None:
    path = conformance.write(examples.on_kong(), CATALOGUE, tmp_path)

    report = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert report["notices"] == []
    assert report["implementation"]["kind"] == "Kong"
    assert report["implementation"]["says_something_about_kong"] is True
    assert report["implementation"]["versions"]["Kong Gateway"] == "3.11.0.14 (sha256:9f86d081884c)"
    assert "stand-in" not in (tmp_path / "conformance.md").read_text(encoding="utf-8")


REAL_CONTROLLER = {"controller": "Kong Ingress Controller 3.5.13", "envoy": "1.40.0"}


def test_a_real_controller_before_a_stand_in_is_named_by_itself(tmp_path: Path) -> None:
    path = conformance.write(replace(examples.clean(), versions=REAL_CONTROLLER), CATALOGUE, tmp_path)

    said = yaml.safe_load(path.read_text(encoding="utf-8"))["implementation"]
    assert said["gateway"] == "embedded stand-in (Envoy 1.40.0)"
    assert said["controller"] == "Kong Ingress Controller 3.5.13"
    assert said["says_something_about"] == ["Kong Ingress Controller"]
    assert said["says_something_about_kong"] is False
    title = (tmp_path / "conformance.md").read_text(encoding="utf-8").splitlines()[0]
    title, _, result = title.partition(" conformance of ")[2].rpartition(": ")
    assert title == "Kong Ingress Controller 3.5.13 before the embedded stand-in (not Kong Gateway)"
    assert result == "conformant"


def test_a_real_gateway_behind_a_stand_in_is_named_by_itself(tmp_path: Path) -> None:
    path = conformance.write(replace(examples.on_kong(), versions={"controller": STAND_IN}), CATALOGUE, tmp_path)

    said = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert said["implementation"]["says_something_about"] == ["Kong Gateway"]
    assert said["notices"][0].startswith("This run says nothing about Kong Ingress Controller.")
    title = (tmp_path / "conformance.md").read_text(encoding="utf-8").splitlines()[0]
    assert title.startswith(
        "# Sticky-session conformance of Kong Gateway behind the embedded stand-in (not Kong Ingress"
    )


def test_each_version_is_told_once(tmp_path: Path) -> None:
    conformance.write(examples.on_kong(), CATALOGUE, tmp_path)

    tested = (tmp_path / "conformance.md").read_text(encoding="utf-8").partition("## What was tested")[2]
    table = tested.partition("##")[0]
    assert "| implementation | Kong Gateway Enterprise and KIC |" in table
    for version in examples.on_kong().versions.values():
        assert table.count(version) == 1


def test_a_run_with_a_deliberate_fault_says_nothing_about_kong_either() -> None:
    report = report_of(replace(examples.on_kong(), mutant="never_sets_the_cookie"))

    assert report["implementation"]["says_something_about_kong"] is False
    assert report["implementation"]["says_something_about"] == []
    assert "never_sets_the_cookie" in report["notices"][0]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report: report["implementation"].update(says_something_about_kong=True),
        lambda report: report["implementation"].update(name="Kong Gateway"),
        lambda report: report["implementation"].update(says_something_about=["Kong Gateway"]),
        lambda report: report["profiles"][0]["statistics"]["MUST"].update(violates=1),
        lambda report: report["requirements"][0].update(status="UNJUDGED"),
        lambda report: report["requirements"][0].update(status="VIOLATES"),
        lambda report: report["requirements"][0].update(cases=[]),
        lambda report: report["requirements"][0].update(status="MEASURED"),
        lambda report: report.update(extra=1),
        lambda report: report.pop("reproduce"),
    ],
)
def test_the_schema_refuses_a_report_that_contradicts_itself(spoil: Callable[[dict[str, Any]], Any]) -> None:
    report = copy.deepcopy(report_of(examples.clean()))
    jsonschema.validate(report, schema())

    spoil(report)

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, schema())


def test_a_report_that_would_break_the_schema_is_an_error_of_ours_and_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"break its own schema at \$\.run\.requests"):
        conformance.write(replace(examples.clean(), requests=-1), CATALOGUE, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_no_credential_is_written(tmp_path: Path) -> None:
    secret = "hunter2hunter2"
    run = replace(
        examples.clean(),
        command=f"pytest --admin-url https://kong:{secret}@127.0.0.1:8444",
        versions={"Kong-Admin-Token": secret},
        cases=(broke("AFF-01", f"HarnessError: Authorization: Bearer {secret} was refused"),),
    )

    conformance.write(run, CATALOGUE, tmp_path)

    for file in tmp_path.iterdir():
        assert secret not in file.read_text(encoding="utf-8"), file.name


def test_the_page_puts_the_verdict_first_then_what_is_wrong(tmp_path: Path) -> None:
    conformance.write(examples.violated(), CATALOGUE, tmp_path)
    page = (tmp_path / "conformance.md").read_text(encoding="utf-8")

    headings = [line for line in page.splitlines() if line.startswith("#")]
    assert headings[0].endswith(": not conformant")
    assert [heading for heading in headings if heading.startswith("## ")] == [
        "## 2 causes",
        "## Violations",
        "## Inconclusive",
        "## Profile core: not conformant",
        "## Measured",
        "## What was tested",
        "## Statistics",
        "## How to reproduce",
    ]
    assert "- **core: not conformant**: violates AFF-01, SPR-02; inconclusive AFF-03" in page
    assert "<br>**at** histories/affinity.jsonl #3, #14" in page
    assert "- and 2 more, in conformance.yaml" in page
    assert (
        "| AFF-02 | Affinity does not depend on the connection | MUST | conforms | sessions 30; requests 600 |" in page
    )
    assert "| length | 26 characters |" in page
    assert "pytest --profile core --seed 42" in page


def test_what_the_system_said_cannot_break_the_page() -> None:
    nasty = Finding("a|b", "<script>alert(1)</script>\n# heading *and* `code` [x](y)", (), "affinity")
    run = run_of(judged("AFF-01", Status.VIOLATES, nasty))

    page = markdown.render(run, assess(run, CATALOGUE))

    assert "<script>" not in page
    assert "\n# heading" not in page
    assert r"**saw** &lt;script>alert(1)&lt;/script> # heading \*and\* \`code\` \[x\](y)" in page


def test_what_the_statistics_can_show_is_shown(tmp_path: Path) -> None:
    report = yaml.safe_load(conformance.write(examples.violated(), CATALOGUE, tmp_path).read_text(encoding="utf-8"))
    page = (tmp_path / "conformance.md").read_text(encoding="utf-8")

    rows = {row["requirement"]: row for row in report["statistics"]}
    assert rows["SPR-02"]["samples"] == 186
    assert rows["SPR-02"]["false_alarm"] <= rows["SPR-02"]["alpha"] == 1e-7
    assert rows["SPR-02"]["power"] >= 0.999
    seen = "a pod gets a quarter of its share, or twice its share"
    assert f"| SPR-02 | 186 sessions | 1e-07 | 6.5e-08 | {seen} | 1 - 8e-04 |" in page


def test_the_report_leads_with_causes_and_each_row_says_what_it_follows_from(tmp_path: Path) -> None:
    report = yaml.safe_load(conformance.write(examples.caused(), CATALOGUE, tmp_path).read_text(encoding="utf-8"))
    page = (tmp_path / "conformance.md").read_text(encoding="utf-8")
    rows = {row["id"]: row for row in report["requirements"]}

    assert report["causes"] == [
        {"requirement": "CKE-01", "followed_by": ["CKE-02", "AFF-01"]},
        {"requirement": "AFF-02", "followed_by": []},
    ]
    assert (rows["AFF-01"]["status"], rows["AFF-01"]["follows_from"]) == ("VIOLATES", ["CKE-01"])
    assert (rows["CKE-01"]["follows_from"], rows["CKE-01"]["because"]) == ([], "")
    assert "- AFF-01: follows from CKE-01: in each counter-example a session was given no cookie" in page
    assert (
        page.index("## 2 causes")
        < page.index("### CKE-01")
        < page.index("### AFF-02")
        < page.index("- AFF-01: follows")
    )
