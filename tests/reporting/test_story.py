"""A history told in lines, and the exchanges that a verdict cites."""

from __future__ import annotations

import re
from dataclasses import replace

from stickyconf.model import Finding, Unknown
from stickyconf.reporting.story import HEADINGS, LONGEST_DETAIL, cited_table, story
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


def rows(page: str) -> list[list[str]]:
    """The cells of the table, heading first."""
    return [re.findall(r"<t[hd]>(.*?)</t[hd]>", line) for line in re.findall(r"<tr>(.*?)</tr>", page)]


def test_cited_exchanges_are_shown_with_what_went_and_what_came_of_it() -> None:
    heading, opened, strayed = rows(cited_table([STRAY], [history()]))

    assert heading == list(HEADINGS)
    assert opened[:2] == ["affinity", "3"]
    assert strayed[1] == "14"
    assert "GET /cart" in strayed
    assert "session_id=&quot;Cg4x&quot;" in strayed
    assert strayed[-2:] == ["reached echo-b (200)", STRAY.expected]


def test_the_cookie_a_response_set_is_shown() -> None:
    [_, first] = rows(cited_table([replace(STRAY, exchanges=(1,))], [history()]))

    assert "none" in first
    assert first[-2] == "reached echo-a (200), Set-Cookie: session_id=&quot;Cg4x&quot;; Path=/; HttpOnly"


def test_a_citation_is_of_its_own_history_only() -> None:
    page = cited_table([STRAY, Finding("a", "b", (5,), "spread")], [history("affinity"), history("spread")])

    assert [row[:2] for row in rows(page)[1:]] == [["affinity", "3"], ["affinity", "14"], ["spread", "5"]]


def test_what_somebody_sent_is_text_and_no_markup() -> None:
    page = cited_table([replace(STRAY, expected="<script>alert(1)</script>")], [history()])

    assert "<script>" not in page


def test_where_nothing_is_cited_there_is_no_table() -> None:
    assert cited_table([Finding("a", "b")], [history()]) == ""
