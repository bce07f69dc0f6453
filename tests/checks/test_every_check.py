"""No check without a history that it accepts and one that it rejects; none that conforms to what it has not seen."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from stickyconf import checks
from stickyconf.model import History, Ruling, Status
from tests.checks import (
    affinity_cases,
    cookie_cases,
    drain_cases,
    drain_session_cases,
    lifecycle_cases,
    page_cases,
    policy_cases,
    robustness_cases,
    rotation_cases,
    rush_cases,
    spread_cases,
)
from tests.checks.cases import Cases
from tests.histories import edits

CASES: dict[str, Cases] = {
    **policy_cases.CASES,
    **cookie_cases.CASES,
    **affinity_cases.CASES,
    **spread_cases.CASES,
    **drain_session_cases.CASES,
    **drain_cases.CASES,
    **rush_cases.CASES,
    **rotation_cases.CASES,
    **lifecycle_cases.CASES,
    **robustness_cases.CASES,
    **page_cases.CASES,
}

# They record and demand nothing, so that they reject nothing; what they measure is in test_observations.py.
OBSERVATIONS = {"attributes_observed", "drain_times_observed", "reissue_observed", "value_format_observed"}

# Not a check of the system under test but of the record; its tests are in test_evidence.py.
OF_THE_RECORD = {"contradictions"}

ARGUMENTS: dict[str, dict[str, Any]] = {
    "policies_are_refused": {"cases": policy_cases.REFUSED, "naming": policy_cases.NAMING}
}
# These read what the API server, the Admin API or a shell said, and no exchange.
WITHOUT_TRAFFIC = {*policy_cases.CASES, *page_cases.CASES, "terminating_target_has_weight_zero"}
UNSPOKEN = WITHOUT_TRAFFIC - {"admin_api_shows_the_policy", "terminating_target_has_weight_zero"}


def check(name: str) -> Callable[[History], Ruling]:
    return functools.partial(getattr(checks, name), **ARGUMENTS.get(name, {}))


def rows(of: Callable[[Cases], Mapping[str, Any]]) -> Iterator[Any]:
    for name, cases in CASES.items():
        for sentence, row in of(cases).items():
            yield pytest.param(name, row, id=f"{name}: {sentence}")


def said(ruling: Ruling) -> str:
    return "\n".join(f"{finding.expected} / {finding.actual}" for finding in ruling.findings)


def test_every_exported_check_has_its_histories() -> None:
    assert set(CASES) | OF_THE_RECORD == set(checks.__all__)
    for name, cases in CASES.items():
        assert cases.accepts, f"{name} has no history that it accepts"
        assert cases.doubts, f"{name} has no history that leaves it unsure"
        assert bool(cases.rejects) == (name not in OBSERVATIONS), f"{name} has no history that it rejects"
        assert bool(cases.spoken) == (name not in UNSPOKEN), f"{name} has no history in other gateways' dialects"


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


@pytest.mark.parametrize("name", sorted(CASES.keys() - WITHOUT_TRAFFIC - {"drain_times_observed"}))
def test_where_every_outcome_is_unknown_no_check_says_anything_else(name: str) -> None:
    history = edits.edited(next(iter(CASES[name].accepts.values())), edits.every(), edits.unknown)

    assert check(name)(history).status is Status.INCONCLUSIVE


@pytest.mark.parametrize("name", sorted(CASES.keys() - WITHOUT_TRAFFIC - OBSERVATIONS))
def test_where_every_request_is_refused_no_check_conforms(name: str) -> None:
    history = edits.edited(next(iter(CASES[name].accepts.values())), edits.every(), edits.refused)

    assert check(name)(history).status in {Status.VIOLATES, Status.INCONCLUSIVE}
