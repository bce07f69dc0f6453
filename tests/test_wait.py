"""Waiting is bounded, under a named budget, and says what it saw last."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from stickyconf import wait
from stickyconf.wait import BUDGETS, Beat, Budgets, UnknownBudget, Waiter, WaitFailed


def waiter(**seconds: float) -> Waiter:
    return Waiter(Budgets.of(seconds))


def counting(start: int = 0) -> Callable[[], Awaitable[int]]:
    """Return a look that sees 1, 2, 3, ..."""
    seen = start

    async def look() -> int:
        nonlocal seen
        seen += 1
        return seen

    return look


# Budgets.


def test_every_budget_has_a_length_and_says_what_it_is_for() -> None:
    assert {"rollout", "programmed", "drain_converged"} <= set(BUDGETS)
    for name, (seconds, purpose) in BUDGETS.items():
        assert seconds > 0, name
        assert len(purpose) > 20, name


def test_the_table_holds_unless_a_value_is_replaced() -> None:
    budgets = Budgets.of({"rollout": 300.5})

    assert budgets["rollout"] == timedelta(seconds=300.5)
    assert {name: value for name, value in budgets.seconds.items() if name != "rollout"} == {
        name: seconds for name, (seconds, _) in BUDGETS.items() if name != "rollout"
    }
    assert Budgets.of() == Budgets.of({})


def test_a_budget_can_be_made_long_enough_for_a_slow_controller() -> None:
    assert Budgets.of().at_least("drain_converged", 20)["drain_converged"] == timedelta(seconds=20)
    assert Budgets.of().at_least("drain_converged", 0.8)["drain_converged"] == timedelta(seconds=10)


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownBudget, match=r"no budget is called 'rolout'; there are: .*programmed, proxy, request"):
        Budgets.of({"rolout": 1})
    with pytest.raises(UnknownBudget, match="no budget is called 'patience'"):
        Budgets.of()["patience"]


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_a_value_that_is_no_length_of_time_is_refused(value: float) -> None:
    with pytest.raises(UnknownBudget, match=r"budget rollout=.*: give a number of seconds above 0"):
        Budgets.of({"rollout": value})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("rollout=5", ("rollout", 5.0)), ("programmed=0.5", ("programmed", 0.5)), ("nobody=1e2", ("nobody", 100.0))],
)
def test_an_override_is_read(text: str, expected: tuple[str, float]) -> None:
    assert Budgets.parse(text) == expected


@pytest.mark.parametrize("text", ["", "rollout", "rollout=", "rollout=soon", "rollout=5s", "5", "rollout:5", "a=b=c"])
def test_what_is_no_override_is_refused_in_one_clear_line(text: str) -> None:
    with pytest.raises(UnknownBudget) as error:
        Budgets.parse(text)

    assert str(error.value) == f"budget {text!r} is not NAME=SECONDS, for example programmed=60"


# Waiting.


def test_a_wait_returns_what_it_saw_when_the_condition_held() -> None:
    assert asyncio.run(waiter().until("three", "rollout", counting(), lambda seen: seen == 3, every=0)) == 3


def test_what_holds_at_once_is_looked_at_once() -> None:
    assert asyncio.run(waiter().until("one", "rollout", counting(), lambda seen: seen > 0)) == 1


def test_a_wait_in_vain_says_what_for_how_long_under_which_budget_and_what_it_saw_last() -> None:
    with pytest.raises(WaitFailed, match=r"waited \d+\.\d s for the moon \(budget rollout\); last seen: \d+") as failed:
        asyncio.run(waiter(rollout=0.5).until("the moon", "rollout", counting(), lambda _: False, every=0.02))

    assert (failed.value.what, failed.value.budget) == ("the moon", "rollout")
    assert int(failed.value.last) > 1


def test_a_look_that_never_returns_ends_with_the_budget() -> None:
    async def look() -> str:
        await asyncio.Event().wait()
        return "never"

    with pytest.raises(WaitFailed, match="last seen: nothing"):
        asyncio.run(waiter(rollout=0.02).until("an answer", "rollout", look, bool))


def test_the_last_thing_seen_is_told_even_where_a_later_look_hangs() -> None:
    looks = counting()

    async def look() -> int:
        seen = await looks()
        if seen == 3:
            await asyncio.Event().wait()
        return seen

    with pytest.raises(WaitFailed) as failed:
        asyncio.run(waiter(rollout=1).until("four", "rollout", look, lambda seen: seen == 4, every=0))
    assert failed.value.last == "2"


@pytest.mark.parametrize("error", [RuntimeError("broken"), TimeoutError("its own"), KeyError("x")])
def test_a_look_that_breaks_is_not_waited_for(error: Exception) -> None:
    async def look() -> str:
        raise error

    with pytest.raises(type(error)) as raised:
        asyncio.run(waiter().until("an answer", "rollout", look, bool))
    assert raised.value is error


def test_an_unknown_budget_is_refused_before_anything_is_looked_at() -> None:
    looked = []

    async def look() -> bool:
        looked.append(True)
        return True

    with pytest.raises(UnknownBudget):
        asyncio.run(waiter().until("anything", "patience", look, bool))
    assert looked == []


def test_progress_is_told_at_every_look_with_the_time_spent_so_far_and_when_the_wait_ends() -> None:
    told: list[tuple[str, float]] = []
    patient = Waiter(Budgets.of(), lambda what, elapsed: told.append((what, elapsed)))

    asyncio.run(patient.until("three", "rollout", counting(), lambda seen: seen == 3, every=0.001))
    with patient.told("a build"):
        pass

    assert [what for what, _ in told] == ["three"] * 3 + ["", "a build", ""]
    assert 0 <= told[0][1] < told[2][1]
    assert told[4][1] == 0.0


# The rhythm of traffic.


def test_ticks_keep_their_distance_and_late_ones_are_not_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now, pauses = 100.0, []

    async def sleep(seconds: float) -> None:
        nonlocal now
        pauses.append(round(seconds, 6))
        now += seconds

    monkeypatch.setattr(wait.time, "monotonic", lambda: now)
    monkeypatch.setattr(wait.asyncio, "sleep", sleep)

    async def ticks() -> None:
        nonlocal now
        beat = Beat(0.2)
        await beat.tick()
        now += 0.05  # the work between two ticks
        await beat.tick()
        now += 1.0  # much too long
        await beat.tick()
        await beat.tick()

    asyncio.run(ticks())

    assert pauses == [0.2, 0.15, 0.0, 0.2]


def test_a_beat_tells_by_how_much_each_tick_was_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Late is a tick that comes after it was due. Work that took longer than the beat is not lateness."""
    now, overslept, told = 0.0, iter((0.0, 0.3, 0.0)), []

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds + next(overslept)

    monkeypatch.setattr(wait.time, "monotonic", lambda: now)
    monkeypatch.setattr(wait.asyncio, "sleep", sleep)

    async def ticks() -> list[float]:
        nonlocal now
        beat, due = Beat(0.2, told.append), []
        for work in (0.0, 0.0, 1.0):
            now += work
            await beat.tick()
            due.append(round(beat.due, 3))
        return due

    assert asyncio.run(ticks()) == [0.2, 0.4, 1.7]
    assert [round(seconds, 3) for seconds in told] == [0.0, 0.3, 0.0]
