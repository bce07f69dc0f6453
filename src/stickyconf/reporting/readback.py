"""Conformance reports read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from stickyconf.plainyaml import LOADER
from stickyconf.reporting.schema import API_VERSION, KIND, complaint


class ReportError(ValueError):
    """What was given is no conformance report; the message is one line that says which file, why and what to do."""


def read_report(path: Path) -> dict[str, Any]:
    """Read the report of a run: its folder, or its conformance.yaml. Raises ReportError if there is none."""
    file = path / "conformance.yaml" if path.is_dir() else path
    try:
        report = yaml.load(file.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506 - a safe loader
    except FileNotFoundError:
        wanted = "it has no conformance.yaml" if path.is_dir() else "there is no such file or directory"
        raise ReportError(f"{path}: {wanted}; give a run's folder or its conformance.yaml") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ReportError(f"{file}: cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(report, dict) or report.get("kind") != KIND:
        raise ReportError(f"{file}: no {KIND}; give a run's folder or its conformance.yaml")
    if report.get("apiVersion") != API_VERSION:
        raise ReportError(
            f"{file}: written as {report.get('apiVersion')}, this version reads {API_VERSION}; "
            "compare it with the version that wrote it"
        )
    wrong = complaint(report)
    if wrong:
        raise ReportError(f"{file}: breaks the schema at {wrong}; was it changed by hand?")
    return report
