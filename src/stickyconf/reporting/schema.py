"""What a conformance report is called and has to look like: little, for programs that only read reports."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

API_VERSION, KIND = "stickyconf/v1", "ConformanceReport"
SCHEMA = "conformance.schema.json"
"""Beside this module, so that an installed package has it too; reports/schema/ links to it."""


@cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema every report is checked against."""
    text = resources.files("stickyconf.reporting").joinpath(SCHEMA).read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def complaint(report: dict[str, Any]) -> str:
    """Return where a report breaks the schema and how, in one line; "" if it keeps it."""
    import jsonschema  # 0.1 s that only a run that reports should pay

    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema()).iter_errors(report))
    return f"{error.json_path}: {error.message}" if error else ""
