"""Allure results prepared for a report of several runs: copies, each told apart by its edition.

The originals stay as they are. In a copy equal attachments share one file: the cases of a module attach the same
history, and a report that holds it once is several times smaller.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from stickyconf.site.runs import StoredRun

EDITION = "version"
"""The label, and the parameter, that name the edition: by the label Allure makes its environments, and by the
parameter it tells results of two editions from retries of one."""

WHOLE_BYTES, LEAN_BYTES = 5_200_000, 1_200_000
"""How much results and attachments may have together, however many runs there are: five whole runs of five versions
make a site of less than 25 MB. The one-file report is written as base64, and a browser reads it whole."""

LONG_FIXTURE = 1000
"""Milliseconds from which a fixture's time says where a case's went."""

STEPS_KEPT = 1
"""How deep the steps go in the one-file report."""


_SAID_BY_EDITION = {EDITION, "implementation", "deliberate fault"}


def report_id(uuid: str) -> str:
    """Return the id Allure 3 gives to a result in its report, by which a page can link to it.

    Allure does not document it; package-lock.json pins the version, and a test looks whether it still holds.
    """
    return hashlib.md5(uuid.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class _Attached:
    """One content, however many attachments have it. ``from_failed_case``: a case that did not pass has it."""

    content: bytes
    from_failed_case: bool


@dataclass(slots=True)
class Results:
    """Results of several runs, read and renamed, to be written as the input of a report.

    ``cases`` maps the run and the case's node id to the id of its test in the report.
    """

    cases: dict[tuple[str, str], str] = field(default_factory=dict)
    _records: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _attached: dict[str, _Attached] = field(default_factory=dict)

    def add(self, run: StoredRun, edition: str) -> None:
        """Read a run's results, and name them by its edition; a run without results adds nothing."""
        source = run.folder / "allure-results" if run.folder else None
        if source is None or not source.is_dir():
            return
        results = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(source.glob("*-result.json"))]
        for result in results:
            _name_edition(result, edition)
            self._keep(source, result, "result")
        for file in sorted(source.glob("*-container.json")):
            container = json.loads(file.read_text(encoding="utf-8"))
            if _with_eventful_fixtures(container):
                self._keep(source, container, "container")
        for row in run.rows.values():
            for case in row["cases"]:
                if found := _result_of(case["node"], results):
                    self.cases[run.id, case["node"]] = report_id(found["uuid"])
                    _say_what_it_follows_from(found, row.get("because", ""))

    def write(self, directory: Path, *, lean: bool) -> bool:
        """Write the results into a new folder; return whether there are any.

        Attachments that would be too much together are replaced by a line that says so, those of cases that passed
        before others, the larger before the smaller. ``lean`` is for the one-file report: it also has fewer steps.
        """
        if not self._records:
            return False
        directory.mkdir(parents=True)
        records = [(kind, _pruned(record) if lean and kind == "result" else record) for kind, record in self._records]
        taken = sum(len(json.dumps(record)) for _, record in records)
        kept = _affordable(self._attached, (LEAN_BYTES if lean else WHOLE_BYTES) - taken)
        for name in kept:
            (directory / name).write_bytes(self._attached[name].content)
        for kind, record in records:
            written = json.loads(json.dumps(record))
            for attachment in _attachments(written):
                name = attachment["source"]
                if name in self._attached and name not in kept:
                    said = f"{len(self._attached[name].content)} bytes, too much for this report. {_ELSEWHERE}\n"
                    attachment |= {"source": _store(directory, said.encode()), "type": "text/plain"}
            (directory / f"{record['uuid']}-{kind}.json").write_text(json.dumps(written), encoding="utf-8")
        return True

    def _keep(self, source: Path, record: dict[str, Any], kind: str) -> None:
        from_failed_case = kind == "result" and record.get("status") != "passed"
        for attachment in _attachments(record):
            file = source / attachment["source"]
            if not file.is_file():
                continue
            content = file.read_bytes()
            name = _name(content, file.suffix)
            known = self._attached.get(name)
            self._attached[name] = _Attached(
                content, from_failed_case or (known is not None and known.from_failed_case)
            )
            attachment["source"] = name
        self._records.append((kind, record))


_ELSEWHERE = "The run's page in this site has its histories, and reports/out/ all there is."


def _affordable(attached: Mapping[str, _Attached], most: int) -> set[str]:
    """Return the names that fit into so many bytes.

    Those of cases that did not pass come before others, then pictures and tables before plain text, the smaller first.
    """

    def rank(name: str) -> tuple[bool, bool, int, str]:
        return (
            not attached[name].from_failed_case,
            not name.endswith((".svg", ".html")),
            len(attached[name].content),
            name,
        )

    ranked = sorted(attached, key=rank)
    sums = accumulate(len(attached[name].content) for name in ranked)
    return {name for name, used in zip(ranked, sums, strict=True) if used <= most}


def _pruned(record: dict[str, Any], depth: int = STEPS_KEPT) -> dict[str, Any]:
    """Return a record without steps below a depth; what was attached to them hangs on the step above."""
    if depth == 0:
        return record | {"steps": [], "attachments": list(_attachments(record))}
    return record | {"steps": [_pruned(step, depth - 1) for step in record.get("steps") or ()]}


def _name(content: bytes, suffix: str) -> str:
    return f"{hashlib.sha256(content).hexdigest()[:24]}-attachment{suffix}"


def _store(directory: Path, content: bytes) -> str:
    name = _name(content, ".txt")
    (directory / name).write_bytes(content)
    return name


def _attachments(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the attachments of a result or container and of all its steps and fixtures, in a fixed order."""
    yield from record.get("attachments") or ()
    for part in ("steps", "befores", "afters"):
        for step in record.get(part) or ():
            yield from _attachments(step)


def _name_edition(result: dict[str, Any], edition: str) -> None:
    labels = [label for label in result.get("labels", []) if label["name"] != EDITION]
    result["labels"] = [*labels, {"name": EDITION, "value": edition}]
    # The suite's own parameter says the same with fewer words, and not in cases that broke before any part was asked.
    others = [one for one in result.get("parameters", []) if one["name"] not in _SAID_BY_EDITION]
    result["parameters"] = [*others, {"name": EDITION, "value": edition}]


def _say_what_it_follows_from(result: dict[str, Any], because: str) -> None:
    """Begin a result's message with the violation it follows from: Allure's categories go by that (allurerc.mjs)."""
    if because and result.get("status") in ("failed", "broken"):
        details = result.setdefault("statusDetails", {})
        details["message"] = f"{because}\n{details.get('message', '')}".strip()


def _with_eventful_fixtures(container: dict[str, Any]) -> bool:
    """Take the fixtures out of a container that tell a reader of verdicts nothing; return whether any is left."""
    for part in ("befores", "afters"):
        container[part] = [fixture for fixture in container.get(part) or () if _eventful(fixture)]
    return bool(container["befores"] or container["afters"])


def _eventful(fixture: Mapping[str, Any]) -> bool:
    lasted = fixture.get("stop", 0) - fixture.get("start", 0)
    happened = fixture.get("steps") or fixture.get("attachments")
    return bool(happened) or fixture.get("status") != "passed" or lasted >= LONG_FIXTURE


def _result_of(node: str, results: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Find a case's result by its node id: the module and function, and the parameters if one has several."""
    path, *names = node.split("::")
    classes = "".join(f".{name}" for name in names[:-1])
    function = f"{path.removesuffix('.py').replace('/', '.')}{classes}#{names[-1].partition('[')[0]}"
    found = [result for result in results if result.get("fullName") == function]
    if len(found) > 1:
        found = [result for result in found if result["name"] == names[-1]] or found
    return found[-1] if found else None
