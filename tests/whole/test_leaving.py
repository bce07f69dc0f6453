"""Nothing is left behind, however a run ends; two runs do not disturb each other; histories can be judged again."""

import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from tests.processes import children, command_line, is_alive
from tests.waiting import PATIENCE, eventually
from tests.whole.runs import LONGEST, ROOT, command, echo_pods, run_suite


def assert_gone(family: set[int]) -> None:
    """None of a run's processes is left."""
    eventually("every process gone", lambda: not any(map(is_alive, family)))


def family_of(process: subprocess.Popen) -> set[int]:
    """Every process that a run has started, its gateway's Envoy among them."""
    family = children(process.pid)
    assert any("/envoy " in command_line(one) for one in family)
    return family


def test_nothing_survives_kill_9(tmp_path):
    """After kill -9 of pytest every process of the run ends; after other signals: see the interrupted runs below."""
    process = subprocess.Popen(
        command(tmp_path, "--requirement", "CKE-01"), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    eventually("pods of a recording", lambda: process.poll() is not None or echo_pods(process) >= 3, LONGEST)
    family = family_of(process)
    process.kill()
    assert process.wait(PATIENCE) == -signal.SIGKILL, "the run had ended before it was killed"
    assert_gone(family)


def test_pages_need_kubectl(tmp_path):
    """Without kubectl the pages' cases are NOT_APPLICABLE with that reason, and the run passes."""
    result = run_suite(tmp_path, "--profile", "docs", path="/nonexistent")
    assert result.status == 0, result.output
    assert result.status_of("DOC-01") == "NOT_APPLICABLE"
    assert "kubectl" in result.output


def interrupted(out: Path, how: signal.Signals) -> tuple[int, str]:
    """Run, and end the run with a signal while pages are recorded; its exit status and what it printed.

    Their recording is played alone, after the cookie's was judged. Every process of the run ends.
    """
    chosen = ("--requirement", "CKE-01", "--requirement", "DOC-01")
    process = subprocess.Popen(
        command(out, *chosen), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said = ""
    while "suites/test_pages.py" not in said:
        piece = os.read(process.stdout.fileno(), 4096).decode()
        assert piece, said
        said += piece
    family = family_of(process)
    os.kill(process.pid, how)
    said += process.communicate(timeout=LONGEST)[0]
    assert_gone(family)
    return process.returncode, said


def test_two_runs_at_once_that_are_interrupted(tmp_path):
    """Two runs on one machine share neither ports, addresses nor directories.

    Ctrl-C ends one, the signal of a cancelled CI job the other: what was judged before is in the report, and can be
    judged again without a cluster.
    """
    signals = (signal.SIGINT, signal.SIGTERM)
    with ThreadPoolExecutor(len(signals)) as pool:
        ends = list(pool.map(lambda how: interrupted(tmp_path / how.name, how), signals))
    for how, (status, said) in zip(signals, ends, strict=True):
        report = yaml.safe_load((tmp_path / how.name / "latest" / "conformance.yaml").read_text())
        judged = {row["id"]: row["status"] for row in report["requirements"]}
        assert status == 2, said
        assert judged["CKE-01"] == "CONFORMS", said
        assert judged["DOC-01"] == "UNJUDGED", said
        earlier = tmp_path / how.name / "latest"
        again = run_suite(tmp_path / "again", "--requirement", "CKE-01", "--rejudge", str(earlier))
        assert again.status == 0, again.output
        assert again.status_of("CKE-01") == "CONFORMS"


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
