"""The record of an experiment while it is made: what of it tells that something may have happened to pods."""

from __future__ import annotations

import time

from stickyconf.model import Answered, Outcome, Refused, Unknown
from stickyconf.ports import Reply, Request
from stickyconf.scenarios.recorder import Recorder

CARRIED = ("session_id=a",)


def sent(
    recorder: Recorder,
    outcome: Outcome,
    cookies: tuple[str, ...] = CARRIED,
    session: str = "pinned-001",
    during: tuple[float, float] | None = None,
) -> str:
    """Record one exchange, now unless ``during`` says from when to when, and return its request id."""
    request = Request("GET", "h", "/", recorder.next_request_id(session), cookies)
    began, ended = during or (time.monotonic(), time.monotonic())
    recorder.exchange("pinned", session, "http://g", request, Reply(outcome, "c", "HTTP/1.1", began, ended))
    return request.request_id


def by(pod: str | None, *headers: tuple[str, str], status: int = 200) -> Answered:
    return Answered(status, headers, pod)


def test_a_quiet_record_tells_of_no_trouble() -> None:
    recorder = Recorder()
    for pod in ("echo-a", "echo-a"):
        sent(recorder, by(pod))
    sent(recorder, by(None, status=404), session="pinned-002")

    assert not recorder.troubled(0.0, "session_id")


def test_failures_and_sessions_that_leave_their_pod_are_trouble() -> None:
    for outcome in (Refused("ReadError: reset"), by(None, status=502), by("echo-b")):
        recorder = Recorder()
        sent(recorder, by("echo-a"))
        sent(recorder, outcome)

        assert recorder.troubled(0.0, "session_id")
        assert not recorder.troubled(recorder.now(), "session_id")


def test_clients_without_the_session_cookie_leave_nothing() -> None:
    recorder = Recorder()
    for pod, cookies in (("echo-a", ()), ("echo-b", ()), ("echo-c", ("theme=dark",))):
        sent(recorder, by(pod), cookies=cookies)

    assert not recorder.troubled(0.0, "session_id")


def test_a_session_is_where_its_cookie_was_carried_or_set() -> None:
    """A client that asks outside the cookie's path in between is spread there, and has not strayed."""
    recorder = Recorder()
    sent(recorder, by("echo-a"))
    sent(recorder, by("echo-b"), cookies=())
    sent(recorder, by("echo-a"))

    assert not recorder.troubled(0.0, "session_id")
    sent(recorder, by("echo-b"))
    assert recorder.troubled(0.0, "session_id")


def test_arms_that_are_meant_to_stray_or_to_fail_are_no_trouble() -> None:
    for outcome in (by(None, status=503), by("echo-b")):
        recorder = Recorder()
        recorder.restless.add("pinned")
        sent(recorder, by("echo-a"))
        sent(recorder, outcome)

        assert not recorder.troubled(0.0, "session_id")


def test_an_answer_is_awaited_in_the_log_under_the_id_that_it_carries() -> None:
    recorder = Recorder()
    own = sent(recorder, by("echo-a"))
    sent(recorder, by("echo-b", ("Echo-Request-Id", "pinned-009-1")))

    assert recorder.unseen() == {("echo-a", own), ("echo-b", "pinned-009-1")}
    recorder.sighting("echo-b", "pinned-009-1")
    assert recorder.unseen() == {("echo-a", own)}


def test_sightings_are_counted_by_session() -> None:
    recorder = Recorder()
    recorder.sighting("echo-a", "in-flight-001-1")
    recorder.sighting("echo-b", "in-flight-001-2")
    recorder.sighting("echo-b", "in-flight-0011-3")

    assert recorder.seen("in-flight-001") == 2


def test_silence_is_when_no_request_had_an_answer_for_too_long() -> None:
    """One that was answered meanwhile, or refused, says that the gateway is there."""
    recorder, start, hung = Recorder(), time.monotonic(), Unknown("ReadTimeout after 15 s")
    recorder.patience = 40.0
    for outcome, began, ended in (
        (hung, 0, 15),
        (by("echo-a"), 14, 16),
        (hung, 1, 50),  # sent long ago, but others were answered
        (hung, 36, 55),
        (Refused("ConnectError"), 55, 56),
        (hung, 60, 75),
        (hung, 75, 90),
    ):
        sent(recorder, outcome, during=(start + began, start + ended))
        assert not recorder.silent.is_set()
    sent(recorder, hung, during=(start + 90, start + 105))
    assert recorder.silent.is_set()
