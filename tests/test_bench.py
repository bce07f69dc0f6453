"""The benchmark of long histories measures what it says: its history is one that a conforming gateway would leave."""

from __future__ import annotations

from stickyconf.bench.longhistory import conforming, measured


def test_each_step_is_measured_and_the_history_conforms() -> None:
    steps = list(measured(3000))  # a history that is not judged as conforming would be an error

    assert [step.what for step in steps] == ["redacted and written", "read and judged by AFF-01"]
    assert all(step.wall > 0 and step.memory > 2**20 for step in steps)


def test_sessions_begin_without_a_cookie_and_keep_it() -> None:
    for exchanges in conforming(500).sessions("pinned").values():
        assert [bool(exchange.cookie_fields) for exchange in exchanges] == [False, *[True] * (len(exchanges) - 1)]
