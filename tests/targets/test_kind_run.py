"""``pytest --target kind`` as a user runs it: what it refuses, and what ends it early.

A whole run with a stand-in for the kind cluster is in test_any_version.py.
"""

import json
from argparse import Namespace
from pathlib import Path

import pytest

from stickyconf.targets.installation import BadOption
from stickyconf.targets.kind import options as kind_options
from tests.targets import fakes
from tests.whole.runs import run_suite


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH on which Docker and kind answer, and are never asked for more than that."""
    state = tmp_path / "fakes"
    fakes.tools(state)
    information = json.dumps({"ServerVersion": "28.0", "DockerRootDir": "/nowhere"})
    (state / "docker").write_text(f"#!/bin/sh\necho '{information}'\n")
    return f"{state}:/usr/bin:/bin"


def test_without_docker(tmp_path):
    """One line, before anything is begun, and no report."""
    result = run_suite(tmp_path / "out", "--target", "kind", path=str(tmp_path))
    assert result.status == 4
    said = [line for line in result.output.splitlines() if line]
    assert said == [
        "ERROR: --target kind needs docker, and there is none on PATH: install Docker "
        "(https://docs.docker.com/get-docker/); --target embedded needs none of it"
    ]
    assert not (tmp_path / "out").exists()


def test_expired_licence(monkeypatch):
    """It is refused before Docker is asked, and not shown."""
    payload = {"license_expiration_date": "2020-01-01", "license_key": "SENSITIVE"}
    monkeypatch.setenv("KONG_LICENSE_DATA", json.dumps({"license": {"payload": payload}}))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BadOption) as caught:
        kind_options.check(Namespace(rejudge=None, collectonly=False))
    assert str(caught.value) == "KONG_LICENSE_DATA: the licence expired on 2020-01-01; give a current one"


def test_no_licence_where_one_is_needed(tmp_path, path, monkeypatch):
    """The case is not applicable, with the reason; nothing is downloaded and no cluster is made."""
    monkeypatch.delenv("KONG_LICENSE_DATA", raising=False)
    image = ("--kong-image", "kong/kong-gateway:3.15.0.4")
    result = run_suite(tmp_path / "out", "--target", "kind", *image, "--requirement", "CKE-01", path=path)
    assert result.status == 0, result.output
    assert result.status_of("CKE-01") == "NOT_APPLICABLE"
    assert "cannot be configured without a licence" in " ".join(result.output.split())
    assert "create" not in (tmp_path / "fakes" / "kind.log").read_text()


def test_a_workload_that_does_not_come_up_ends_the_run_once(tmp_path, path, monkeypatch):
    """One line with the pod's own words, from the installation on: no recording waits for the pods."""
    monkeypatch.delenv("KONG_LICENSE_DATA", raising=False)
    plugins = ("-p", "tests.targets.embedded_as_kind", "-p", "tests.targets.broken_echo")
    result = run_suite(tmp_path / "out", *plugins, "--target", "kind", "--profile", "core", path=path)
    assert result.status == 2, result.output
    [line] = [line for line in result.output.splitlines() if "the echo workload does not come up" in line]
    assert "it ended with exit code 1 (Error), restarted" in line
    assert "it said last: no module named echo" in line
    assert "Traceback" not in result.output


def test_one_cause_is_told_once_and_the_other_recordings_do_not_wait(tmp_path):
    """The embedded cluster has no trial before: the first recording finds out, and the others say the same at once."""
    chosen = ("--requirement", "AFF-01", "--requirement", "CKE-01", "--requirement", "SPR-01")
    result = run_suite(tmp_path / "out", "-p", "tests.targets.broken_echo", *chosen)
    assert result.status != 0
    assert "it said last: no module named echo" in result.output
    assert "not recorded: the echo workload does not come up" in result.output
    assert "last seen" not in result.output
