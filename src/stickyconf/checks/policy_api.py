"""The policy object: what the API server admits, and what reaches the gateway."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from stickyconf.checks.declared import check
from stickyconf.checks.evidence import Evidence, unconverged
from stickyconf.model import Event, Finding, Happening, History, Measure, Ruling, differences

HOW_TO = "how-to"
LEFT_OUT_PATH = "cookie-path-left-out"


@check("API-01")
def how_to_policy_is_admitted(history: History) -> Ruling:
    """The how-to's policy is admitted, and what it says is stored; defaults may be added for what it leaves open.

    Exposure: the same API server refused another policy.
    """
    evidence = Evidence()
    stored = _stored(history, HOW_TO, evidence)
    if stored is not None:
        wanted = json.loads(history.happened(Happening.APPLIED, HOW_TO)[0].detail["submitted"])
        if differing := differences(stored, wanted):
            evidence.violations.append(Finding("the spec stored as written", "; ".join(differing)))
    if not history.happened(Happening.REJECTED):
        evidence.doubts.append(Finding("the API server to refuse policies that break a rule", "it refused none"))
    return evidence.ruling()


@check("API-02")
def left_out_path_is_stored_as_root(history: History) -> Ruling:
    """A policy without cookiePath is stored with cookiePath "/".

    Exposure: a policy with another cookiePath keeps its own.
    """
    evidence = Evidence()
    stored = _stored(history, LEFT_OUT_PATH, evidence)
    if stored is not None and _path(stored) != "/":
        evidence.violations.append(Finding('stickySessions.cookiePath stored as "/"', f"{_path(stored)!r}"))
    others = []
    for event in history.happened(Happening.APPLIED):
        submitted, kept = (_path(json.loads(event.detail[key])) for key in ("submitted", "stored"))
        if submitted in (None, "/"):
            continue
        others.append(event.subject)
        if kept != submitted:
            evidence.violations.append(
                Finding(f"the policy {event.subject} to keep its cookiePath {submitted!r}", f"{kept!r}")
            )
    if not others:
        evidence.doubts.append(Finding("a policy with another cookiePath to be admitted", "none was"))
    return evidence.ruling()


@check("API-03", "API-04", "API-05", "API-06", "API-07")
def policies_are_refused(history: History, cases: Sequence[str], naming: Sequence[str]) -> Ruling:
    """Each of these policies is refused, and the error names what is wrong.

    ``cases`` are names of submitted policies; ``naming`` texts that each error must contain. Exposure: the how-to's
    policy, from which each case differs in one thing, was admitted in the same history.
    """
    evidence = Evidence(measures=[Measure("policies submitted", len(cases))])
    if not cases:
        evidence.doubts.append(Finding("policies to be submitted", "none was named"))
    if not history.happened(Happening.APPLIED, HOW_TO):
        evidence.doubts.append(Finding("the how-to's policy to be admitted", "it was not, so refusing says nothing"))
    for case in cases:
        answer = _answer(history, case)
        if answer is None:
            evidence.doubts.append(Finding(f"the policy {case} to be submitted", "it was not"))
        elif answer.what is Happening.APPLIED:
            evidence.violations.append(
                Finding(f"the policy {case} to be refused", f"admitted: {answer.detail['submitted']}")
            )
        elif answer.detail["code"] not in {"400", "422"}:
            refusal = f"{answer.detail['code']} {answer.detail['reason']}: {answer.detail['message']}"
            evidence.doubts.append(Finding(f"the policy {case} to be refused for what it says", refusal))
        else:
            missing = [text for text in naming if text not in answer.detail["message"]]
            if missing:
                evidence.violations.append(
                    Finding(f"the error about {case} to name {', '.join(missing)}", answer.detail["message"])
                )
    return evidence.ruling()


@check("API-12")
def admin_api_shows_the_policy(history: History) -> Ruling:
    """Every gateway replica's Admin API shows the upstream as the policy asks for it.

    Exposure: before the policy was attached, the same upstream was shown with another algorithm.
    """
    wanted = {
        "algorithm": "sticky-sessions",
        "hash_on": "none",
        "sticky_sessions_cookie": history.setup.cookie,
        "sticky_sessions_cookie_path": history.setup.cookie_path,
    }
    evidence = Evidence(doubts=unconverged(history))
    for replica in history.setup.gateways:
        shown = [event for event in history.happened(Happening.UPSTREAM) if event.detail["gateway"] == replica]
        if not shown:
            evidence.doubts.append(Finding(f"the Admin API of {replica} to be asked", "it was not"))
            continue
        *before, last = [json.loads(event.detail["upstream"]) for event in shown]
        if not any(upstream and upstream.get("algorithm") != wanted["algorithm"] for upstream in before):
            evidence.doubts.append(
                Finding(f"{replica} to show another algorithm before the policy was attached", "it showed none")
            )
        if last is None:
            evidence.violations.append(Finding(f"upstream {shown[-1].subject} on {replica}", "there is none"))
            continue
        evidence.violations += [
            Finding(f"upstream {shown[-1].subject} on {replica} as the policy says", differing)
            for differing in differences(last, wanted)
        ]
    if not history.setup.gateways:
        evidence.doubts.append(Finding("an Admin API to ask", "none"))
    evidence.measures.append(Measure("gateway replicas asked", len(history.setup.gateways)))
    return evidence.ruling()


def _answer(history: History, case: str) -> Event | None:
    answers = [*history.happened(Happening.APPLIED, case), *history.happened(Happening.REJECTED, case)]
    return answers[0] if answers else None


def _stored(history: History, case: str, evidence: Evidence) -> dict[str, Any] | None:
    """Return the stored spec of a case that must be admitted; None, with a finding, if it was not."""
    answer = _answer(history, case)
    if answer is None:
        evidence.doubts.append(Finding(f"the policy {case} to be submitted", "it was not"))
        return None
    if answer.what is Happening.REJECTED:
        evidence.violations.append(Finding(f"the policy {case} to be admitted", f"refused: {answer.detail['message']}"))
        return None
    stored: dict[str, Any] = json.loads(answer.detail["stored"]) or {}  # admitted, and stored without a spec
    return stored


def _path(spec: dict[str, Any] | None) -> Any:
    return ((spec or {}).get("stickySessions") or {}).get("cookiePath")
