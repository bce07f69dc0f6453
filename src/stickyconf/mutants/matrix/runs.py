"""Runs the suite against every deliberate fault and benign variant: ``python -m stickyconf.mutants.matrix``.

Each is a suite process of its own. The matrix is written to reports/out/kill-matrix.{json,md,html}. Exit status 0:
clean; 1: a mutant survived or did not fire, a check objected to a benign variant, or a MUST caught no
mutant; 2: it cannot be run like this; 130: it was stopped, and the matrix holds the runs that had ended.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import yaml

from stickyconf.model import History
from stickyconf.model.catalogue import load_catalogue
from stickyconf.model.storage import HistoryFileError, read_history
from stickyconf.mutants import DEFINITION_MARK, MUTANT_FAILS, RESPONSE_MARK, UPSTREAM_MARK, deviations
from stickyconf.mutants.matrix.kills import Cost, KillMatrix, Trial, cells, problems_of
from stickyconf.mutants.matrix.planning import NoSuite, Plan, collected, compact, plans
from stickyconf.mutants.matrix.tables import html, markdown, verdict
from stickyconf.mutants.matrix.warm import SuiteRun
from stickyconf.plainyaml import LOADER

STOP_SECONDS = 20.0
LIMIT_SECONDS = 600.0
"""How long one suite run may take before it counts as hung."""

_SHORTENED = {
    "programmed": 10,
    "workers": 3,
    "drain_converged": 5,
    "drained": 15,
    "served_again": 61,
}  # each takes a conforming cluster 0.3 to 3 s; the last is what the checks allow, and not less
FASTER = tuple(word for name, seconds in _SHORTENED.items() for word in ("--budget", f"{name}={seconds}"))
"""Many faults are that something never happens, and it is waited for several times a run."""


def fired(histories: Iterable[History], fault: str) -> bool:
    """Whether the mark of a fault stands in a history: in a response, in what an event tells, or with the versions."""
    begins = "|".join(map(re.escape, (f"{RESPONSE_MARK}: ", UPSTREAM_MARK, f"{DEFINITION_MARK}: ")))
    mark = re.compile(rf"({begins}){re.escape(fault)}\b")
    return any(mark.search(said) for history in histories for said in _told(history))


def _told(history: History) -> Iterator[str]:
    yield from history.setup.versions.values()
    for exchange in history.exchanges:
        for key, value in exchange.answer.headers if exchange.answer else ():
            if key.lower() == RESPONSE_MARK:
                yield f"{RESPONSE_MARK}: {value}"
    for event in history.events:
        yield from event.detail.values()


def read_trial(plan: Plan, out: Path, status: int | None, output: str, cost: Cost) -> Trial:
    """Return what came of a run that wrote below ``out`` and ended with this exit status (None: it did not end)."""
    error, found, marked = "", {}, False
    report = out / "latest" / "conformance.yaml"
    if status is None:
        error = f"the run did not end within {LIMIT_SECONDS:g} s"
    elif not report.exists():
        said = [line.strip() for line in output.splitlines() if line.strip()]
        error = f"exit status {status}, no report: {said[-1] if said else 'nothing was said'}"
    else:
        written = yaml.load(report.read_text(encoding="utf-8"), LOADER)  # noqa: S506 - a safe loader
        found = cells(written, plan.subject.measured_by)
        try:
            files = sorted((out / "latest" / "histories").glob("*.jsonl"))
            marked = fired(map(read_history, files), plan.subject.id)
        except HistoryFileError as broken:
            error = str(broken)
    subject = plan.subject
    return Trial(
        id=subject.id,
        sentence=subject.sentence,
        where=subject.where,
        source=subject.source,
        failure_mode=subject.failure_mode,
        kind=plan.kind,
        accident=subject.accident,
        caught_by=plan.due,
        asked=tuple(dict.fromkeys((*plan.due, *plan.asked))),
        cells=found,
        fired=marked,
        cost=cost,
        error=error,
        said=next((line.strip() for line in output.splitlines() if line.startswith(MUTANT_FAILS)), ""),
    )


class Board:
    """Says how far the runs are: a line that changes on a terminal, and one line for each that ended everywhere."""

    def __init__(self, total: int, *, live: bool) -> None:
        """Take how many runs there will be, and whether a line can be rewritten."""
        self._total, self._live, self._done = total, live, 0
        self._running: dict[int, tuple[str, float]] = {}

    def begin(self, number: int, name: str) -> None:
        """Note that a run began."""
        self._running[number] = name, time.monotonic()

    def end(self, number: int, line: str) -> None:
        """Note that a run ended, and what came of it."""
        del self._running[number]
        self._done += 1
        self._clear()
        print(f"[{self._done}/{self._total}] {line}", flush=True)

    async def keep(self) -> None:
        """Rewrite the live line once a second until cancelled."""
        while self._live:
            now = time.monotonic()
            running = ", ".join(f"{name} ({now - began:.0f} s)" for name, began in self._running.values())
            self._clear()
            print(f"{self._done} of {self._total} done; running: {running}"[: _width()], end="", flush=True)
            await asyncio.sleep(1)

    def _clear(self) -> None:
        if self._live:
            print("\r\x1b[2K", end="")


def _width() -> int:
    return shutil.get_terminal_size().columns - 1


async def run_all(planned: Sequence[Plan], jobs: int, board: Board, evidence: Path, trials: dict[int, Trial]) -> None:
    """Make all runs, ``jobs`` at a time, and put what came of each into ``trials``, by its number.

    Of the benign variants no more than there are processors: each keeps one busy, and a suite that is late with its
    requests is left in doubt. What a run left is kept below ``evidence`` if something is wrong.
    """
    room, whole = asyncio.Semaphore(jobs), asyncio.Semaphore(os.cpu_count() or 1)

    async def one(number: int, plan: Plan) -> None:
        async with whole if plan.kind == "benign" else contextlib.nullcontext(), room:
            board.begin(number, plan.subject.id)
            with tempfile.TemporaryDirectory(prefix="stickyconf-matrix-") as out:
                trial = trials[number] = await _run(plan, Path(out))
                wrong = [problem for problem in problems_of(trial) if problem.fatal]
                if wrong:
                    shutil.copytree(out, evidence / f"{plan.subject.id}-{number}", symlinks=True)
            told = "; ".join(f"{problem.kind}: {problem.said}" for problem in wrong)
            good = f"caught by {', '.join(trial.caught_by)}" if trial.kind == "mutant" else "no requirement objects"
            board.end(number, f"{'✗' if wrong else '✓'} {trial.id}: {told or good} ({trial.cost.seconds:.0f} s)")

    showing = asyncio.create_task(board.keep())
    try:
        async with asyncio.TaskGroup() as group:
            for number, plan in enumerate(planned):
                group.create_task(one(number, plan))
    finally:
        showing.cancel()


async def _run(plan: Plan, out: Path) -> Trial:
    arguments = ["-c", "pyproject.toml", "-p", "no:cacheprovider", "--out", str(out), "--drains", "1"]
    arguments += FASTER if plan.kind == "mutant" else ()
    arguments += ["--mutant", plan.subject.id, *(word for name in plan.asked for word in ("--requirement", name))]
    began, log = time.monotonic(), out / "output.txt"
    run = SuiteRun(arguments, log, Path.cwd(), os.environ)
    try:
        status = await run.ended(LIMIT_SECONDS)
    finally:
        await run.stop(STOP_SECONDS)
    cost = Cost(time.monotonic() - began, run.processor_seconds())
    return read_trial(plan, out, status, log.read_text(encoding="utf-8", errors="replace"), cost)


def write(matrix: KillMatrix, out: Path) -> None:
    """Write kill-matrix.json, .md and .html into a directory."""
    out.mkdir(parents=True, exist_ok=True)
    texts = {"json": json.dumps(matrix.data(), indent=1) + "\n", "md": markdown(matrix), "html": html(matrix)}
    for suffix, text in texts.items():
        (out / f"kill-matrix.{suffix}").write_text(text, encoding="utf-8")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stickyconf.mutants.matrix", description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=_positive, default=3, help="suite processes at a time (default: 3)")
    parser.add_argument("--only", nargs="+", default=[], metavar="ID", help="these mutants and benign variants only")
    parser.add_argument("--compact", action="store_true", help="one mutant a family of requirements, no benign variant")
    parser.add_argument("--repeat", type=_positive, default=1, help="runs of each benign variant (default: 1)")
    parser.add_argument("--out", type=Path, default=Path("reports/out"), help="where the matrix goes")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.only if name not in deviations()]
    if unknown:
        parser.error(f"no mutant is called {', '.join(unknown)}; there are: {', '.join(sorted(deviations()))}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the runs, write the matrix, and say the result in one line."""
    options, began = _options(arguments), time.monotonic()
    try:
        places = collected()
    except NoSuite as error:
        print(f"matrix: {error}; run it in the project's directory", file=sys.stderr)
        return 2
    chosen = [one for name, one in deviations().items() if not options.only or name in options.only]
    mutants = [one for one in chosen if not one.harmless]
    benign = [one for one in chosen if one.harmless]
    if options.compact:
        mutants, benign = compact(mutants, places), []
    planned = plans(mutants, benign, places, repeat=options.repeat)
    evidence = options.out / "kill-matrix"
    if evidence.exists():
        shutil.rmtree(evidence)
    trials: dict[int, Trial] = {}
    try:
        asyncio.run(_interruptible(planned, options.jobs, evidence, trials))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print(f"\nmatrix: stopped after {len(trials)} of {len(planned)} runs", file=sys.stderr)
        if not trials:
            return 130
    matrix = KillMatrix(
        catalogue=load_catalogue(Path("requirements.toml")),
        with_cases=frozenset(places),
        trials=tuple(trials[number] for number in sorted(trials)),
        seconds=time.monotonic() - began,
        whole=not options.only and not options.compact,
        left=len(planned) - len(trials),
    )
    write(matrix, options.out)
    for problem in matrix.problems:
        print(f"{problem.kind}: {problem.said}")
    print(f"kill matrix {verdict(matrix)}: {options.out / 'kill-matrix.html'}")
    return exit_status(matrix)


def exit_status(matrix: KillMatrix) -> int:
    """Return 0 for a clean matrix, 1 for one that is not, 130 for one that was stopped."""
    return 130 if matrix.left else 0 if matrix.clean else 1


async def _interruptible(planned: Sequence[Plan], jobs: int, evidence: Path, trials: dict[int, Trial]) -> None:
    board = Board(len(planned), live=sys.stdout.isatty())
    task = asyncio.ensure_future(run_all(planned, jobs, board, evidence, trials))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await task
