"""A history is kept without credentials, and is still the same evidence."""

from __future__ import annotations

import json
from dataclasses import replace

from stickyconf.model import Answered, Event, Happening, Refused
from stickyconf.reporting.histories import redacted
from stickyconf.reporting.redaction import REDACTED
from stickyconf.secrecy import known
from tests.reporting.examples import history

SECRET = "Zq-hunter2hunter2"


def test_a_history_without_credentials_stays_as_it_is() -> None:
    harmless = replace(history(), events=(Event(Happening.APPLIED, "HTTPRoute/echo", 0.01, {"code": "201"}),))

    assert redacted(harmless) == harmless


def test_headers_paths_and_reasons_lose_credentials_and_keep_cookies() -> None:
    [first, second, *_] = history().exchanges
    headers = (("Authorization", f"Bearer {SECRET}"), ("X-Api-Key", SECRET), ("Set-Cookie", "token=abc; Path=/"))
    telling = replace(first, path=f"/?api_key={SECRET}", outcome=Answered(200, headers, "echo-a"))
    failing = replace(
        second, outcome=Refused(f"no route to http://kong:{SECRET}@127.0.0.1"), cookie_fields=("token=abc",)
    )

    told, failed = redacted(replace(history(), exchanges=(telling, failing))).exchanges

    assert told.answer
    assert told.answer.headers == (("Authorization", REDACTED), ("X-Api-Key", REDACTED), headers[2])
    assert told.path == f"/?api_key={REDACTED}"
    assert failed.outcome == Refused(f"no route to http://{REDACTED}@127.0.0.1")
    assert failed.cookie_fields == ("token=abc",)


def test_what_was_json_stays_json() -> None:
    stored = json.dumps({"spec": {"password": SECRET, "hashOn": "none"}, "list": [1, None]})
    events = (
        Event(Happening.APPLIED, "a", 0.1, {"stored": stored, "submitted": '{"spec": {}}'}),
        Event(Happening.RAN, "b", 0.2, {"stdout": f"> Authorization: Bearer {SECRET}\n[not JSON", "exit": "0"}),
    )

    applied, ran = redacted(replace(history(), events=events)).events

    assert json.loads(applied.detail["stored"]) == {"spec": {"password": REDACTED, "hashOn": "none"}, "list": [1, None]}
    assert applied.detail["submitted"] == '{"spec": {}}'
    assert ran.detail == {"stdout": f"> Authorization: {REDACTED}\n[not JSON", "exit": "0"}


def test_a_secret_that_is_learnt_later_is_hidden_in_texts_that_were_clean_before() -> None:
    late = "Vx-learnt-much-later"
    [first, *_] = history().exchanges
    telling = replace(
        first,
        path=f"/?id={late}",
        outcome=Answered(200, (("X-Trace", late),), "echo-a"),
        cookie_fields=(f"a={late}",),
    )
    told = replace(history(), exchanges=(telling,))
    assert redacted(told).exchanges == told.exchanges

    known().keep(late)

    assert late not in repr(redacted(told))
