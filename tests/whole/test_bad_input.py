"""Bad input gets one clear line, saying what is wrong and what to do, and status 2 or 4; never a traceback."""

import gzip
import json
import socket
from dataclasses import replace

import pytest

from stickyconf.model.storage import write_history
from stickyconf.reporting import conformance
from tests.histories import policies
from tests.reporting.examples import CATALOGUE, run_of
from tests.whole.runs import ROOT, run_suite

BAD = {
    "profile": (["--profile", "corr"], "no profile is called 'corr'; there are: "),
    "profile without cases": (
        ["suites/test_spread.py", "--profile", "konnect"],
        "no case belongs to the profile konnect yet",
    ),
    "requirement": (["--requirement", "AFF-99"], "no requirement is called 'AFF-99'"),
    "target": (["--target", "minikube"], "no target is called 'minikube'; there are: embedded"),
    "gateway": (["--gateway", "nginx"], "no gateway is called 'nginx'; there are: envoy, haproxy, python"),
    "mutant of another gateway": (
        ["--mutant", "never_sets_the_cookie", "--gateway", "python"],
        "--mutant never_sets_the_cookie acts in Envoy only, not with --gateway python",
    ),
    "budget": (["--budget", "patience=3"], "no budget is called 'patience'; there are: "),
    "budget's form": (["--budget", "programmed"], "budget 'programmed' is not NAME=SECONDS"),
    "pytest-xdist": (["-n", "2"], "pytest-xdist (-n) cannot share out conformance cases"),
    "jobs": (["--jobs", "0"], "--jobs 0: give a number of 1 or more"),
    "drains": (["--drains", "0"], "--drains 0: give a number of 1 or more"),
    "budget's value": (["--budget", "programmed=-1"], "give a number of seconds above 0"),
    "mutant": (["--mutant", "explodes"], "no mutant is called 'explodes'"),
    "histories": (["--rejudge", "/nowhere"], "/nowhere: cannot be read"),
}


@pytest.mark.parametrize(("arguments", "said"), BAD.values(), ids=BAD)
def test_refused_in_one_line(arguments, said, tmp_path):
    """Nothing is started for what cannot be."""
    result = run_suite(tmp_path, *arguments)
    assert result.status == 4
    assert said in result.output
    assert "Traceback" not in result.output
    assert len([line for line in result.output.splitlines() if line.startswith("ERROR")]) == 1, result.output
    assert not list(tmp_path.iterdir()), "a run that never began leaves no report"


def test_proxy_that_nobody_answers(tmp_path):
    """The address is named, and no cluster is started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        result = run_suite(tmp_path, "--proxy-url", url)
    assert result.status == 4
    assert f"--proxy-url {url}: nothing answers there" in result.output
    assert "Traceback" not in result.output


def test_case_that_another_option_left_out(tmp_path):
    """If the last failures or a keyword leave a requirement's case out, the message says so, not that there is none."""
    cache = tmp_path / "cache" / "v" / "cache"
    cache.mkdir(parents=True)
    (cache / "lastfailed").write_text(json.dumps({"suites/test_cookie.py::test_first_response_sets_one_cookie": True}))
    for words, said in ((["--lf", "-o", f"cache_dir={tmp_path / 'cache'}"], "--lf"), (["-k", "nothing"], "-k")):
        result = run_suite(tmp_path / "out", "--requirement", "API-01", *words)
        assert result.status == 4, result.output
        assert f"API-01: {said} left out every case that proves it" in result.output
        assert "Traceback" not in result.output


def test_gzipped_history(tmp_path):
    """A gzipped history is judged as it is, from its file and from a directory; the same history twice is refused."""
    history = policies()
    write_history(replace(history, setup=replace(history.setup, name="policy-api")), tmp_path / "plain.jsonl")
    directory = tmp_path / "stored" / "histories"
    directory.mkdir(parents=True)
    file = directory / "policies.jsonl.gz"
    file.write_bytes(gzip.compress((tmp_path / "plain.jsonl").read_bytes()))
    for given in (file, directory, directory.parent):
        result = run_suite(tmp_path / "out", "--rejudge", str(given), "--requirement", "API-01")
        assert result.status == 0, result.output
        assert result.status_of("API-01") == "CONFORMS"
    (directory / "policies.jsonl").write_bytes((tmp_path / "plain.jsonl").read_bytes())
    twice = run_suite(tmp_path / "out", "--rejudge", str(directory), "--requirement", "API-01")
    assert twice.status == 4
    assert "another file holds a history 'policy-api', too" in twice.output


def test_histories_of_some_cases_only(tmp_path):
    """Cases whose histories the earlier run does not have are deselected, and the report says which histories.

    Of an earlier run with its report, the profiles are judged that it judged, and a deliberate fault is named as there.
    """
    stored = tmp_path / "earlier" / "histories"
    stored.mkdir(parents=True)
    write_history(replace(policies(), setup=replace(policies().setup, name="policy-api")), stored / "policy-api.jsonl")
    result = run_suite(tmp_path / "out", "--rejudge", str(stored.parent), "--profile", "api")
    assert "there is no history called" not in result.output
    assert result.report
    assert result.status_of("API-01") == "CONFORMS"
    assert any("has no history of: annotation" in notice for notice in result.report["notices"])
    assert next(row for row in result.report["requirements"] if row["id"] == "API-09")["status"] == "UNJUDGED"

    conformance.write(run_of(mutant="never_sets_the_cookie", profiles=("api",)), CATALOGUE, stored.parent)
    faulty = run_suite(tmp_path / "out", "--rejudge", str(stored.parent))
    assert faulty.report
    assert (faulty.report["run"]["mutant"], faulty.report["run"]["profiles"]) == ("never_sets_the_cookie", ["api"])
    assert "A deliberate fault was in force: never_sets_the_cookie" in faulty.output

    asked = run_suite(tmp_path / "out", "--rejudge", str(stored.parent), "--requirement", "API-09")
    assert asked.status == 4
    assert "it has no history of annotation, which the requirement is read from" in asked.output


DEAD_PORT = """
import contextlib
from pathlib import Path
import fixtures.target
from stickyconf.targets.installation import KONG_TEMPO, Installation

@contextlib.contextmanager
def embedded_cluster(options, **_):
    yield Installation(
        target="embedded", kubeconfig=Path("/nowhere"), tempo=KONG_TEMPO, proxy_url="http://127.0.0.1:9"
    )

fixtures.target.embedded_cluster = embedded_cluster
"""


def test_proxy_port_that_is_dead(tmp_path, monkeypatch):
    """The run ends before its first recording: one line, not a wait for each of them."""
    (tmp_path / "dead_port.py").write_text(DEAD_PORT)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    result = run_suite(tmp_path / "out", "-p", "dead_port", "--budget", "proxy=1")
    assert result.status == 2, result.output
    [line] = [line for line in result.output.splitlines() if "Kong's proxy at http://127.0.0.1:9 to answer" in line]
    assert "no answer (ConnectError" in line
    assert "passed" not in result.output
    assert "Traceback" not in result.output


def test_truncated_history(tmp_path):
    """A history without its last line is not judged."""
    write_history(policies(), whole := tmp_path / "whole.jsonl")
    (tmp_path / "cut.jsonl").write_text("".join(whole.read_text().splitlines(keepends=True)[:-1]))
    result = run_suite(tmp_path / "out", "--rejudge", str(tmp_path / "cut.jsonl"))
    assert result.status == 4
    assert "cut.jsonl: truncated" in result.output
    assert "Traceback" not in result.output


def test_history_of_another_version(tmp_path):
    """A history of another format version is not judged."""
    (tmp_path / "old.jsonl").write_text(json.dumps({"format": "stickyconf-history/0"}) + "\n")
    result = run_suite(tmp_path / "out", "--rejudge", str(tmp_path))
    assert result.status == 4
    assert "written as stickyconf-history/0, this version reads stickyconf-history/1" in result.output


def test_platform_without_envoy(tmp_path, monkeypatch):
    """Without the Envoy wheel the run says so and ends."""
    (tmp_path / "sitecustomize.py").write_text("import sys\n\nsys.modules['envoy'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    result = run_suite(tmp_path / "out", "--requirement", "API-01")
    assert result.status == 2, result.output
    assert "no Envoy for this platform" in result.output
    assert "Traceback" not in result.output
