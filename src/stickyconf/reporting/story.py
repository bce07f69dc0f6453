"""A history told in lines: what was done and seen in the order of time, and the exchanges a verdict cites."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape

from stickyconf.model import Exchange, Finding, History, Unknown

LONGEST_DETAIL = 160
HEADINGS = (
    "history",
    "#",
    "sent (s)",
    "arm",
    "session",
    "connection",
    "request",
    "cookies sent",
    "came of it",
    "expected",
)
_STYLE = (
    ":root{color-scheme:light dark}body{margin:8px;font:13px system-ui,sans-serif}table{border-collapse:collapse}"
    "th,td{border:1px solid #8886;padding:4px 8px;text-align:left;vertical-align:top}"
    "td:nth-child(-n+7){white-space:nowrap}td{min-width:6ch}td:nth-child(n+8){min-width:22ch;overflow-wrap:break-word}"
    "th{position:sticky;top:0;background:Canvas}td:nth-child(2),td:nth-child(3){text-align:right}"
)


def planned(history: History) -> str:
    """Return what was fixed before the experiment began: the policy, what it asked for, the numbers of its plan."""
    setup = history.setup
    policy = json.dumps(setup.policy, sort_keys=True) if setup.policy else "none"
    numbers = "".join(f", {name} {value:g}" for name, value in setup.plan.items())
    drain = ", drain support on" if setup.drain else ""
    return f"planned: {len(setup.pods)} pods, policy {policy}{drain}, seed {setup.seed}{numbers}"


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


def cited_table(findings: Iterable[Finding], histories: Sequence[History]) -> str:
    """Return the exchanges that findings cite as an HTML document with one table; "" if they cite none.

    A row says why it is there: the finding that cites it.
    """
    found = list(findings)
    rows = []
    for history in histories:
        here = [finding for finding in found if finding.place == history.setup.name]
        for exchange in history.exchanges:
            reasons = [finding.expected for finding in here if exchange.seq in finding.exchanges]
            if reasons:
                rows.append([history.setup.name, *_exchange_told(exchange), "; ".join(dict.fromkeys(reasons))])
    if not rows:
        return ""
    lines = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    heading = "".join(f"<th>{escape(name)}</th>" for name in HEADINGS)
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Exchanges cited</title>'
        f"<style>{_STYLE}</style>\n"
        f"<table><thead><tr>{heading}</tr></thead>\n<tbody>{body}</tbody></table>\n</html>\n"
    )


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
