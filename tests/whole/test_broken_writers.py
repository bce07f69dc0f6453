"""A report writer that crashes takes nothing with it but its own report: verdicts, errors and the status stay."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stickyconf.model.storage import write_history
from stickyconf.reporting.faults import Faults
from stickyconf.reporting.layout import RunDirectory
from stickyconf.reporting.publication import Publication
from tests.histories import affinity
from tests.histories.edits import arranged, edited, nth, reaches
from tests.whole.runs import ROOT

REPORTING = "stickyconf.reporting"
WRITERS = {
    f"{REPORTING}.conformance.write": "the conformance report is missing",
    f"{REPORTING}.junit.write": "junit.xml is missing",
    f"{REPORTING}.summary.append": "the job summary is missing",
    f"{REPORTING}.layout.RunDirectory.publish_latest": "the link to the latest run is missing",
    f"{REPORTING}.timeline.files.timeline": "the timeline of affinity is missing",
    f"{REPORTING}.terminal.lines": "the table of verdicts is missing",
    f"{REPORTING}.allure.write_environment": "Allure's environment is missing",
    f"{REPORTING}.allure.describe": "Allure's description of test_live_session_keeps_its_pod is missing",
    f"{REPORTING}.allure.entitle": "Allure's description of test_live_session_keeps_its_pod is missing",
    f"{REPORTING}.allure.label": "Allure's labels of test_live_session_keeps_its_pod is missing",
    f"{REPORTING}.allure.attach_verdict": "Allure's verdict on AFF-01 is missing",
    f"{REPORTING}.allure.attach_timeline": "the timeline of affinity is missing",
    f"{REPORTING}.allure.attach_history": "Allure's copy of the history affinity is missing",
    f"{REPORTING}.allure.attach_file": "Allure's copy of what was applied for affinity is missing",
    f"{REPORTING}.allure_results.RedactedResults._replace": "a TestResult of Allure's is missing",
    "fixtures.record.Stored.explain": "a part of the diagnostics is missing",
}
SAID = "RuntimeError: this writer is broken on purpose"

# Runs the suite over stored histories once for each writer, in one process: what it imports is imported once.
DRIVER = """
import contextlib, io, json, pathlib, sys
import pytest
import fixtures.record

def broken(*_, **__):
    raise RuntimeError("this writer is broken on purpose")

out, arguments, writers = json.loads(sys.argv[1])
told = {}
for number, writer in enumerate(["", *writers]):
    with pytest.MonkeyPatch.context() as patch, io.StringIO() as said:
        if "." in writer:
            patch.setattr(writer, broken)
        here = pathlib.Path(out) / str(number)
        with contextlib.redirect_stdout(said):
            status = pytest.main([*arguments, "--capture=no", "--out", str(here)])
        told[writer] = dict(status=int(status), output=said.getvalue(), files=[
            file.name for file in here.glob("*/*") if not file.parent.is_symlink()
        ])
sys.__stdout__.write(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """By writer, "" where none was broken: the status, what was printed, and the files that are there."""
    earlier = tmp_path_factory.mktemp("earlier")
    (earlier / "histories").mkdir()
    (earlier / "manifests").mkdir()
    strayed = edited(arranged(affinity(), name="affinity"), nth("pinned", -1), reaches("echo-elsewhere"))
    write_history(strayed, earlier / "histories" / "affinity.jsonl")
    for name in ("cookie", "cookie-path"):
        unlogged = replace(arranged(affinity(), name=name), sightings=())
        write_history(unlogged, earlier / "histories" / f"{name}.jsonl")
    (earlier / "manifests" / "affinity.yaml").write_text("kind: Service\n")
    chosen = [word for one in ("AFF-01", "AFF-02", "CKE-01") for word in ("--requirement", one)]
    arguments = ["-c", "pyproject.toml", "--rejudge", str(earlier), *chosen]
    told = json.dumps([str(tmp_path_factory.mktemp("out")), arguments, list(WRITERS)])
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, told], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def test_nothing_is_broken(told: dict[str, Any]) -> None:
    """One case violates, one conforms, one ends in an error of ours; every report is there and none is missed."""
    plain = told[""]
    assert plain["status"] == 1, plain["output"]
    assert "1 failed, 1 passed" in plain["output"]
    assert {"conformance.yaml", "conformance.md", "junit.xml"} <= set(plain["files"])
    assert "missing" not in plain["output"]


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.rpartition("stickyconf.reporting.")[2])
def test_one_writer_is_broken(told: dict[str, Any], writer: str) -> None:
    """The status, the violation and the error are as without the crash, which takes one line."""
    ended = told[writer]
    assert ended["status"] == told[""]["status"], ended["output"]
    assert "1 failed, 1 passed" in ended["output"]
    assert "reached echo-elsewhere" in ended["output"]
    assert "answers contradict the pods' logs" in " ".join(ended["output"].split())
    [line] = [line for line in ended["output"].splitlines() if line.startswith(WRITERS[writer])]
    assert SAID in line
    assert "INTERNALERROR" not in ended["output"]
    if writer.endswith("conformance.write"):
        assert "report: " not in ended["output"].rpartition("1 failed")[0].rpartition("sticky-session")[2]
    else:
        assert {"conformance.yaml", "conformance.md"} <= set(ended["files"])


def test_what_was_applied_cannot_be_kept(tmp_path: Path) -> None:
    """An object is applied all the same, and its credentials are known from then on."""
    faults = Faults()
    directory = RunDirectory.create(tmp_path, datetime.now(UTC))
    publication = Publication(directory, "", faults)
    directory.manifests.rmdir()
    publication.applied("affinity", {"kind": "Service"})
    [line] = faults.lines
    assert line.startswith("what was applied for affinity is missing from the reports: FileNotFoundError")
