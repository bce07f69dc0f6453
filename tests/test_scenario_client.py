"""The suite's own client: its jar keeps and sends cookies as RFC 6265 says, and everything it does is recorded."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stickyconf.model import Answered, Exchange, Outcome, Refused, Unknown
from stickyconf.ports import Reply, Request
from stickyconf.scenarios.client import Client, Jar
from stickyconf.scenarios.recorder import Recorder


def answer(*fields: str) -> Answered:
    return Answered(200, tuple(("Set-Cookie", field) for field in fields), "echo-a")


def kept(*fields: str, asked: str = "/", next_path: str = "/") -> list[str]:
    """Return what a jar sends with the next request after an answer with these cookies."""
    jar = Jar()
    jar.take(answer(*fields), asked)
    return jar.pairs(next_path)


@pytest.mark.parametrize("value", ["abc", '"cXVvdGVk=="', "a=b=c", "x" * 4000, "", "!#$%&'()*+-./:<=>?@[]^_`{|}~"])
def test_a_value_goes_back_to_the_letter(value: str) -> None:
    assert kept(f"session_id={value}; Path=/; HttpOnly; SameSite=Lax") == [f"session_id={value}"]


def test_a_newer_cookie_of_the_same_name_and_path_replaces_the_older() -> None:
    assert kept("a=1; Path=/", "a=2; path=/") == ["a=2"]


def test_cookies_of_one_name_and_different_paths_live_side_by_side_the_longest_path_first() -> None:
    assert kept("a=1; Path=/", "a=2; Path=/app", "b=3; Path=/", next_path="/app/x") == ["a=2", "a=1", "b=3"]
    assert kept("a=1; Path=/", "a=2; Path=/app", next_path="/") == ["a=1"]


@pytest.mark.parametrize(
    ("asked", "attribute", "covered", "not_covered"),
    [
        ("/app/page", "", "/app/other", "/other"),
        ("/app/page", "; Path=", "/app/other", "/other"),
        ("/app/page", "; Path=app", "/app/other", "/other"),
        ("/page", "", "/anything", None),
        ("/app/", "", "/app/x", "/x"),
        ("/x", "; Path=/app", "/app", "/application"),
    ],
)
def test_where_no_path_is_given_that_of_the_request_counts(
    asked: str, attribute: str, covered: str, not_covered: str | None
) -> None:
    assert kept(f"a=1{attribute}", asked=asked, next_path=covered) == ["a=1"]
    if not_covered:
        assert kept(f"a=1{attribute}", asked=asked, next_path=not_covered) == []


@pytest.mark.parametrize("age", ["0", "-1", "-999999999999999999999", "00"])
def test_a_cookie_without_time_left_is_removed(age: str) -> None:
    assert kept("a=1; Path=/", f"a=2; Path=/; Max-Age={age}") == []
    assert kept("a=1; Path=/", f"a=2; Path=/other; Max-Age={age}") == ["a=1"]


@pytest.mark.parametrize("age", ["1", "3600", "", "soon", "1.5", "+0"])
def test_a_cookie_with_time_left_or_an_age_nobody_can_read_is_kept(age: str) -> None:
    assert kept(f"a=2; Path=/; Max-Age={age}") == ["a=2"]


@pytest.mark.parametrize("age", ["--5", "\xb2", "-\xb2", "9" * 5000])
def test_an_age_that_only_looks_like_a_number_is_ignored(age: str) -> None:
    assert kept(f"a=2; Path=/; Max-Age={age}") == ["a=2"]


def test_fields_that_are_no_cookies_are_ignored() -> None:
    assert kept("nonsense", "=x", "", "a=1; Path=/") == ["a=1"]


def test_the_jar_knows_a_value_by_its_name() -> None:
    jar = Jar()
    jar.take(answer("a=1; Path=/deep", "b=2; Path=/"), "/")

    assert (jar.value("a"), jar.value("b"), jar.value("c")) == ("1", "2", None)


@given(st.lists(st.text(max_size=30), max_size=4), st.text(max_size=5))
def test_no_text_crashes_the_jar(fields: list[str], path: str) -> None:
    jar = Jar()
    jar.take(answer(*fields), f"/{path}")

    assert all("=" in pair for pair in jar.pairs(f"/{path}"))


class Script:
    """A line to a gateway that says what it was told to say."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self.requests: list[Request] = []
        self._outcomes = iter(outcomes)

    async def send(self, request: Request) -> Reply:
        self.requests.append(request)
        return Reply(next(self._outcomes), "127.0.0.1:1", "HTTP/1.1", sent=len(self.requests), received=1.0)


def client(script: Script, recorder: Recorder | None = None, *, keeps: bool = True) -> Client:
    return Client(
        recorder or Recorder(),
        script,
        arm="pinned",
        session="pinned-001",
        host="h.test",
        gateway="http://g",
        keeps=keeps,
    )


def test_a_session_sends_its_cookie_in_one_field_from_its_second_request_on() -> None:
    script = Script([answer("session_id=1; Path=/", "app=2; Path=/"), answer(), answer()])

    async def visit() -> list[Exchange]:
        session = client(script)
        return [await session.get("/x?y=1"), await session.get(), await session.send("POST", "/z", body=b"1")]

    exchanges = asyncio.run(visit())

    assert [exchange.cookie_fields for exchange in exchanges] == [(), *[("session_id=1; app=2",)] * 2]
    assert [request.cookie_fields for request in script.requests] == [exchange.cookie_fields for exchange in exchanges]
    assert [(request.method, request.path, request.body) for request in script.requests] == [
        ("GET", "/x?y=1", b""),
        ("GET", "/", b""),
        ("POST", "/z", b"1"),
    ]


def test_a_session_that_discards_its_cookies_sends_none() -> None:
    script = Script([answer("session_id=1; Path=/"), answer()])

    async def visit() -> None:
        session = client(script, keeps=False)
        await session.get()
        await session.get()

    asyncio.run(visit())

    assert [request.cookie_fields for request in script.requests] == [(), ()]


def test_cookie_fields_that_are_given_replace_the_jars() -> None:
    script = Script([answer("session_id=1; Path=/"), answer()])

    async def visit() -> Exchange:
        session = client(script)
        await session.get()
        return await session.send("GET", "/", cookie_fields=("a=1", "b=2"))

    assert asyncio.run(visit()).cookie_fields == ("a=1", "b=2")


@pytest.mark.parametrize("outcome", [Refused("reset"), Unknown("timed out"), Answered(503, (), None)])
def test_whatever_comes_of_a_request_is_recorded_and_costs_the_session_no_cookie(outcome: Outcome) -> None:
    recorder, script = Recorder(), Script([answer("session_id=1; Path=/"), outcome, answer()])

    async def visit() -> Exchange:
        session = client(script, recorder)
        await session.get()
        exchange = await session.get()
        await session.get()
        return exchange

    exchange = asyncio.run(visit())

    assert exchange.outcome == outcome
    assert (exchange.arm, exchange.session, exchange.gateway) == ("pinned", "pinned-001", "http://g")
    assert script.requests[2].cookie_fields == ("session_id=1",)
    assert [e.outcome for e in recorder.exchanges_since(float("-inf"))] == [
        answer("session_id=1; Path=/"),
        outcome,
        answer(),
    ]


def test_every_request_has_an_id_of_its_own() -> None:
    recorder, script = Recorder(), Script([answer()] * 3)

    async def visit() -> None:
        session = client(script, recorder)
        for _ in range(3):
            await session.get()

    asyncio.run(visit())

    ids = [request.request_id for request in script.requests]
    assert len(set(ids)) == 3
    assert all(re.fullmatch(r"pinned-001-\d+", identifier) for identifier in ids)
