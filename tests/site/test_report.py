"""``python -m stickyconf.report`` as its users call it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from stickyconf.report import main
from stickyconf.reporting.checkout import Checkout
from stickyconf.site import allure
from tests.reporting import examples
from tests.reporting.examples import ROOT
from tests.site.made import numbered, on_kong, stored

SOON = 30


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(ROOT)
    return tmp_path / "site"


def test_a_site_is_built_without_node(tmp_path: Path, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With everything but the Allure report; a site that was there before is replaced whole."""
    folder = stored(numbered(examples.violated(), 1), tmp_path / "out")
    (tmp_path / "out" / "kill-matrix.html").write_text("<h1>Kill matrix</h1>")
    site.mkdir()
    (site / "of-yesterday.html").touch()
    assert main(["--without-allure", "--site", str(site), str(tmp_path / "out")]) == 0
    assert "1 runs of 1 version" in capsys.readouterr().out
    there = {file.relative_to(site).as_posix() for file in site.rglob("*") if file.is_file()}
    run = f"runs/{folder.name}"
    assert there == {
        "index.html",
        "site.css",
        "kill-matrix.html",
        "runs/index.json",
        f"{run}/index.html",
        f"{run}/conformance.yaml",
        f"{run}/conformance.md",
        f"{run}/histories/affinity.jsonl.gz",
    }
    assert list(tmp_path.glob(".site*")) == []


def test_the_site_is_served_on_loopback_until_interrupted(tmp_path: Path, site: Path) -> None:
    """Text is shown rather than downloaded, and Ctrl-C ends it in order."""
    folder = stored(numbered(examples.clean(), 1), tmp_path / "out")
    command = [
        sys.executable,
        "-m",
        "stickyconf.report",
        "--without-allure",
        "--serve",
        "--site",
        str(site),
        str(folder),
    ]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # jobs in the background ignore it
    )
    try:
        assert process.stdout
        address = next(line.split()[1] for line in process.stdout if line.startswith("serving"))
        assert address.startswith("http://127.0.0.1:")
        with httpx.Client(base_url=address, trust_env=False) as client:
            assert "Conformant" in client.get("/").text
            report = client.get(f"/runs/{folder.name}/conformance.yaml")
        assert report.headers["content-type"].startswith("text/plain")
        process.send_signal(signal.SIGINT)
        assert process.wait(SOON) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nowhere"], "nowhere: there is no such file or folder"),
        (["--publish", "nowhere"], "nowhere: there is no such file or folder"),
        (["--serve", "--without-allure", "--port", "{taken}", "{run}"], "give another --port"),
        (["--publish", "{run}"], "--publish-embedded"),
    ],
)
def test_bad_input_gets_one_line(
    tmp_path: Path, site: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    run = str(stored(numbered(examples.clean(), 1), tmp_path / "out"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        known = {"run": run, "taken": taken.getsockname()[1]}
        assert main([*(argument.format(**known) for argument in arguments), "--site", str(site)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("report: ")
    assert why in said[0]


def test_a_report_that_breaks_the_schema_is_refused(
    tmp_path: Path, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = stored(numbered(examples.clean(), 1), tmp_path / "out") / "conformance.yaml"
    report = yaml.safe_load(file.read_text(encoding="utf-8"))
    report["suite"]["commit"] = "yesterday's"
    file.write_text(yaml.safe_dump(report), encoding="utf-8")
    assert main(["--without-allure", "--site", str(site), str(file.parent)]) == 2
    assert "$.suite.commit" in capsys.readouterr().err
    assert not site.exists()


def test_diff_exits_with_1_on_a_regression(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    older, newer = (
        stored(on_kong(n, cases=run.cases), tmp_path) for n, run in ((1, examples.clean()), (2, examples.violated()))
    )
    assert main(["diff", str(older), str(newer)]) == 1
    assert "regression: AFF-01" in capsys.readouterr().out
    assert main(["diff", str(newer), str(older)]) == 0
    assert main(["diff", str(newer), str(tmp_path / "none")]) == 2


def test_npm_without_network_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a cache nor a registry: whoever reads it knows what was wanted and what to do."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, does in (("node", "exit 0"), ("npm", "echo 'npm error network is unreachable' >&2; exit 1")):
        (programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setattr(allure, "_path", lambda: f"{programs}{os.pathsep}/usr/bin{os.pathsep}/bin")
    with pytest.raises(allure.ReportToolError) as failed:
        allure.Allure.installed(ROOT / "reports" / "allure", tmp_path)
    assert "npm cannot install Allure" in str(failed.value)
    assert "network is unreachable" in str(failed.value)
    assert "\n" not in str(failed.value)


def test_without_node_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allure, "_path", lambda: str(tmp_path))
    with pytest.raises(allure.ReportToolError, match="there is no node here"):
        allure.Allure.installed(ROOT / "reports" / "allure", tmp_path)


def test_what_asks_another_host_is_taken_out_or_refused() -> None:
    tracked = (
        '<html><head></head><body><script async src="https://www.googletagmanager.com/gtag/js?id=G-1"></script>\n'
        "<script>function gtag(){}\ngtag('config', 'G-1');</script><script>mine()</script></body></html>"
    )
    page = allure.self_contained(tracked)
    assert "googletagmanager" not in page
    assert "gtag" not in page
    assert "<script>mine()</script>" in page
    assert "Content-Security-Policy" in page
    with pytest.raises(allure.ReportToolError, match="analytics"):
        allure.self_contained("<head></head><img src='https://www.googletagmanager.com/p'>")


def git(directory: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", *who, "-C", str(directory), *arguments], check=True, capture_output=True)  # noqa: S607


def test_a_checkout_is_its_commit_and_whether_something_differs(tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-m", "one")
    clean = Checkout.of(tmp_path)
    assert len(clean.commit) == 40
    assert clean.dirty is False
    (tmp_path / "another").touch()
    assert Checkout.of(tmp_path) == Checkout(clean.commit, dirty=True)


def test_without_git_nothing_is_known_and_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Checkout.of(tmp_path) == Checkout()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Checkout.of(ROOT) == Checkout()
