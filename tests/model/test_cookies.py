"""Set-Cookie as a user agent reads it."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stickyconf.model import Answered, SetCookie, parse_set_cookie
from stickyconf.model.cookies import path_matches

OCTETS = "".join(sorted(set(string.printable) - set(string.whitespace) - set('",;\\')))
names = st.text(alphabet=string.ascii_letters + string.digits + "_-.!#$", min_size=1, max_size=10)
values = st.text(alphabet=OCTETS, max_size=1024)


@given(st.text())
def test_no_field_crashes_the_reader(field: str) -> None:
    cookie = parse_set_cookie(field)

    if cookie is not None:
        assert cookie.name
        assert cookie.name in field
        assert cookie.value in field
        assert isinstance(cookie.legal_value, bool)
        assert cookie.attribute("path") is None or isinstance(cookie.attribute("path"), str)


@given(names, values, st.booleans(), st.sampled_from(["", "; Path=/", ";path=/;HttpOnly", " ; SameSite=Lax ; Secure"]))
def test_a_value_is_kept_to_the_letter(name: str, value: str, quoted: bool, attributes: str) -> None:
    written = f'"{value}"' if quoted else value

    cookie = parse_set_cookie(f"{name}={written}{attributes}")

    assert cookie is not None
    assert (cookie.name, cookie.value, cookie.legal_value) == (name, written, True)


@given(values, st.sampled_from(list(' ",;\\\x7f\x00é€\xa0')), values)
def test_a_value_with_another_character_is_not_legal(before: str, character: str, after: str) -> None:
    assert not SetCookie("c", f"x{before}{character}{after}x", ()).legal_value


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("a=1", SetCookie("a", "1", ())),
        ("a=", SetCookie("a", "", ())),
        ("a=b=c==", SetCookie("a", "b=c==", ())),
        (' a = "q" ; Path = /x ; Secure', SetCookie("a", '"q"', (("Path", "/x"), ("Secure", "")))),
        ("a=1;;  ; =x; Max-Age=3", SetCookie("a", "1", (("Max-Age", "3"),))),
        ("a=\xa0v\x85", SetCookie("a", "\xa0v\x85", ())),  # space to others, not to RFC 6265
        (
            "a=1; Expires=Wed, 01 Jan 2031 00:00:00 GMT",
            SetCookie("a", "1", (("Expires", "Wed, 01 Jan 2031 00:00:00 GMT"),)),
        ),
        ("novalue", None),
        ("novalue; Path=/", None),
        ("=nameless", None),
        (" =nameless", None),
        ("", None),
    ],
)
def test_fields_are_read_as_section_5_2_says(field: str, expected: SetCookie | None) -> None:
    assert parse_set_cookie(field) == expected


def test_the_last_of_an_attribute_counts_whatever_its_case() -> None:
    cookie = parse_set_cookie("a=1; Path=/x; PATH=/y; HttpOnly")

    assert cookie is not None
    assert cookie.attribute("path") == "/y"
    assert cookie.attribute("HTTPONLY") == ""
    assert cookie.attribute("secure") is None


def test_a_misspelt_attribute_is_unknown() -> None:
    cookie = parse_set_cookie("a=1; Path=/; Same-Site=Lax; secure; SAMESITE=None; x")

    assert cookie is not None
    assert cookie.unknown_attributes == ("Same-Site", "x")


@pytest.mark.parametrize(
    ("request_path", "cookie_path", "covered"),
    [
        ("/", "/", True),
        ("/app", "/", True),
        ("/app", "/app", True),
        ("/app/", "/app", True),
        ("/app/page", "/app", True),
        ("/app/page", "/app/", True),
        ("/application", "/app", False),
        ("/ap", "/app", False),
        ("/", "/app", False),
        ("/app", "/app/", False),
    ],
)
def test_paths_match_as_section_5_1_4_says(request_path: str, cookie_path: str, covered: bool) -> None:
    assert path_matches(request_path, cookie_path) is covered


@given(st.text(max_size=10), st.text(max_size=10))
def test_paths_of_any_kind_can_be_compared(request_path: str, cookie_path: str) -> None:
    assert path_matches(request_path, cookie_path) in {True, False}
    assert path_matches(request_path, request_path)


def test_an_answer_gives_its_cookies_in_order() -> None:
    headers = (
        ("Set-Cookie", "a=1"),
        ("set-cookie", "b=2; Path=/"),
        ("Date", "c=3"),
        ("SET-COOKIE", "a=4"),
        ("Set-Cookie", "x"),
    )
    answer = Answered(200, headers, "echo-a")

    assert [cookie.name + cookie.value for cookie in answer.set_cookies()] == ["a1", "b2", "a4"]
    assert [cookie.value for cookie in answer.set_cookies("a")] == ["1", "4"]
    assert answer.set_cookies("A") == ()
