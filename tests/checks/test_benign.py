"""Differences between conforming implementations, which no check may object to."""

from __future__ import annotations

import base64
import random
import uuid
from collections.abc import Callable

import pytest

from stickyconf.checks import contradictions
from stickyconf.model import History, Status
from tests.checks.test_every_check import CASES, check
from tests.histories import Dialect, cookie

OF_THE_COOKIE = {
    "first_response_sets_one_cookie",
    "path_is_the_configured_one",
    "value_survives_a_jar",
    "cookie_names_the_pod_that_served",
}

EXTRA = ("lb=n1; Path=/", "tracking=0f0f; Path=/; Max-Age=86400; SameSite=None", "session_id2=not-it; Path=/")


def at_random(seed: int) -> Callable[[int], int]:
    """Place the n-th new session by chance, always the same for one seed."""
    return lambda number: random.Random(f"{seed}:{number}").randrange(3)  # noqa: S311 - reproducible, not secret


def unique(pod: str, session: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{pod}.{session}"))


def encoded(pod: str, _: str) -> str:
    return base64.b64encode(f"{pod}:1027".encode()).decode()


DIALECTS = {
    "a UUID for each client": Dialect(value=unique),
    "quoted base64 for each pod": Dialect(value=lambda pod, session: f'"{encoded(pod, session)}"'),
    "unquoted base64, padding and all": Dialect(value=encoded),
    "1 KB": Dialect(value=lambda pod, session: (unique(pod, session) * 40)[:1024]),
    "one character": Dialect(value=lambda pod, _: pod[-1]),
    "values that begin alike": Dialect(value=lambda pod, _: "1" * (1 + ord(pod[-1]) - ord("a"))),
    "an address in hexadecimal": Dialect(value=lambda pod, _: pod.encode().hex()),
    "again with every response": Dialect(reissues=True),
    "again with every response, one for each client": Dialect(reissues=True, value=unique),
    "HttpOnly": Dialect(attributes="; Path={path}; HttpOnly"),
    "Secure, HttpOnly and SameSite": Dialect(attributes="; Path={path}; Secure; HttpOnly; SameSite=Lax"),
    "attributes in lower case": Dialect(attributes="; path={path}; httponly; samesite=strict"),
    "attributes without a space between": Dialect(attributes=";HttpOnly;Path={path}"),
    "attributes that nobody knows": Dialect(attributes="; Path={path}; Same-Site=Lax; X=1"),
    "placement at random": Dialect(place=at_random(1)),
    "another placement at random": Dialect(place=at_random(2), value=unique),
    "cookies of others on every response": Dialect(extra=EXTRA),
    "all of it": Dialect(
        value=lambda pod, session: f'"{encoded(pod, session)}"',
        attributes="; HttpOnly; path={path}",
        reissues=True,
        place=at_random(3),
        extra=EXTRA,
    ),
}


def under_a_path(dialect: Dialect) -> History:
    return cookie(dialect, name="shop-session", path="/app")


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_no_check_objects(dialect: Dialect) -> None:
    judges: dict[Callable[[Dialect], History], list[str]] = {}
    for name, cases in CASES.items():
        for make in (cases.spoken, under_a_path if name in OF_THE_COOKIE else None):
            if make is not None:
                judges.setdefault(make, []).append(name)
    for make, names in judges.items():
        history = make(dialect)
        assert contradictions(history) == []
        for name in names:
            ruling = check(name)(history)
            assert ruling.status is Status.CONFORMS, (name, ruling.findings)
