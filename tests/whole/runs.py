"""Runs the suite as a user would: a process of its own, judged by what it prints and leaves behind."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Result:
    """How a run ended, what it printed, and the report it wrote (None where it wrote none)."""

    status: int
    output: str
    report: dict[str, Any] | None
    directory: Path

    def status_of(self, requirement: str) -> str:
        """Return the verdict on one requirement."""
        assert self.report, self.output
        return next(row["status"] for row in self.report["requirements"] if row["id"] == requirement)


def command(out: Path, *arguments: str) -> list[str]:
    """Return the command line of a run that writes below ``out``."""
    return [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "--out", str(out), *arguments]


def run_suite(out: Path, *arguments: str, path: str | None = None) -> Result:
    """Run the suite to its end. ``path`` replaces PATH, to take tools away."""
    environment = os.environ | ({"PATH": path} if path is not None else {})
    done = subprocess.run(
        command(out, *arguments),
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    report = out / "latest" / "conformance.yaml"
    read = yaml.safe_load(report.read_text()) if report.exists() else None
    return Result(done.returncode, done.stdout, read, out / "latest")
