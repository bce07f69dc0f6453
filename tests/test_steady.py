"""How late the suite itself was with its requests: measured at every one, and the largest value is kept."""

from __future__ import annotations

import asyncio

import pytest

from stickyconf import wait
from stickyconf.model import Answered, Exchange
from stickyconf.ports import Reply, Request, Tempo
from stickyconf.scenarios import recorder as recording
from stickyconf.scenarios.recorder import Recorder
from stickyconf.scenarios.steady import send_steadily

BEAT = 0.1


class Clock:
    """The time of everything in this test: it goes on if somebody sleeps, and if it is told to."""

    def __init__(self, overslept: tuple[float, ...]) -> None:
        self.now, self._overslept = 5.0, iter(overslept)

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds + next(self._overslept, 0.0)


def lateness(
    monkeypatch: pytest.MonkeyPatch, requests: tuple[tuple[float, float], ...], overslept: tuple[float, ...] = ()
) -> tuple[float, list[float]]:
    """Send requests, each given by the seconds that it waits for its turn and those that its answer takes.

    Return the lateness that was kept, and when the requests left.
    """
    clock = Clock(overslept)
    monkeypatch.setattr(wait.time, "monotonic", clock.monotonic)
    monkeypatch.setattr(recording.time, "monotonic", clock.monotonic)
    monkeypatch.setattr(wait.asyncio, "sleep", clock.sleep)
    recorder, stopped, left = Recorder(), asyncio.Event(), iter(requests)

    async def send() -> Exchange:
        queued, took = next(left)
        clock.now += queued
        sent = clock.now
        clock.now += took
        if recorder.exchanges_since(-1.0)[len(requests) - 2 :]:
            stopped.set()
        reply = Reply(Answered(200, (), "echo-a"), "", "HTTP/1.1", sent, clock.now)
        return recorder.exchange("resident", "resident-001", "g", Request("GET", "h", "/", "r"), reply)

    asyncio.run(send_steadily(recorder, BEAT, stopped, send))
    return round(recorder.lateness, 3), [round(one.sent, 3) for one in recorder.exchanges_since(-1.0)]


def test_requests_that_keep_the_beat_are_not_late(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lateness(monkeypatch, ((0, 0.01),) * 3) == (0.0, [0.0, 0.1, 0.2])


def test_an_answer_that_takes_longer_than_the_beat_is_not_our_lateness(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lateness(monkeypatch, ((0, 0.01), (0, 2.0), (0, 0.01))) == (0.0, [0.0, 0.1, 2.1])


def test_a_request_that_waits_for_its_turn_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lateness(monkeypatch, ((0, 0.01), (0.4, 0.01), (0.02, 0.01))) == (0.4, [0.0, 0.5, 0.53])


def test_an_event_loop_that_is_busy_makes_late(monkeypatch: pytest.MonkeyPatch) -> None:
    late, left = lateness(monkeypatch, ((0, 0.01),) * 3, overslept=(0.0, 0.7, 0.0))

    assert (late, left) == (0.7, [0.0, 0.1, 0.9])


@pytest.mark.parametrize(("sync", "beat"), [(0.2, 0.25), (3.0, 0.5), (10.0, 0.5)])
def test_sessions_visit_half_as_often_if_the_controller_is_slow(sync: float, beat: float) -> None:
    assert Tempo(sync=sync, hold=50.0, grace=65.0).beat(0.25) == beat
