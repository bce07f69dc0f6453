"""What counter-examples look like, so that those of one fault are found again among many requirements.

A sign is read from the exchanges that a violation cites, not from its words. Which requirement follows from which is
worked out from the signs of a whole run: see reporting/causes.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stickyconf.checks.evidence import MOST_FINDINGS, opener
from stickyconf.model import Exchange, Finding, History, Ruling, Sign, Status, Tally

ALL_ARMS = "*"
"""The arm of a tally over a whole history."""


def signed(ruling: Ruling, history: History) -> Ruling:
    """Return a ruling on a history with the sign of each violation, and with how often the history shows signs.

    A violation's arm is counted for its sign; for a doubt every sign is counted over all arms. Of the violations
    MOST_FINDINGS are kept, and of the doubts as many. The first violation of each sign comes first, so that no sign is
    lost behind others. A check may give a violation another sign than OWN itself.
    """
    if ruling.status not in (Status.VIOLATES, Status.INCONCLUSIVE):
        return ruling
    last = {finding.exchanges[-1] for finding in ruling.findings if finding.exchanges}
    by_number = {exchange.seq: exchange for exchange in history.exchanges if exchange.seq in last}
    found = [replace(finding, sign=_sign(finding, history, by_number)) for finding in ruling.findings if finding.sign]
    firsts = {finding.sign: finding for finding in reversed(found)}
    found.sort(key=lambda finding: finding is not firsts[finding.sign])
    doubts = [finding for finding in ruling.findings if not finding.sign]
    if ruling.status is Status.VIOLATES:
        cited = [(finding.sign, by_number[finding.exchanges[-1]].arm) for finding in found if finding.exchanges]
        places = sorted({(sign, arm) for sign, arm in cited if sign and sign is not Sign.OWN})
    else:
        places = [(sign, ALL_ARMS) for sign in Sign if sign is not Sign.OWN]
    tallies = tuple(_tally(sign, arm, history) for sign, arm in places)
    return replace(ruling, findings=(*found[:MOST_FINDINGS], *doubts[:MOST_FINDINGS]), tallies=tallies)


def _sign(finding: Finding, history: History, by_number: Mapping[int, Exchange]) -> Sign:
    """Return what a violation looks like by the last exchange that it cites."""
    last = by_number.get(finding.exchanges[-1]) if finding.exchanges else None
    if finding.sign is not Sign.OWN or last is None:
        return finding.sign or Sign.OWN
    if last.unserved:
        return Sign.UNSERVED
    session, cookie = history.sessions(last.arm)[last.session], history.setup.cookie
    first = opener(session)
    if first is None:
        return Sign.OWN
    moved = last.pod is not None and last.pod != first.pod
    if (moved or finding.exchanges == (first.seq,)) and _was_given_none(session, cookie):
        return Sign.COOKIELESS
    return Sign.STRAY if moved and last.carried(cookie) else Sign.OWN


def _was_given_none(session: Sequence[Exchange], cookie: str) -> bool:
    """Whether no answer of a session set any cookie, and none of its requests carried the session cookie."""
    return not any(
        exchange.carried(cookie) or (exchange.answer and exchange.answer.set_cookies()) for exchange in session
    )


def _tally(sign: Sign, arm: str, history: History) -> Tally:
    """Count how often an arm shows a sign."""
    arms = () if arm == ALL_ARMS else (arm,)
    cookie = history.setup.cookie
    sessions = [(first, session) for session in history.sessions(*arms).values() if (first := opener(session))]
    if sign is Sign.COOKIELESS:
        shown = [_was_given_none(session, cookie) for _, session in sessions]
    elif sign is Sign.STRAY:
        later = [(first, exchange) for first, session in sessions for exchange in session if exchange.sent > first.sent]
        shown = [exchange.pod not in (None, first.pod) and exchange.carried(cookie) for first, exchange in later]
    else:
        exchanges = history.exchanges if arm == ALL_ARMS else history.arm(arm)
        shown = [exchange.unserved for exchange in exchanges]
    return Tally(sign, arm, sum(shown), len(shown))
