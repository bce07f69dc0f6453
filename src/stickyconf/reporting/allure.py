"""What Allure is told of a case, through allure-pytest's public API. Without --alluredir all of this does nothing.

The plugin calls ``describe``, ``entitle`` and ``label`` before a case, the others while it runs or when it has failed:
what is attached lands in the test.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import allure

from stickyconf.model import Catalogue, History, Level, Requirement, Verdict
from stickyconf.model.known import KnownViolation
from stickyconf.model.run import Run
from stickyconf.model.storage import read_history
from stickyconf.reporting.implementation import Implementation
from stickyconf.reporting.redaction import LIMIT, publishable, redact
from stickyconf.reporting.story import cited_table, planned, story

MOST_STEPS = 100
# Their functions carry no annotations.
_case: Any = allure.dynamic
_description: Any = allure.description
_title: Any = allure.title
_SEVERITY = {
    Level.MUST: allure.severity_level.BLOCKER,
    Level.SHOULD: allure.severity_level.CRITICAL,
    Level.OBSERVE: allure.severity_level.NORMAL,
}
_TYPES = {
    ".yaml": allure.attachment_type.YAML,
    ".json": allure.attachment_type.JSON,
    ".svg": allure.attachment_type.SVG,
}


class Marked(Protocol):
    """A pytest item, as far as it is needed here."""

    def add_marker(self, marker: Any) -> None:
        """Put a mark on the item."""


def describe(case: Marked, requirement: Requirement, catalogue: Catalogue) -> None:
    """Make the requirement's text the case's description.

    A mark, put on before the case is set up: at the end of the set-up Allure takes the description from there, or from
    the docstring, and forgets one that was set in between.
    """
    sources = catalogue.source_links(requirement).values()
    see = f" ({requirement.see})" if requirement.see else ""
    paragraphs = [
        f"**{requirement.id} {requirement.level}**: {requirement.statement}",
        f"Must be shown possible first: {requirement.exposure}",
        "Source: " + "; ".join(f"[{source.title}]({source.url})" for source in sources) + see,
        f"Applies to: {requirement.since}",
    ]
    case.add_marker(_description("\n\n".join(paragraphs)))


def entitle(case: Any) -> None:
    """Show a pytest item as the sentence its docstring begins with; one with parameters keeps its name with them."""
    if not hasattr(case, "callspec"):
        sentence = str(case.function.__doc__).strip().splitlines()[0]
        _title(sentence.removesuffix("."))(case.function)


def label(requirement: Requirement, catalogue: Catalogue) -> None:
    """Put the case where its requirement belongs: epic = family, feature = profile, story = id and title."""
    _case.epic(catalogue.families[requirement.family])
    _case.feature(*requirement.profiles)
    _case.story(f"{requirement.id} {requirement.title}")
    _case.severity(_SEVERITY[requirement.level])
    _case.tag(requirement.level.value)
    for source in catalogue.source_links(requirement).values():
        _case.link(source.url, name=source.title)


def link_known(known: KnownViolation) -> None:
    """Link a case to the issue in which its known violation is handled."""
    _case.link(known.link, name=f"known violation: {known.reason}")
    _case.tag("known violation")


def name_implementation(implementation: Implementation, mutant: str = "") -> None:
    """Say who was under test, as a label to group by and as a parameter, and which deliberate fault was active.

    The parameters keep the results of two implementations, of two versions, and of one with a fault in it, from being
    taken for retries of one.
    """
    _case.label("implementation", implementation.told)
    _case.parameter("implementation", implementation.told)
    if mutant:
        _case.label("mutant", mutant)
        _case.parameter("deliberate fault", mutant)


def attach_verdict(verdict: Verdict, histories: Sequence[History], mutant: str = "") -> None:
    """Attach the verdict, its measures, and the exchanges it cites as a table; name the implementation it is about."""
    if histories:
        name_implementation(Implementation.of_setup(histories[0].setup), mutant)
    text = [verdict.told(limit=len(verdict.findings))]
    measures = [f"  {measure.name}: {measure.value} {measure.unit}".rstrip() for measure in verdict.measures]
    if measures:
        text += ["", "measured:", *measures]
    distinct = list({history.setup.name: history for history in histories}.values())
    _attach("\n".join(text), f"verdict: {verdict.status}", allure.attachment_type.TEXT)
    table = cited_table(verdict.findings, distinct)
    if table:
        _attach(table, "the exchanges cited", allure.attachment_type.HTML)


def attach_timeline(history: str, picture: str) -> None:
    """Attach a history's timeline, an SVG document."""
    _attach(picture, f"timeline of {history}", allure.attachment_type.SVG)


def attach_history(path: Path) -> None:
    """Attach a recorded history: its story as steps with their times, and the file itself unless it is too large.

    Raises HistoryFileError if the file is no whole history.
    """
    title, steps, body = _told(path, path.stat().st_mtime_ns)
    with allure.step(title):
        for step in steps:
            with allure.step(step):
                pass
        allure.attach(body, name=path.name, attachment_type=allure.attachment_type.TEXT)


def attach_file(path: Path) -> None:
    """Attach a file of diagnostics: redacted, and cut off at the start if it is too large."""
    text = path.read_text(encoding="utf-8", errors="replace")
    name = "/".join(path.parts[-2:])
    _attach(text, name, _TYPES.get(path.suffix, allure.attachment_type.TEXT))


def write_environment(directory: Path, run: Run) -> None:
    """Write environment.properties into an allure-results directory: who was under test, and how."""
    implementation = Implementation.of(run)
    facts = {
        "Implementation": implementation.told,
        "About.Kong": implementation.disclaimer or "yes",
        "Target": run.target,
        "Profiles": ", ".join(run.profiles),
        "Suite": f"stickyconf {run.suite}",
        "Seed": str(run.seed),
        "Strict": "yes" if run.strict else "no",
        "Mutant": run.mutant,
        "Rejudged": run.rejudged,
        **{f"Version.{part.replace(' ', '.')}": version for part, version in sorted(run.versions.items())},
    }
    said = [f"{name}={' '.join(redact(fact).split())}" for name, fact in facts.items() if fact]
    (directory / "environment.properties").write_text("\n".join(said) + "\n", encoding="utf-8")


@lru_cache(maxsize=4)  # the cases of a module share a history
def _told(path: Path, _changed: int) -> tuple[str, tuple[str, ...], str]:
    """Return a history's title, its steps, and what to attach of it, all fit to be published."""
    history = read_history(path)
    told = story(history)
    steps = [redact(planned(history)), *(redact(line) for line in told[:MOST_STEPS])]
    if len(told) > MOST_STEPS:
        steps.append(f"and {len(told) - MOST_STEPS} more events")
    body = path.read_text(encoding="utf-8")
    if len(body) > LIMIT:
        body = f"{path.name} has {len(body)} characters, too many to attach: see it in the run's histories/"
    return f"history {history.setup.name} ({len(history.exchanges)} exchanges)", tuple(steps), publishable(body)


def _attach(text: str, name: str, kind: allure.attachment_type) -> None:
    allure.attach(publishable(text), name=name, attachment_type=kind)
