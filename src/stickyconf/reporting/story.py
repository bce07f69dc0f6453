"""A history told in lines: what was done and seen in the order of time, and the exchanges a verdict cites."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stickyconf.model import Exchange, Finding, History, Unknown
from stickyconf.reporting.tables import aligned

LONGEST_DETAIL = 160


def story(history: History) -> list[str]:
    """Return one line for each arm of the experiment and for each event, as "seconds  what", in the order of time."""
    arms: dict[str, list[Exchange]] = {}
    for exchange in history.exchanges:
        arms.setdefault(exchange.arm, []).append(exchange)
    moments = [(exchanges[0].sent, _arm_told(arm, exchanges)) for arm, exchanges in arms.items()]
    moments += [
        (event.when, " ".join([event.what.value, event.subject, *_detail(event.detail.items())]))
        for event in history.events
    ]
    return [f"{when:8.3f} s  {told}" for when, told in sorted(moments, key=lambda moment: moment[0])]


def cited_exchanges(findings: Iterable[Finding], histories: Sequence[History]) -> list[str]:
    """Return the exchanges that findings cite as the lines of a table; no line where they cite none."""
    rows = []
    for history in histories:
        numbers = {n for f in findings if f.place == history.setup.name for n in f.exchanges}
        rows += [
            [history.setup.name, *_exchange_told(exchange)] for exchange in history.exchanges if exchange.seq in numbers
        ]
    heading = ["history", "#", "sent (s)", "arm", "session", "connection", "request", "sent cookies", "came of it"]
    return aligned([heading, *rows]) if rows else []


def _arm_told(arm: str, exchanges: Sequence[Exchange]) -> str:
    sessions = {exchange.session for exchange in exchanges}
    pods = {exchange.pod for exchange in exchanges if exchange.pod}
    failed = sum(exchange.failed for exchange in exchanges)
    unknown = sum(isinstance(exchange.outcome, Unknown) for exchange in exchanges)
    last = max(exchange.received for exchange in exchanges)
    told = (
        f"traffic {arm}: {len(exchanges)} requests of {len(sessions)} sessions to {len(pods)} pods, until {last:.3f} s"
    )
    doubts = [f"{count} {what}" for count, what in ((failed, "failed"), (unknown, "of unknown outcome")) if count]
    return f"{told} ({', '.join(doubts)})" if doubts else told


def _detail(items: Iterable[tuple[str, str]]) -> Iterable[str]:
    for name, value in items:
        shown = value if len(value) <= LONGEST_DETAIL else f"{value[:LONGEST_DETAIL]}..."
        yield f"{name}={shown}"


def _exchange_told(exchange: Exchange) -> list[str]:
    set_again = "; ".join(
        value for name, value in (exchange.answer.headers if exchange.answer else ()) if name.lower() == "set-cookie"
    )
    came = exchange.told().partition(") ")[2]
    return [
        str(exchange.seq),
        f"{exchange.sent:.3f}",
        exchange.arm,
        exchange.session,
        exchange.connection,
        f"{exchange.method} {exchange.path}",
        " | ".join(exchange.cookie_fields) or "none",
        f"{came}, Set-Cookie: {set_again}" if set_again else came,
    ]
