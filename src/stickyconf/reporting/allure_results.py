"""Allure's results on disk, without credentials: tracebacks, parameters and captured output pass here, too."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import allure_pytest.plugin
from allure_commons import hookimpl
from allure_commons.logger import AllureFileLogger
from attr import asdict

from stickyconf.reporting.faults import Faults
from stickyconf.reporting.redaction import publishable, redact_data

Spans = Mapping[str, tuple[float, float]]
"""Fixture, as Allure shows it -> when its work began and ended, as time.time() counts."""

_BINARY = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".zip", ".pcap"})
_Written: Any = AllureFileLogger  # its functions carry no annotations


class RedactedResults(_Written):  # type: ignore[misc]
    """Writes what Allure's own logger would, redacted, each file whole or not at all."""

    def __init__(self, report_dir: str, clean: bool = False, *, faults: Faults, spans: Spans) -> None:
        """Take the directory of results, and what keeps crashes; with ``clean`` what is in the directory goes."""
        super().__init__(report_dir, clean)
        self._directory, self._faults, self._spans = Path(report_dir), faults, spans

    @hookimpl
    def report_result(self, result: Any) -> None:
        """Write the result of a test."""
        self._write(result)

    @hookimpl
    def report_container(self, container: Any) -> None:
        """Write what fixtures did; of a recording, when it was played, not when a case first waited for it."""
        for before in container.befores:
            if span := self._spans.get(before.name):
                before.start, before.stop = (round(1000 * moment) for moment in span)
                container.start, container.stop = before.start, before.stop
        self._write(container)

    @hookimpl
    def report_globals(self, globals_item: Any) -> None:
        """Write what belongs to the whole run."""
        self._write(globals_item)

    @hookimpl
    def report_attached_data(self, body: str | bytes, file_name: str) -> None:
        """Write an attachment."""
        with self._faults.noted(f"an attachment of Allure's ({file_name})"):
            self._write_file(body.encode("utf-8", "replace") if isinstance(body, str) else body, file_name)

    @hookimpl
    def report_attached_file(self, source: str, file_name: str) -> None:
        """Copy a file that is attached."""
        with self._faults.noted(f"Allure's copy of {Path(source).name}"):
            self._write_file(Path(source).read_bytes(), file_name)

    def _write(self, item: Any) -> None:
        with self._faults.noted(f"a {type(item).__name__} of Allure's"):
            data = redact_data(asdict(item, filter=lambda _, value: bool(value) or value is False))
            text = json.dumps(data, ensure_ascii=False)
            self._replace(item.file_pattern.format(prefix=uuid.uuid4()), text.encode("utf-8", "replace"))

    def _write_file(self, body: bytes, name: str) -> None:
        if Path(name).suffix not in _BINARY:
            body = publishable(body.decode("utf-8", "replace")).encode()
        self._replace(name, body)

    def _replace(self, name: str, data: bytes) -> None:
        beside = self._directory / f"{name}.tmp"
        beside.write_bytes(data)
        beside.replace(self._directory / name)


def write_redacted(faults: Faults, spans: Spans) -> Callable[[], None]:
    """Have allure-pytest write through RedactedResults when it is configured next, and return what ends that.

    It offers no way to choose who writes. ``spans`` may be filled later.
    """
    plugin: Any = allure_pytest.plugin
    original, plugin.AllureFileLogger = plugin.AllureFileLogger, partial(RedactedResults, faults=faults, spans=spans)

    def restore() -> None:
        plugin.AllureFileLogger = original

    return restore
