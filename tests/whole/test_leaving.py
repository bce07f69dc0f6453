"""Nothing is left behind, however a run ends; two runs do not disturb each other; histories can be judged again."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import yaml

from tests.waiting import PATIENCE
from tests.whole.runs import LONGEST, ROOT, command, run_suite


def started(out: Path) -> tuple[subprocess.Popen, list[psutil.Process]]:
    """Start a run and return it with every process it has once the gateway serves."""
    process = subprocess.Popen(
        command(out, "--requirement", "CKE-01"), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    root = psutil.Process(process.pid)
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        family = root.children(recursive=True)
        if sum("echo.py" in " ".join(_command(one)) for one in family) >= 3:
            return process, family
        psutil.wait_procs(family, timeout=0.1)
    process.kill()
    pytest.fail("the run did not come up")


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def assert_gone(family: list[psutil.Process]) -> None:
    """None of a run's processes is left."""
    _, alive = psutil.wait_procs(family, timeout=PATIENCE)
    assert not alive


def test_nothing_survives_kill_9(tmp_path):
    """After kill -9 of pytest every process of the run ends; after other signals: see the interrupted run below."""
    process, family = started(tmp_path)
    assert any("envoy" in one.name() for one in family)
    process.kill()
    process.wait(PATIENCE)
    assert_gone(family)


def test_two_runs_at_once(tmp_path):
    """Two runs on one machine share neither ports, addresses nor directories; each can be judged again without one."""
    selection = ("--requirement", "CKE-01", "--requirement", "CKE-03")
    other = subprocess.Popen(
        command(tmp_path / "a", *selection), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    result = run_suite(tmp_path / "b", *selection)
    output, _ = other.communicate(timeout=LONGEST)
    assert result.status == 0, result.output
    assert other.returncode == 0, output
    assert result.status_of("CKE-01") == "CONFORMS"
    again = run_suite(tmp_path / "again", *selection, "--rejudge", str(result.directory))
    assert again.status == 0, again.output
    assert again.status_of("CKE-01") == "CONFORMS"


def test_pages_need_kubectl(tmp_path):
    """Without kubectl the pages' cases are NOT_APPLICABLE with that reason, and the run passes."""
    result = run_suite(tmp_path, "--profile", "docs", path="/nonexistent")
    assert result.status == 0, result.output
    assert result.status_of("DOC-01") == "NOT_APPLICABLE"
    assert "kubectl" in result.output


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
def test_interrupted_run_reports_what_was_judged(how, tmp_path):
    """Ctrl-C or a cancelled CI job while something is recorded: what was judged before is in the report.

    Every process of the run ends.
    """
    chosen = ("--requirement", "API-01", "--requirement", "DOC-01")
    process = subprocess.Popen(
        command(tmp_path, *chosen), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said = ""
    while "suites/test_pages.py" not in said:  # its recording is played alone, after the other was judged
        piece = os.read(process.stdout.fileno(), 4096).decode()
        assert piece, said
        said += piece
    family = psutil.Process(process.pid).children(recursive=True)
    assert any("envoy" in one.name() for one in family)
    os.kill(process.pid, how)
    said += process.communicate(timeout=LONGEST)[0]
    assert_gone(family)
    report = yaml.safe_load((tmp_path / "latest" / "conformance.yaml").read_text())
    judged = {row["id"]: row["status"] for row in report["requirements"]}
    assert process.returncode == 2, said
    assert judged["API-01"] == "CONFORMS"
    assert judged["DOC-01"] == "UNJUDGED"


def test_a_gateway_without_sticky_sessions(tmp_path):
    """It is named in one line with the controller's Warning; what presupposes them is not played and says so."""
    chosen = ("--requirement", "API-11", "--requirement", "AFF-01", "--requirement", "CKE-01")
    result = run_suite(tmp_path, *chosen, "--gateway-version", "3.10.0")
    assert result.status == 0, result.output
    assert result.report
    [notice] = [one for one in result.report["notices"] if "has no sticky sessions" in one]
    assert notice.startswith("Kong Gateway 3.10.0-embedded has no sticky sessions: they came with 3.11; the controller")
    assert "versions < 3.11.0" in notice
    statuses = {name: result.status_of(name) for name in ("API-11", "AFF-01", "CKE-01")}
    assert statuses == {"API-11": "CONFORMS", "AFF-01": "NOT_APPLICABLE", "CKE-01": "NOT_APPLICABLE"}
    assert "not applicable: CKE-01, AFF-01: Kong Gateway 3.10.0-embedded has no sticky sessions" in result.output
    again = run_suite(tmp_path / "again", *chosen, "--rejudge", str(result.directory))
    assert again.status_of("AFF-01") == "NOT_APPLICABLE"
