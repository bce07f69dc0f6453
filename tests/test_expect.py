"""What the gateway keeps from happening: waiting for it in vain is recorded for the checks, and is no error of ours."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from stickyconf.checks.evidence import unconverged
from stickyconf.model import Event, Happening
from stickyconf.ports import HarnessError
from stickyconf.scenarios.recorder import Recorder
from stickyconf.scenarios.stage import Stage
from stickyconf.wait import Budgets, Waiter
from tests.histories import spread
from tests.histories.edits import plus


def expected(*seen: int) -> tuple[bool, tuple[Event, ...]]:
    """Expect at least 3 sessions, which look like this one look after the other; return what came of it."""
    recorder, looks = Recorder(), iter([*seen, *[seen[-1]] * 1000])
    stage = SimpleNamespace(recorder=recorder, waiter=Waiter(Budgets.of({"traffic": 0.2})))

    async def look() -> int:
        return next(looks)

    happened = asyncio.run(Stage.expect(cast(Any, stage), "3 sessions", "traffic", look, lambda number: number >= 3))
    return happened, tuple(recorder.events(Happening.MISSED))


def test_what_happens_is_not_recorded() -> None:
    assert expected(1, 3) == (True, ())


def test_what_does_not_happen_in_time_is_recorded_with_what_was_seen_last() -> None:
    happened, (missed,) = expected(1, 2)

    assert not happened
    assert (missed.subject, missed.detail) == ("3 sessions", {"budget": "traffic", "last": "2"})


def test_it_leaves_the_checks_unsure() -> None:
    history = plus(spread(), Happening.MISSED, "3 sessions", 0.5, budget="traffic", last="2")

    [doubt] = unconverged(history)
    assert doubt.expected == "3 sessions"
    assert "budget traffic; last seen: 2" in doubt.actual


def test_a_look_of_ours_that_breaks_is_an_error_all_the_same() -> None:
    async def look() -> int:
        raise HarnessError("no such cluster")

    stage = SimpleNamespace(recorder=Recorder(), waiter=Waiter(Budgets.of({"traffic": 0.2})))
    with pytest.raises(HarnessError, match="no such cluster"):
        asyncio.run(Stage.expect(cast(Any, stage), "3 sessions", "traffic", look, bool))
