"""Affinity inside the cookie's Path, and none outside."""

from __future__ import annotations

from stickyconf.checks.declared import check
from stickyconf.checks.evidence import (
    Evidence,
    incomplete,
    judge_staying,
    pods_reached,
    served_sessions,
    unconverged,
    unknown_outcomes,
)
from stickyconf.model import Exchange, Finding, History, Measure, Ruling, Sessions
from stickyconf.model.cookies import path_matches
from stickyconf.stats import SeveralPods

ALTERNATING = "alternating"


@check("AFF-08", arms=(ALTERNATING,), design=SeveralPods(alpha=1e-9))
def path_bounds_affinity(history: History, design: SeveralPods) -> Ruling:
    """Inside the cookie's Path a session keeps its pod; outside no cookie is sent, and its requests are spread.

    The clients ask inside and outside in turn, as a page and its favicon are fetched. A response outside must not take
    the session away: a cookie that it sets would replace the client's.
    Exposure: sessions on at least 2 pods, each with the cookie inside, and so many requests outside that chance alone
    does not bring all of them to one pod.
    """
    inside, outside = _inside(history, within=True), _inside(history, within=False)
    evidence = Evidence(doubts=[*incomplete(history, [ALTERNATING]), *unconverged(history)])
    evidence.doubts += unknown_outcomes(history.arm(ALTERNATING))
    off = judge_staying(history, inside, evidence)
    strangers = [exchange for exchanges in outside.values() for exchange in exchanges if exchange.pod]
    _judge_spread(history, strangers, design.samples(max(2, len(history.setup.pods))), evidence)
    first = {session: exchanges[0].pod for session, exchanges in served_sessions(history, ALTERNATING).items()}
    own = sum(exchange.pod == first[exchange.session] for exchange in strangers)
    if strangers and own == len(strangers):
        evidence.violations.append(Finding("requests outside the Path to be spread", "all reached their session's pod"))
    if len(set(first.values())) < 2:
        evidence.doubts.append(Finding("sessions opened on at least 2 pods", f"on {len(set(first.values()))}"))
    evidence.doubts += _sent_wrongly(history, inside, strangers)
    evidence.measures += [Measure("requests off their pod inside", off), Measure("requests outside", len(strangers))]
    return evidence.ruling()


def _inside(history: History, *, within: bool) -> Sessions:
    path = history.setup.cookie_path
    return {
        session: [one for one in exchanges if path_matches(one.path.partition("?")[0], path) is within]
        for session, exchanges in history.sessions(ALTERNATING).items()
    }


def _judge_spread(history: History, strangers: list[Exchange], needed: int, evidence: Evidence) -> None:
    reached, pods = pods_reached(strangers), len(history.setup.pods)
    if pods < 2 or len(strangers) < needed:
        evidence.doubts.append(Finding(f"{needed} requests outside the Path, and 2 pods", f"{len(strangers)}, {pods}"))
    elif len(reached) < 2:
        evidence.violations.append(
            Finding("requests outside the Path on different pods", f"all {len(strangers)} on {next(iter(reached))}")
        )


def _sent_wrongly(history: History, inside: Sessions, strangers: list[Exchange]) -> list[Finding]:
    """Return a doubt for what the clients' jars did not do as they should."""
    cookie = history.setup.cookie
    later = [exchange for exchanges in inside.values() for exchange in exchanges[1:]]
    lacking = [exchange.seq for exchange in later if not exchange.carried(cookie)]
    having = [exchange.seq for exchange in strangers if exchange.carried(cookie)]
    doubts = []
    if lacking or not later:
        told = f"{len(lacking)} of {len(later)} did not"
        doubts.append(Finding("later requests inside the Path to carry the cookie", told, tuple(lacking[:20])))
    if having:
        told = f"{len(having)} of {len(strangers)} did"
        doubts.append(Finding("no request outside the Path to carry the cookie", told, tuple(having[:20])))
    return doubts
