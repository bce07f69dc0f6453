"""Histories fit to be kept: without credentials, with everything that is evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from stickyconf.model import Answered, Event, Exchange, History, Outcome, Setup
from stickyconf.reporting.redaction import redact, redact_data
from stickyconf.secrecy import known


def redacted(history: History) -> History:
    """Return a history without credentials, before it is written and judged: both see the same, now and ever after.

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
    path, outcome = redact(exchange.path), _outcome(exchange.outcome)
    cookies = tuple(map(known().hide, exchange.cookie_fields))
    if (path, outcome, cookies) == (exchange.path, exchange.outcome, exchange.cookie_fields):
        return exchange
    return replace(exchange, path=path, outcome=outcome, cookie_fields=cookies)


def _outcome(outcome: Outcome) -> Outcome:
    if isinstance(outcome, Answered):
        headers = tuple((name, str(redact_data(value, name))) for name, value in outcome.headers)
        return outcome if headers == outcome.headers else replace(outcome, headers=headers)
    return replace(outcome, reason=redact(outcome.reason))


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
