"""The kill matrix for people: kill-matrix.md, and kill-matrix.html, one small file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from stickyconf.mutants.matrix.kills import CAUGHT, Cell, KillMatrix, Problem, Trial

SYMBOLS = {
    Cell.KILLED: "✓",
    Cell.SHOWN: "✓≈",
    Cell.SURVIVED: "·",
    Cell.INCONCLUSIVE: "?",
    Cell.HARNESS_ERROR: "!",
    Cell.MEASURED: "≈",
    Cell.NOT_APPLICABLE: "-",
    Cell.NOT_RUN: "",
}
"""What stands in a cell: a sign that does without colour."""

_LEGEND = "  ".join(f"{sign} {cell.value}" for cell, sign in SYMBOLS.items() if sign)
_NOTHING_WRONG = "Every mutant was caught, no check objected to a legitimate difference, every fault fired."
_ABOUT = (
    "Each row is a run of the suite against a gateway with one deliberate fault (mutant), or with one legitimate "
    "difference (benign). A requirement in brackets has to catch the fault; the others were judged beside it."
)


def verdict(matrix: KillMatrix) -> str:
    """Return the result in one line."""
    caught, of = matrix.score
    runs = sum(trial.runs for trial in matrix.benign)
    part = "" if matrix.whole and not matrix.left else ", a part of all mutants"
    return (
        f"{'clean' if matrix.clean else 'NOT clean'}: {caught} of {of} mutants caught{part}, {runs} benign runs, "
        f"{matrix.seconds:.0f} s, {matrix.processor:.0f} s of processor time"
    )


def markdown(matrix: KillMatrix) -> str:
    """Return the matrix as Markdown, what is wrong first."""
    return "\n".join(_markdown(matrix)) + "\n"


def _markdown(matrix: KillMatrix) -> Iterator[str]:
    yield f"# Kill matrix: {verdict(matrix)}"
    yield ""
    yield from (f"- {_line(problem)}" for problem in matrix.problems)
    if not matrix.problems:
        yield _NOTHING_WRONG
    yield ""
    yield _failure_modes(matrix)
    yield ""
    for heading, trials in (("Mutants", matrix.mutants), ("Benign variants", matrix.benign)):
        if not trials:
            continue
        yield f"## {heading}"
        yield ""
        yield "| fault | where | source | fired | seen by | seconds |"
        yield "|---|---|---|---|---|---|"
        for trial in trials:
            seen = "; ".join(
                f"{sign} {' '.join(names)}" for cell, names in _by_cell(trial) if (sign := SYMBOLS[cell] or "not run")
            )
            yield (
                f"| **{trial.id}**: {trial.sentence} | {trial.where} | {_source(trial)} | {_fired(trial)} "
                f"| {seen} | {trial.cost.seconds:.0f} |"
            )
        yield ""
    yield _ABOUT
    yield ""
    yield f"Signs: {_LEGEND}"


def _failure_modes(matrix: KillMatrix) -> str:
    """Say which of docs/failure-modes.md the matrix had a trial of, and which of these are not caught."""
    modes = matrix.failure_modes
    missed = ", ".join(str(number) for number, good in modes.items() if not good)
    caught = ", ".join(str(number) for number, good in modes.items() if good)
    told = f"Failure modes (docs/failure-modes.md) that are caught: {caught or 'none'} ({sum(modes.values())})."
    return f"{told} Not caught: {missed}." if missed else told


def _source(trial: Trial) -> str:
    return trial.source if trial.failure_mode is None else f"{trial.source} (failure mode {trial.failure_mode})"


def _by_cell(trial: Trial) -> Iterator[tuple[Cell, list[str]]]:
    """Yield each kind of cell with the requirements in it, those that must catch the fault in brackets and first."""
    ordered = sorted(trial.asked, key=lambda name: name not in trial.caught_by)
    for cell in Cell:
        names = [f"[{name}]" if name in trial.caught_by else name for name in ordered if trial.cell(name) is cell]
        if names:
            yield cell, names


def _fired(trial: Trial) -> str:
    return "yes" if trial.fired else "**NO**"


def _line(problem: Problem) -> str:
    return f"{'**' + problem.kind + '**' if problem.fatal else problem.kind}: {problem.said}"


_STYLE = """
:root { color-scheme: light dark; --line: #8886; --killed: #2e7d3240; --bad: #c6282860; --doubt: #f9a82560; }
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem; }
h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin-top: 2rem }
.wide { overflow-x: auto }
table { border-collapse: collapse }
td, th { border: 1px solid var(--line); padding: .15rem .35rem; text-align: center; font-weight: normal }
th[scope=col] { writing-mode: vertical-rl; font-size: 12px }
th[scope=row] { text-align: left; min-width: 20rem }
th small { display: block; opacity: .75 }
.must { outline: 2px solid currentColor; outline-offset: -3px }
.killed { background: var(--killed) } .bad { background: var(--bad) } .doubt { background: var(--doubt) }
"""


def html(matrix: KillMatrix) -> str:
    """Return the matrix as one HTML file without anything from outside; every colour comes with a sign and words."""
    problems = "".join(
        f'<li><strong class="{"bad" if problem.fatal else "doubt"}">{escape(problem.kind)}</strong>: '
        f"{escape(problem.said)}</li>"
        for problem in matrix.problems
    )
    tables = "".join(
        f"<h2>{heading}</h2>{_table(matrix, trials)}"
        for heading, trials in (("Mutants", matrix.mutants), ("Benign variants", matrix.benign))
        if trials
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<link rel="icon" href="data:,"><title>Kill matrix</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>Kill matrix: {escape(verdict(matrix))}</h1>\n"
        f"<ul>{problems or '<li>' + _NOTHING_WRONG + '</li>'}</ul>\n<p>{escape(_failure_modes(matrix))}</p>\n"
        f"<p>{escape(_ABOUT.replace('in brackets', 'with a frame'))}</p><p>{escape(_LEGEND)}</p>\n{tables}\n"
        "</body></html>\n"
    )


def _table(matrix: KillMatrix, trials: Sequence[Trial]) -> str:
    columns = [name for name in matrix.columns if any(name in trial.asked for trial in trials)]
    heading = "".join(
        f'<th scope="col" title="{escape(matrix.catalogue[name].title, quote=True)}">{name}</th>' for name in columns
    )
    rows = "".join(
        f'<tr><th scope="row">{trial.id}<small>{escape(trial.sentence)} ({escape(trial.where)}, '
        f"{escape(_source(trial))})</small></th>"
        f"{_td('fired' if trial.fired else 'did not fire', '✓' if trial.fired else '✗', '' if trial.fired else 'bad')}"
        + "".join(_cell(trial, name) for name in columns)
        + f"<td>{trial.cost.seconds:.0f}</td></tr>\n"
        for trial in trials
    )
    return (
        f'<div class="wide"><table><thead><tr><th scope="row">fault</th><th scope="col">fired</th>{heading}'
        f'<th scope="col">seconds</th></tr></thead><tbody>\n{rows}</tbody></table></div>'
    )


def _cell(trial: Trial, name: str) -> str:
    cell, due = trial.cell(name), name in trial.caught_by
    # What is good for a mutant's catcher, a kill, is bad for a benign variant.
    wanted = (cell in CAUGHT) if due else cell in (Cell.SURVIVED, Cell.MEASURED, Cell.NOT_APPLICABLE, Cell.NOT_RUN)
    colour = ("killed" if due else "") if wanted else "bad" if due or trial.kind == "benign" else "doubt"
    asked = f"{name}: {cell.value}{', has to catch it' if due else ''}"
    return _td(asked, SYMBOLS[cell], f"{colour} {'must' if due else ''}".strip())


def _td(said: str, sign: str, style: str) -> str:
    styled = f' class="{style}"' if style else ""
    return f'<td{styled} title="{escape(said, quote=True)}" aria-label="{escape(said, quote=True)}">{sign}</td>'
