"""An exchange says what happened, in terms every check shares."""

from __future__ import annotations

import pytest

from stickyconf.model import Answered, Event, Exchange, Happening, Outcome, Refused, Unknown
from tests.histories import affinity, drain
from tests.histories.tape import Tape


def ending_in(outcome: Outcome, *cookie_fields: str) -> Exchange:
    return Exchange(7, "pinned", "s1", "c", "g", 1.0, 1.1, "HTTP/1.1", "GET", "/x", "r", cookie_fields, outcome)


@pytest.mark.parametrize(
    ("outcome", "failed", "unserved", "told"),
    [
        (Answered(200, (), "echo-a"), False, False, "reached echo-a (200)"),
        (Answered(500, (), "echo-a"), False, False, "reached echo-a (500)"),
        (Answered(503, (), None), True, True, "was answered 503 by the gateway itself"),
        (Answered(404, (), None), False, True, "was answered 404 by the gateway itself"),
        (
            Answered(404, (("server", "other"),), None),
            False,
            True,
            "was answered 404 by another server (other)",
        ),
        (
            Answered(404, (("Server", "edge"), ("X-Kong-Response-Latency", "0")), None),
            False,
            True,
            "was answered 404 by the gateway itself",
        ),
        (Answered(404, (("Server", "kong/3.11.0"),), None), False, True, "was answered 404 by the gateway itself"),
        (
            Answered(404, (("Server", "other"), ("Via", "1.1 kong/3.11.0"), ("X-Kong-Upstream-Latency", "2")), None),
            False,
            True,
            "was answered 404 by another server (other)",
        ),
        (Refused("reset"), True, True, "failed: reset"),
        (Unknown("timed out"), False, False, "has an unknown outcome: timed out"),
    ],
)
def test_failure_is_definite_and_doubt_is_not(outcome: Outcome, failed: bool, unserved: bool, told: str) -> None:
    exchange = ending_in(outcome)

    assert (exchange.failed, exchange.unserved) == (failed, unserved)
    assert exchange.told() == f"exchange #7 (GET /x, session s1) {told}"
    assert (exchange.answer is None) == (not isinstance(outcome, Answered))


@pytest.mark.parametrize(
    ("fields", "carried"),
    [
        ((), False),
        (("session_id=1",), True),
        (("a=b; session_id=1; c=d",), True),
        (("a=b", "session_id=1"), True),
        (("a=b;session_id=1",), True),
        (("session_id2=1; my_session_id=1",), False),
        (("a=session_id=1",), False),
        (("session_id",), False),
    ],
)
def test_a_cookie_is_found_by_its_whole_name(fields: tuple[str, ...], carried: bool) -> None:
    assert ending_in(Refused(""), *fields).carried("session_id") is carried


def test_a_cookie_is_found_by_its_whole_value() -> None:
    exchange = ending_in(Refused(""), 'a=1; session_id="v=1"; b=2')

    assert exchange.carried("session_id", '"v=1"')
    assert not exchange.carried("session_id", '"v=1')
    assert not exchange.carried("session_id", "v=1")
    assert exchange.cookie_pairs == ("a=1", 'session_id="v=1"', "b=2")


def test_a_history_finds_its_arms_sessions_and_events() -> None:
    history = affinity()

    assert {exchange.arm for exchange in history.arm("pinned", "kept")} == {"pinned", "kept"}
    assert [len(exchanges) for exchanges in history.sessions("pinned").values()] == [5] * 7
    assert len(history.sessions()) == len({exchange.session for exchange in history.exchanges})
    assert history.arm("nothing") == ()
    assert history.sessions("nothing") == {}
    assert [event.subject for event in drain().happened(Happening.TARGET_REMOVED)] == ["echo-b"]
    assert drain().happened(Happening.TARGET_REMOVED, "echo-a") == ()


def test_the_tape_numbers_exchanges_in_the_order_they_were_sent() -> None:
    tape = Tape()
    client = tape.open("pinned")
    tape.visit(client, 2.0)
    tape.visit(client, 1.0)
    tape.event(Happening.DELETED, "echo-a", 3.0)
    tape.event(Happening.SCALED, "echo", 0.5)

    history = tape.history()

    assert [(exchange.seq, exchange.sent) for exchange in history.exchanges] == [(1, 1.0), (2, 2.0)]
    assert history.events == (Event(Happening.SCALED, "echo", 0.5), Event(Happening.DELETED, "echo-a", 3.0))
