"""What a check declares: what is missing is said in one line, and the error budget is checked when checks are found."""

from __future__ import annotations

import types
from dataclasses import replace
from pathlib import Path

import pytest

from stickyconf import checks
from stickyconf.checks import declared
from stickyconf.model import History, Ruling
from stickyconf.model.catalogue import load_catalogue
from stickyconf.stats import FALSE_ALARM_BUDGET, Reach, Share
from tests.histories import spread

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "requirements.toml")


def proposition(history: History) -> Ruling:
    """It holds."""
    return Ruling.of()


def of_frequencies(history: History, design: Share) -> Ruling:
    """It holds but for chance."""
    return Ruling.of()


def without_words(history: History) -> Ruling:
    return Ruling.of()


def found_in(*modules: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let discovery see these modules only, and look."""
    monkeypatch.setattr(declared, "_modules", lambda: iter(modules))
    declared.all_checks.__wrapped__()


def module(name: str, *held: declared.Check) -> types.ModuleType:
    made = types.ModuleType(name)
    for one in held:
        one.function.__module__ = name
        setattr(made, one.__name__, one)
    return made


def test_a_check_is_found_by_its_name_with_what_it_declares() -> None:
    check = checks.every_ready_pod_is_reached

    assert check is checks.all_checks()["every_ready_pod_is_reached"]
    assert (check.requirements, check.arms, check.alpha) == (("SPR-01",), ("control",), 1e-7)
    assert check.proposition == "Requests without the cookie reach every ready pod."
    assert check.samples(3) == check.designs[0].samples(3)


def test_a_check_that_is_not_there_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="no check is called 'every_pod_is_happy'"):
        checks.every_pod_is_happy  # noqa: B018


def test_every_check_serves_requirements_of_the_catalogue() -> None:
    for name, check in checks.all_checks().items():
        assert set(check.requirements) <= set(CATALOGUE.requirements), name


def test_the_alphas_of_a_run_stay_within_the_budget() -> None:
    assert sum(checks.alphas().values()) <= FALSE_ALARM_BUDGET == 1e-6
    assert {name for name, share in checks.alphas().items() if share} == {
        requirement for one in checks.all_checks().values() if one.alpha for requirement in one.requirements
    }


@pytest.mark.parametrize(
    ("requirements", "function", "said"),
    [
        ((), proposition, r"check proposition: say which requirement it serves"),
        (("SPR-02",), of_frequencies, r"check of_frequencies: .* give it one, with its alpha: @check\(design=...\)"),
        (("SPR-02",), without_words, r"check without_words: its docstring has to state the proposition"),
    ],
)
def test_a_declaration_that_lacks_something_says_what(requirements, function, said) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=said):
        declared.check(*requirements)(function)


def test_a_check_without_a_design_asks_for_no_sample() -> None:
    with pytest.raises(ValueError, match="the check proposition has no design"):
        declared.check("AFF-01")(proposition).samples(3)


def test_more_false_alarms_than_the_budget_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    greedy = declared.check("SPR-02", "SPR-03", design=Share(alpha=6e-7))(of_frequencies)

    with pytest.raises(ValueError, match=r"1\.22e-06 false alarms a run, the budget is 1e-06: give the new one"):
        found_in(module("greedy", greedy), monkeypatch=monkeypatch)


def test_two_checks_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def proposition(history: History) -> Ruling:
        """It holds as well."""
        return Ruling.of()

    one, other = declared.check("AFF-01")(globals()["proposition"]), declared.check("AFF-02")(proposition)

    with pytest.raises(ValueError, match="two checks are called proposition: in first and second"):
        found_in(module("first", one), module("second", other), monkeypatch=monkeypatch)


def test_a_check_judges_by_the_design_that_it_has() -> None:
    check = checks.every_ready_pod_is_reached
    few = spread(sessions=12)

    assert check(few).status != replace(check, designs=(Reach(alpha=0.05),))(few).status
