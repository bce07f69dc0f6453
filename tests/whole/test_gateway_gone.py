"""A gateway that ends or hangs in the middle of a recording is no violation of anything: the run says so, and ends."""

import os
import signal
import subprocess
import time

import yaml

from tests.processes import children, command_line
from tests.waiting import eventually
from tests.whole.runs import LONGEST, ROOT, command, echo_pods

RECORDED = 1.5  # seconds of affinity, which takes longer even on a quick machine


def test_gateway_that_is_killed_is_told_and_violates_nothing(tmp_path):
    """Its container is started again at once, so that Admin API and proxy answer in the end as if nothing had been."""
    chosen = ("--requirement", "AFF-01", "--requirement", "AFF-02")
    process = subprocess.Popen(
        command(tmp_path, *chosen), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    os.kill(_gateway(process, "embedded_cluster.gateway"), signal.SIGKILL)
    said = process.communicate(timeout=LONGEST)[0]
    report = yaml.safe_load((tmp_path / "latest" / "conformance.yaml").read_text())
    cases = [case for row in report["requirements"] for case in row["cases"]]
    assert process.returncode == 1, said
    assert len(cases) == 2, said
    assert all(case["outcome"] == "harness-error" for case in cases), said
    assert all("the gateway went away at" in case["error"] for case in cases), said
    assert "it was started again" in said
    assert "VIOLATES" not in said


def test_gateway_that_hangs_ends_the_recording(tmp_path):
    """Its Admin API answers on, its data plane takes connections and says nothing."""
    hurried = ("--budget", "request=1", "--budget", "silence=5", "--budget", "workers=2")
    process = subprocess.Popen(
        command(tmp_path, "--requirement", "AFF-01", *hurried),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    os.kill(_gateway(process, "_bin/envoy "), signal.SIGSTOP)
    said = process.communicate(timeout=LONGEST)[0]
    report = yaml.safe_load((tmp_path / "latest" / "conformance.yaml").read_text())
    assert process.returncode == 1, said
    assert [row["status"] for row in report["requirements"] if row["cases"]] == ["INCONCLUSIVE"], said
    assert "  expected  an answer from the gateway to any request\n  saw       none for 5 s" in said


def _gateway(process: subprocess.Popen, name: str) -> int:
    """Return the id of the gateway's process of that name once pods have answered through it for a while."""
    eventually("pods of a recording", lambda: echo_pods(process) >= 3, LONGEST)
    since = time.monotonic()
    eventually("a recording that is under way", lambda: time.monotonic() - since > RECORDED)
    [gateway] = [one for one in children(process.pid) if name in command_line(one)]
    return gateway
