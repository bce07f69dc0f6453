"""Histories fit to be kept: without credentials, with everything that is evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any

from stickyconf.model import Answered, Event, Exchange, History, Outcome, Setup
from stickyconf.reporting.redaction import redact, redact_data
from stickyconf.secrecy import known

REMEMBERED = 10_000
"""How many texts of a history are remembered once they are clean."""


def redacted(history: History) -> History:
    """Return a history without credentials, before it is written and judged, so that both are the same.

    Cookies stay as they were, but for a value that is known to be secret; equal ones stay equal. What was JSON is
    still the JSON of the same object.
    """
    return History(
        _setup(history.setup),
        tuple(map(_exchange, history.exchanges)),
        tuple(map(_event, history.events)),
        history.sightings,
    )


def _setup(setup: Setup) -> Setup:
    fields: dict[str, Any] = redact_data(asdict(setup))
    return Setup(**fields | {"pods": tuple(fields["pods"]), "gateways": tuple(fields["gateways"])})


def _exchange(exchange: Exchange) -> Exchange:
    secrets = len(known())
    path, outcome = _text_of(exchange.path, secrets), _outcome(exchange.outcome, secrets)
    cookies = tuple(_cookie(field, secrets) for field in exchange.cookie_fields)
    if (path, outcome, cookies) == (exchange.path, exchange.outcome, exchange.cookie_fields):
        return exchange
    return replace(exchange, path=path, outcome=outcome, cookie_fields=cookies)


def _outcome(outcome: Outcome, secrets: int) -> Outcome:
    if isinstance(outcome, Answered):
        headers = tuple([_header(header, secrets) for header in outcome.headers])
        return outcome if headers == outcome.headers else replace(outcome, headers=headers)
    return replace(outcome, reason=redact(outcome.reason))


# Most texts of an exchange come again and again. What is known to be secret only grows, and its number is a part of the
# question, so that no answer outlives a secret that was learnt since.


@lru_cache(maxsize=REMEMBERED)
def _header(header: tuple[str, str], _secrets: int) -> tuple[str, str]:
    name, value = header
    clean = str(redact_data(value, name))
    return header if clean == value else (name, clean)


@lru_cache(maxsize=REMEMBERED)
def _text_of(text: str, _secrets: int) -> str:
    return redact(text)


@lru_cache(maxsize=REMEMBERED)
def _cookie(field: str, _secrets: int) -> str:
    return known().hide(field)


def _event(event: Event) -> Event:
    return replace(event, subject=redact(event.subject), detail=_detail(event.detail))


def _detail(detail: Mapping[str, str]) -> dict[str, str]:
    return {name: _text(name, value) for name, value in detail.items()}


def _text(name: str, value: str) -> str:
    if value[:1] in ("{", "["):
        try:
            data = json.loads(value)
        except ValueError:  # a command's output that only begins like JSON
            return str(redact_data(value, name))
        clean = redact_data(data, name)
        return value if clean == data else json.dumps(clean, sort_keys=True)
    return str(redact_data(value, name))
