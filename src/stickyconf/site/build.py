"""One or many runs in, a static site out."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from stickyconf.model import Catalogue
from stickyconf.site.allure import Allure
from stickyconf.site.pages import Contents, Pages
from stickyconf.site.past import write_index
from stickyconf.site.results import Results
from stickyconf.site.runs import Edition, StoredRun, editions

KILLS = "kill-matrix.html"
OF_A_RUN = ("conformance.yaml", "conformance.md")
ROUNDS = 10
"""How many earlier runs of an edition the Allure report tells about."""

LONGEST_NAME = 64
"""Characters Allure admits in an environment's name."""


@dataclass(frozen=True, slots=True)
class Site:
    """What was built: where, of how many runs and editions, and its size in bytes."""

    folder: Path
    runs: int
    editions: int
    size: int


def build(
    runs: Sequence[StoredRun], catalogue: Catalogue, folder: Path, allure: Allure | None, kills: Path | None = None
) -> Site:
    """Build the site of runs into a folder, in the place of the site that was there.

    ``allure`` makes the Allure report; None leaves it out. ``kills``: the folder of a kill matrix. The old site stays
    until the new one is whole. Raises ReportToolError if Allure fails, OSError if nothing can be written.
    """
    columns = editions(runs)
    folder = folder.absolute()  # Allure runs in a directory of its own
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        made = Path(temporary) / "site"
        made.mkdir()
        contents = _files(runs, made)
        write_index(made, (run.id for run in runs))
        if allure:
            contents = replace(contents, cases=_allure(allure, columns, made, Path(temporary)))
        if kills and (kills / KILLS).is_file():
            shutil.copyfile(kills / KILLS, made / KILLS)
            contents = replace(contents, kills=_score(kills))
        Pages(catalogue, columns, contents, datetime.now(UTC)).write(made)
        size = sum(file.stat().st_size for file in made.rglob("*") if file.is_file())
        if folder.exists():
            folder.rename(Path(temporary) / "old")
        made.rename(folder)
    return Site(folder, len(runs), len(columns), size)


def _files(runs: Iterable[StoredRun], site: Path) -> Contents:
    """Copy each run's reports and histories; histories compressed, which makes them a tenth."""
    histories: dict[str, dict[str, str]] = {}
    files: dict[str, list[tuple[str, int]]] = {}
    for run in runs:
        target = site / "runs" / run.id
        (target / "histories").mkdir(parents=True)
        for name in OF_A_RUN:
            if run.folder and (run.folder / name).is_file():
                shutil.copyfile(run.folder / name, target / name)
        for history in sorted(run.folder.glob("histories/*.jsonl")) if run.folder else ():
            name = f"histories/{history.name}.gz"
            # Without the time: the same history gives the same bytes.
            (target / name).write_bytes(gzip.compress(history.read_bytes(), mtime=0))
            histories.setdefault(run.id, {})[history.stem] = name
        found = sorted(file for file in target.rglob("*") if file.is_file())
        files[run.id] = [(file.relative_to(target).as_posix(), file.stat().st_size) for file in found]
    return Contents(histories=histories, files=files)


def _allure(allure: Allure, columns: Sequence[Edition], site: Path, temporary: Path) -> dict[tuple[str, str], str]:
    """Make both Allure reports of the editions' shown runs; earlier runs are their history.

    Two runs of one edition in one report would be taken for retries, so the earlier ones come as history lines: the
    newest but one of each edition together, then those before them.
    """
    history = temporary / "history.jsonl"
    for number in reversed(range(min(ROUNDS, max((len(edition.earlier) for edition in columns), default=0)))):
        earlier, round_of = Results(), temporary / f"round-{number}"
        for edition in columns:
            if number < len(edition.earlier):
                earlier.add(edition.earlier[number], edition.name)
        if earlier.write(round_of, lean=True):
            allure.remember(round_of, history, f"{number + 1} runs before")
    results = Results()
    for edition in columns:
        results.add(edition.shown, edition.name)
    facts = {
        "name": "Sticky-session conformance",
        "environments": [
            {
                "id": f"version-{number}",
                "name": _short(edition, number),
                "label": edition.name,
                "variables": _variables(edition.shown),
            }
            for number, edition in enumerate(columns, start=1)
        ],
    }
    inputs = {"allure": temporary / "results", "single": temporary / "lean"}
    if not all(results.write(source, lean=output == "single") for output, source in inputs.items()):
        return {}
    with ThreadPoolExecutor() as both:
        making = []
        for output, source in inputs.items():
            past = temporary / f"history-{output}.jsonl"
            if history.is_file():
                shutil.copyfile(history, past)
            site_facts = facts | {"history": str(past)}
            making.append(both.submit(allure.report, source, temporary / output, site_facts, single=output == "single"))
        for made in making:
            made.result()
    (temporary / "allure").rename(site / "allure")
    (temporary / "single" / "index.html").rename(site / "allure.html")
    return results.cases


def _variables(run: StoredRun) -> dict[str, str]:
    """Return what Allure shows of an environment: who was under test, and how."""
    facts, implementation = run.report["run"], run.report["implementation"]
    told = {
        "Implementation": run.implementation,
        "Says something about": " and ".join(run.about) or "nothing of Kong's",
        **implementation["versions"],
        "Target": implementation["target"],
        "Suite": f"stickyconf {facts['suite']}",
        "Run": run.id,
        "Seed": str(facts["seed"]),
        "Deliberate fault": run.mutant,
    }
    return {name: value for name, value in told.items() if value}


def _short(edition: Edition, number: int) -> str:
    """Return an edition's name in LONGEST_NAME characters, one that no other edition has."""
    fault = f" + {edition.shown.mutant}" if edition.shown.mutant else ""
    name = f"{edition.shown.implementation}{fault}" if edition.shown.embedded else edition.name
    return name if len(name) <= LONGEST_NAME else f"{number}. {name[: LONGEST_NAME - 8]}..."


def _score(kills: Path) -> str:
    """Say a kill matrix's result in a few words, read from the kill-matrix.json beside it."""
    file = kills / "kill-matrix.json"
    if not file.is_file():
        return "every deliberate fault, and who caught it"
    found = json.loads(file.read_text(encoding="utf-8"))
    caught, of = found["score"]["caught"], found["score"]["of"]
    return f"{caught} of {of} deliberate faults caught, {found['benign_runs']} harmless differences tried"
