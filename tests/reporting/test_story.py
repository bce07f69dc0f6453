"""A history told in lines, and the exchanges that a verdict cites."""

from __future__ import annotations

from dataclasses import replace

from stickyconf.model import Finding, Unknown
from stickyconf.reporting.story import LONGEST_DETAIL, cited_exchanges, story
from tests.reporting.examples import STRAY, history


def test_arms_and_events_come_in_the_order_of_time() -> None:
    told = story(history())

    assert told[0] == "   0.010 s  applied HTTPRoute/echo code=201"
    assert told[1] == "   0.100 s  traffic pinned: 20 requests of 2 sessions to 2 pods, until 2.004 s (1 failed)"
    assert told[2].startswith("   0.500 s  terminating echo-b secret=xxx")


def test_a_long_detail_is_cut() -> None:
    assert len(story(history())[2]) < LONGEST_DETAIL + 60


def test_doubt_is_told_apart_from_failure() -> None:
    recorded = history()
    doubtful = replace(recorded.exchanges[0], outcome=Unknown("no answer in 15 s"))

    told = story(replace(recorded, exchanges=(doubtful, *recorded.exchanges[1:])))

    assert told[1].endswith("(1 failed, 1 of unknown outcome)")


def test_cited_exchanges_are_shown_with_what_went_and_what_came_of_it() -> None:
    heading, opened, strayed = cited_exchanges([STRAY], [history()])

    assert heading.split("  ")[0] == "history"
    assert opened.split()[:2] == ["affinity", "3"]
    assert "GET /cart" in strayed
    assert 'session_id="Cg4x"' in strayed
    assert strayed.endswith("reached echo-b (200)")


def test_the_cookie_a_response_set_is_shown() -> None:
    [_, first] = cited_exchanges([replace(STRAY, exchanges=(1,))], [history()])

    assert "none" in first.split()
    assert first.endswith('reached echo-a (200), Set-Cookie: session_id="Cg4x"; Path=/; HttpOnly')


def test_a_citation_is_of_its_own_history_only() -> None:
    lines = cited_exchanges([STRAY, Finding("a", "b", (5,), "spread")], [history("affinity"), history("spread")])

    assert [line.split()[:2] for line in lines[1:]] == [["affinity", "3"], ["affinity", "14"], ["spread", "5"]]


def test_where_nothing_is_cited_there_is_no_table() -> None:
    assert cited_exchanges([Finding("a", "b")], [history()]) == []
