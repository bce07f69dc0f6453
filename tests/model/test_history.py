"""A history is looked through once for each thing that checks ask for, and gives the same answer each time."""

from __future__ import annotations

from dataclasses import replace

from stickyconf.model import Exchange, History
from tests.histories import affinity, drain


class Counting(tuple[Exchange, ...]):
    """Exchanges that count how often they were gone through."""

    passes = 0

    def __iter__(self):  # type: ignore[no-untyped-def]
        self.passes += 1
        return super().__iter__()


def test_arms_and_sessions_are_what_the_exchanges_say() -> None:
    history = drain()
    for arm in {exchange.arm for exchange in history.exchanges}:
        own = tuple(exchange for exchange in history.exchanges if exchange.arm == arm)
        assert history.arm(arm) == own
        assert {session: tuple(ordered) for session, ordered in history.sessions(arm).items()} == {
            session: tuple(exchange for exchange in own if exchange.session == session)
            for session in dict.fromkeys(exchange.session for exchange in own)
        }

    assert sum(map(len, history.sessions().values())) == len(history.exchanges)
    assert history.arm("resident", "newcomer") == tuple(
        exchange for exchange in history.exchanges if exchange.arm in ("resident", "newcomer")
    )
    assert history.arm("nobody") == ()
    assert history.sessions("nobody") == {}


def test_a_log_shows_what_was_sighted_in_it() -> None:
    history = affinity()
    first = history.sightings[0]

    assert history.logged(first.pod, first.request_id)
    assert not history.logged("echo-stranger", first.request_id)
    assert not history.logged(first.pod, "none")


def test_the_exchanges_are_gone_through_once_however_often_one_asks() -> None:
    exchanges = Counting(affinity().exchanges)
    history = History(affinity().setup, exchanges)
    for _ in range(3):
        history.arm("pinned")
        history.arm("control")
        history.sessions("pinned")
        history.sessions("pinned", "control")

    assert exchanges.passes == 2  # one by arm, one for the two arms together


def test_a_changed_history_answers_for_itself() -> None:
    history = affinity()
    before = history.arm("pinned")
    shorter = replace(history, exchanges=history.exchanges[:1])

    assert len(shorter.arm("pinned")) <= 1 < len(before)
    assert history == affinity()
