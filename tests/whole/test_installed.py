"""The wheel, installed: it brings all it needs, judges from an empty folder, and leaves its report there."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

import stickyconf
from tests.whole.runs import ROOT

BROUGHT = (
    "conftest.py",
    "fixtures/target.py",
    "manifests/echo/echo.py",
    "manifests/kind.yaml",
    "manifests/job.yaml",
    "pyproject.toml",
    "releases.toml",
    "reports/allure/package-lock.json",
    "requirements.toml",
    "suites/test_cookie.py",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Build it, as a release is built but for the isolation, which asks the network."""
    pytest.importorskip("build", reason="build is not installed; it comes with the extra test")
    out = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [found] = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def command(wheel, tmp_path_factory):
    """Install it where no checkout is, and return what runs ``stickyconf`` in a folder."""
    installed = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(installed)

    def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
        words = [sys.executable, "-m", "stickyconf.cli", *arguments]
        return subprocess.run(
            words, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    return run


def test_contents(wheel):
    """Suites, fixtures, manifests, catalogue and releases come along, and nothing compiled."""
    names = zipfile.ZipFile(wheel).namelist()
    for name in BROUGHT:
        assert f"stickyconf/project/{name}" in names
    assert not [name for name in names if "__pycache__" in name]


def test_judges_in_an_empty_folder(command, tmp_path):
    """The report is there, says how it was made, and nothing else is left in the folder."""
    done = command(tmp_path, "run", "--requirement", "CKE-01")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stdout
    report = yaml.safe_load((tmp_path / "reports" / "out" / "latest" / "conformance.yaml").read_text())
    [row] = [row for row in report["requirements"] if row["id"] == "CKE-01"]
    assert row["status"] == "CONFORMS"
    assert report["reproduce"]["command"] == "stickyconf run --requirement CKE-01"
    assert [path.name for path in tmp_path.iterdir()] == ["reports"]
    site = command(tmp_path, "report", "--without-allure")
    assert site.returncode == 0, site.stderr
    assert (tmp_path / "reports" / "site" / "index.html").is_file()


def test_other_commands(command, tmp_path):
    """They need no checkout, either."""
    assert command(tmp_path, "--version").stdout == f"stickyconf {stickyconf.__version__}\n"
    assert '"kic": "3.5.13"' in command(tmp_path, "releases", "matrix").stdout
    refused = command(tmp_path, "judge")
    assert refused.returncode == 2
    assert "invalid choice: 'judge'" in refused.stderr
    assert not list(tmp_path.iterdir())
