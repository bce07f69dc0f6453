"""A gateway that ends in the middle of a recording is no violation of anything: the run says that it went away."""

import os
import signal
import subprocess
import time

import psutil
import yaml

from tests.whole.runs import LONGEST, ROOT, command

RECORDED = 1.5  # seconds of affinity, which takes longer even on a quick machine


def test_gateway_that_is_killed_is_told_and_violates_nothing(tmp_path):
    """Its container is started again at once, so that Admin API and proxy answer in the end as if nothing had been."""
    chosen = ("--requirement", "AFF-01", "--requirement", "AFF-02")
    process = subprocess.Popen(
        command(tmp_path, *chosen), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    gateway = _gateway(process)
    os.kill(gateway.pid, signal.SIGKILL)
    said = process.communicate(timeout=LONGEST)[0]
    report = yaml.safe_load((tmp_path / "latest" / "conformance.yaml").read_text())
    cases = [case for row in report["requirements"] for case in row["cases"]]
    assert process.returncode == 1, said
    assert len(cases) == 2, said
    assert all(case["outcome"] == "harness-error" for case in cases), said
    assert all("the gateway went away at" in case["error"] for case in cases), said
    assert "it was started again" in said
    assert "VIOLATES" not in said


def _gateway(process: subprocess.Popen) -> psutil.Process:
    """Return the gateway's process once pods have answered through it for a while."""
    deadline = time.monotonic() + LONGEST
    since = None
    while time.monotonic() < deadline:
        family = [(one, _words(one)) for one in psutil.Process(process.pid).children(recursive=True)]
        pods = sum("echo.py" in words for _, words in family)
        since = (since or time.monotonic()) if pods >= 3 else None
        [gateway] = [one for one, words in family if "embedded_cluster.gateway" in words] or [None]
        if gateway and since and time.monotonic() - since > RECORDED:
            return gateway
        psutil.wait_procs([one for one, _ in family], timeout=0.1)
    raise AssertionError("the run did not come up")


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
