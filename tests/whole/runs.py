"""Runs the suite as a user would: a process of its own, judged by what it prints and leaves behind."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from stickyconf.mutants.matrix.warm import SuiteRun
from stickyconf.plainyaml import LOADER
from tests.processes import children, command_line

ROOT = Path(__file__).parents[2]
ENVIRONMENT = dict(os.environ)
"""As it is while no test changes it."""
HURRIED = (
    "cluster",
    "proxy",
    "rollout",
    "admission",
    "programmed",
    "traffic",
    "drained",
    "pod_logs",
    "cleanup",
    "command",
)
"""Budgets that a busy machine uses up; what a test says of a budget comes later on the command line, and counts."""
EMPTY: Mapping[str, str] = MappingProxyType({})
LONGEST = 600.0
"""Seconds that a run may take on a machine that is busy."""


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
    return [sys.executable, "-m", "pytest", *_arguments(out, *arguments)]


def run_suite(out: Path, *arguments: str, path: str | None = None, environment: Mapping[str, str] = EMPTY) -> Result:
    """Run the suite to its end. ``path`` replaces PATH, to take tools away; ``environment`` is added to this one's."""
    environ = {**os.environ, **({"PATH": path} if path is not None else {}), **environment}
    run = _forked if _of_python(environ) == _of_python(ENVIRONMENT) else _anew
    status, printed = run(_arguments(out, *arguments), environ)
    report = out / "latest" / "conformance.yaml"
    read = yaml.load(report.read_text(), LOADER) if report.exists() else None  # noqa: S506 - a safe loader
    return Result(status, printed, read, out / "latest")


def echo_pods(process: "subprocess.Popen[Any]") -> int:
    """Return how many echo pods run on the embedded cluster that a run has started."""
    return sum("echo.py" in command_line(one) for one in children(process.pid))


def _arguments(out: Path, *arguments: str) -> list[str]:
    budgets = [word for name in HURRIED for word in ("--budget", f"{name}={LONGEST / 2:g}")]
    return ["-c", "pyproject.toml", "--out", str(out), *budgets, *arguments]


def _of_python(environment: Mapping[str, str]) -> dict[str, str]:
    """What Python itself reads, once, when it starts."""
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


def _anew(arguments: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run in a new interpreter; exit status and output."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    return done.returncode, done.stdout


def _forked(arguments: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run in a process that has the suite loaded already; exit status (negative for a signal) and output."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as printed:
        run = SuiteRun(arguments, Path(printed.name), ROOT, environment)

        async def ended() -> int | None:
            try:
                return await run.ended(LONGEST)
            finally:
                await run.stop(LONGEST)

        status = asyncio.run(ended())
        assert status is not None, f"it did not end in {LONGEST:g} s: {printed.read()}"
        return status, printed.read()
