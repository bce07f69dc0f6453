"""No check without a history that it accepts and one that it rejects; none that conforms to what it has not seen."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stickyconf import checks
from stickyconf.model import Happening, History, Level, Ruling, Status
from stickyconf.model.catalogue import load_catalogue
from stickyconf.mutants import mutants
from tests.checks.cases import Cases, all_cases
from tests.histories import edits

ROOT = Path(__file__).parents[2]
CATALOGUE = load_catalogue(ROOT / "requirements.toml")
CASES = all_cases()

# They record and demand nothing, so that they reject nothing; what they measure is in test_observations.py.
OBSERVATIONS = {
    name
    for name, one in checks.all_checks().items()
    if all(CATALOGUE[requirement].level is Level.OBSERVE for requirement in one.requirements)
}
# An observation of a drain is of events; where new sessions went is a measure beside them.
EVENTS_ALONE = {"drain_times_observed"}
READ_TRAFFIC = {name for name, one in checks.all_checks().items() if one.arms}


def check(name: str) -> Callable[[History], Ruling]:
    return functools.partial(checks.all_checks()[name], **CASES[name].arguments)


def used_by_cases() -> dict[str, set[str]]:
    """Return requirement -> the checks that its cases in the suites name."""
    found: dict[str, set[str]] = {}
    for file in (ROOT / "suites").glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for mark in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "requirement":
                    named = {
                        inner.attr
                        for inner in ast.walk(node)
                        if isinstance(inner, ast.Attribute) and ast.unparse(inner.value) == "checks"
                    }
                    found.setdefault(ast.literal_eval(mark.args[0]), set()).update(named)
    return found


def rows(of: Callable[[Cases], Mapping[str, Any]]) -> Iterator[Any]:
    for name, cases in CASES.items():
        for sentence, row in of(cases).items():
            yield pytest.param(name, row, id=f"{name}: {sentence}")


def said(ruling: Ruling) -> str:
    return "\n".join(f"{finding.expected} / {finding.actual}" for finding in ruling.findings)


def test_every_check_has_its_histories() -> None:
    assert set(CASES) == set(checks.all_checks())
    for name, cases in CASES.items():
        assert cases.accepts, f"{name} has no history that it accepts"
        assert cases.doubts, f"{name} has no history that leaves it unsure"
        assert bool(cases.rejects) == (name not in OBSERVATIONS), f"{name} has no history that it rejects"
        assert cases.spoken or name not in READ_TRAFFIC, f"{name} has no history in other gateways' dialects"


def test_every_check_serves_the_requirements_whose_cases_use_it_and_no_other() -> None:
    used = used_by_cases()
    for name, one in checks.all_checks().items():
        serving = {requirement for requirement, named in used.items() if name in named}
        assert serving == set(one.requirements), (
            f"{name} is declared for {one.requirements}, cases use it for {serving}"
        )
    assert set().union(*used.values()) <= set(checks.all_checks())


def test_every_must_with_a_case_has_a_mutant_that_it_must_catch() -> None:
    caught = {requirement for fault in mutants().values() for requirement in fault.catchers}
    musts = {CATALOGUE[requirement] for requirement in used_by_cases() if CATALOGUE[requirement].level is Level.MUST}
    here = {one.id for one in musts if not CATALOGUE.by_account.issuperset(one.profiles)}

    assert not here - caught


def relabelled(history: History, *, keep: tuple[str, ...]) -> History:
    """The same history; exchanges of all but these arms belong to an arm that no check knows."""
    exchanges = tuple(e if e.arm in keep else replace(e, arm="undeclared") for e in history.exchanges)
    return replace(history, exchanges=exchanges)


@pytest.mark.parametrize("name", sorted(READ_TRAFFIC))
def test_a_check_reads_the_arms_that_it_declares_and_no_other(name: str) -> None:
    arms, cases = checks.all_checks()[name].arms, CASES[name]
    if arms == checks.EVERY_ARM:
        return
    judged = [*cases.accepts.values(), *(history for history, _ in (*cases.rejects.values(), *cases.doubts.values()))]

    assert all(check(name)(relabelled(history, keep=arms)) == check(name)(history) for history in judged[:3])
    for arm in arms:
        others = tuple(other for other in arms if other != arm)
        seen = any(check(name)(relabelled(history, keep=others)) != check(name)(history) for history in judged)
        assert seen, f"{name} does not read {arm}"


@pytest.mark.parametrize(("name", "history"), rows(lambda cases: cases.accepts))
def test_accepts(name: str, history: History) -> None:
    ruling = check(name)(history)

    assert ruling.status is Status.CONFORMS, said(ruling)
    assert ruling.findings == ()


@pytest.mark.parametrize(("name", "row"), rows(lambda cases: cases.rejects))
def test_rejects(name: str, row: tuple[History, str]) -> None:
    history, reason = row
    ruling = check(name)(history)

    assert ruling.status is Status.VIOLATES, said(ruling)
    assert reason in said(ruling)
    assert {seq for finding in ruling.findings for seq in finding.exchanges} <= {e.seq for e in history.exchanges}


@pytest.mark.parametrize(("name", "row"), rows(lambda cases: cases.doubts))
def test_is_unsure(name: str, row: tuple[History, str]) -> None:
    history, reason = row
    ruling = check(name)(history)

    assert ruling.status is Status.INCONCLUSIVE, said(ruling)
    assert reason in said(ruling)


@pytest.mark.parametrize("name", CASES)
def test_a_history_in_which_nothing_happened_leaves_every_check_unsure(name: str) -> None:
    history = next(iter(CASES[name].accepts.values()))
    empty = History(history.setup)

    assert check(name)(empty).status is Status.INCONCLUSIVE


@pytest.mark.parametrize("name", CASES)
def test_if_silence_ended_a_record_early_only_violations_stand(name: str) -> None:
    def cut(history: History) -> History:
        return edits.plus(history, Happening.SILENT, "http://gateway", 1.0, seconds="90")

    unsure = check(name)(cut(next(iter(CASES[name].accepts.values()))))
    assert unsure.status is Status.INCONCLUSIVE
    assert unsure.findings[0].expected == "an answer from the gateway to any request"
    for history, _ in CASES[name].rejects.values():
        assert check(name)(cut(history)).status is Status.VIOLATES


@pytest.mark.parametrize("name", sorted(READ_TRAFFIC - EVENTS_ALONE))
def test_where_every_outcome_is_unknown_no_check_says_anything_else(name: str) -> None:
    history = edits.edited(next(iter(CASES[name].accepts.values())), edits.every(), edits.unknown)

    assert check(name)(history).status is Status.INCONCLUSIVE


@pytest.mark.parametrize("name", sorted(READ_TRAFFIC - OBSERVATIONS))
def test_where_every_request_is_refused_no_check_conforms(name: str) -> None:
    history = edits.edited(next(iter(CASES[name].accepts.values())), edits.every(), edits.refused)

    assert check(name)(history).status in {Status.VIOLATES, Status.INCONCLUSIVE}
