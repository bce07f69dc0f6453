"""Whatever a history holds, a check rules on it: a crash in a check would be taken for trouble of the cluster."""

from __future__ import annotations

from hypothesis import given, settings

from stickyconf import checks
from stickyconf.model import History, Ruling, Status, Verdict
from tests.checks.test_every_check import CASES, OBSERVATIONS, check
from tests.histories.arbitrary import histories, spoilt_histories


def well_made(name: str, ruling: Ruling, history: History) -> None:
    """Hold what is true of every ruling: reasons for all but conformance, and proofs that are in the history."""
    assert ruling.status in Status
    assert (ruling.status is Status.CONFORMS) == (ruling.findings == ())
    assert name not in OBSERVATIONS or ruling.status is not Status.VIOLATES
    numbers = {exchange.seq for exchange in history.exchanges}
    for finding in ruling.findings:
        assert finding.expected
        assert finding.actual
        assert set(finding.exchanges) <= numbers
    for measure in ruling.measures:
        assert measure.name
    verdict = Verdict.merge("AFF-01", [("a history", ruling)])
    assert verdict.told().startswith(f"AFF-01: {ruling.status}")


@settings(max_examples=settings().max_examples // 3)
@given(histories)
def test_every_check_rules_on_any_history(history: History) -> None:
    for name in CASES:
        well_made(name, check(name)(history), history)
    assert all(isinstance(line, str) for line in checks.contradictions(history))


@settings(max_examples=settings().max_examples // 4)
@given(spoilt_histories())
def test_every_check_rules_on_a_spoilt_history(history: History) -> None:
    for name in CASES:
        well_made(name, check(name)(history), history)
