"""Runs on disk to build sites of: synthetic runs, written by the suite's own writer and by Allure's."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path

from allure_commons.logger import AllureFileLogger
from allure_commons.model2 import Attachment, Label, Parameter, StatusDetails, TestResult

from stickyconf.model import Status
from stickyconf.model.run import CaseOutcome, CaseResult, Run
from stickyconf.reporting import conformance
from tests.reporting import examples
from tests.reporting.examples import CATALOGUE

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HISTORY = '{"kind": "history", "name": "affinity"}\n' * 40


def numbered(run: Run, number: int, **changes: object) -> Run:
    """The same run, started on another day of November, under another id; from a clean checkout."""
    day = f"{number:02}"
    own = {"id": f"202611{day}T010203Z-0a1b{day}", "started": f"2026-11-{day}T01:02:03+00:00", "commit": COMMIT}
    return replace(run, **{"dirty": False} | own | changes)  # type: ignore[arg-type]


def on_kong(number: int, kong: str = "3.11.0.14", kic: str = "3.5.13", **changes: object) -> Run:
    """A conforming run on Kong, of these versions."""
    versions = {
        "gateway": kong,
        "kong-controller": f"kong/kubernetes-ingress-controller:{kic}@sha256:9f86d081884c",
        "Kubernetes": "v1.34.1",
    }
    return numbered(examples.on_kong(), number, **{"versions": versions} | changes)


def stored(run: Run, out: Path) -> Path:
    """Leave in ``out`` what a run leaves: reports, a history, Allure results with the history attached to each case."""
    folder = out / run.id
    (folder / "histories").mkdir(parents=True)
    (folder / "histories" / "affinity.jsonl").write_text(HISTORY, encoding="utf-8")
    results = folder / "allure-results"
    results.mkdir()
    conformance.write(run, CATALOGUE, folder)
    logger = AllureFileLogger(str(results))
    for case in run.cases:
        logger.report_result(_result(case, results))
    (results / "environment.properties").write_text("Implementation=whoever\n", encoding="utf-8")
    return folder


def _result(case: CaseResult, results: Path) -> TestResult:
    """What allure-pytest writes of a case."""
    path, function = case.node.split("::")
    source = f"{uuid.uuid4()}-attachment.txt"
    (results / source).write_text(HISTORY, encoding="utf-8")
    violated = case.verdict is not None and case.verdict.status is Status.VIOLATES
    broken = case.outcome is CaseOutcome.HARNESS_ERROR
    requirement = CATALOGUE[case.requirement]
    return TestResult(
        uuid=str(uuid.uuid4()),
        name=function,
        fullName=f"{path.removesuffix('.py').replace('/', '.')}#{function.partition('[')[0]}",
        status="failed" if violated else "broken" if broken else "passed",
        statusDetails=StatusDetails(message=case.verdict.told()) if violated and case.verdict else None,
        labels=[
            Label(name="epic", value=CATALOGUE.families[requirement.family]),
            Label(name="story", value=f"{requirement.id} {requirement.title}"),
        ],
        parameters=[Parameter(name="implementation", value="'whoever'")],
        attachments=[Attachment(name="affinity.jsonl", source=source, type="text/plain")],
        start=1_795_000_000_000,
        stop=1_795_000_001_000,
    )


def attachments_of(results: Path) -> list[str]:
    """Names of the attachment files that the results in a folder mention."""
    records = [json.loads(file.read_text(encoding="utf-8")) for file in results.glob("*-result.json")]
    return [one["source"] for record in records for one in record["attachments"]]
