"""The policy object: what the API server admits, and what reaches the gateway."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from stickyconf.checks.evidence import Evidence, unconverged
from stickyconf.model import Event, Finding, Happening, History, Measure, Ruling

HOW_TO = "how-to"
LEFT_OUT_PATH = "cookie-path-left-out"


def how_to_policy_is_admitted(history: History) -> Ruling:
    """The how-to's policy is admitted and stored as it was written."""
    evidence = Evidence()
    stored = _stored(history, HOW_TO, evidence)
    if stored is not None:
        wanted = json.loads(history.happened(Happening.APPLIED, HOW_TO)[0].detail["submitted"])
        if stored != wanted:
            evidence.broken.append(Finding(f"the spec stored as written: {wanted}", f"{stored}"))
    return evidence.ruling()


def left_out_path_is_stored_as_root(history: History) -> Ruling:
    """A policy without cookiePath is stored with cookiePath "/"."""
    evidence = Evidence()
    stored = _stored(history, LEFT_OUT_PATH, evidence)
    if stored is not None:
        path = stored.get("stickySessions", {}).get("cookiePath")
        if path != "/":
            evidence.broken.append(Finding('stickySessions.cookiePath stored as "/"', f"{path!r}"))
    return evidence.ruling()


def policies_are_refused(history: History, cases: Sequence[str], naming: Sequence[str]) -> Ruling:
    """Each of these policies is refused, and the error names what is wrong.

    ``cases`` are names of submitted policies; ``naming`` texts that each error must contain. Exposure: the how-to's
    policy, from which each case differs in one thing, was admitted in the same history.
    """
    evidence = Evidence(measures=[Measure("policies submitted", len(cases))])
    if not history.happened(Happening.APPLIED, HOW_TO):
        evidence.doubts.append(Finding("the how-to's policy to be admitted", "it was not, so refusing says nothing"))
    for case in cases:
        answer = _answer(history, case)
        if answer is None:
            evidence.doubts.append(Finding(f"the policy {case} to be submitted", "it was not"))
        elif answer.what is Happening.APPLIED:
            evidence.broken.append(
                Finding(f"the policy {case} to be refused", f"admitted: {answer.detail['submitted']}")
            )
        elif answer.detail["code"] not in {"400", "422"}:
            refusal = f"{answer.detail['code']} {answer.detail['reason']}: {answer.detail['message']}"
            evidence.doubts.append(Finding(f"the policy {case} to be refused for what it says", refusal))
        else:
            missing = [text for text in naming if text not in answer.detail["message"]]
            if missing:
                evidence.broken.append(
                    Finding(f"the error about {case} to name {', '.join(missing)}", answer.detail["message"])
                )
    return evidence.ruling()


def admin_api_shows_the_policy(history: History) -> Ruling:
    """Every gateway replica's Admin API shows the upstream as the policy asks for it."""
    wanted = {
        "algorithm": "sticky-sessions",
        "hash_on": "none",
        "sticky_sessions_cookie": history.setup.cookie,
        "sticky_sessions_cookie_path": history.setup.cookie_path,
    }
    evidence = Evidence()
    shown = {event.detail["gateway"]: event for event in history.happened(Happening.UPSTREAM)}
    if not shown:
        evidence.doubts.append(Finding("the Admin API to be asked", "it was not"))
    for replica, event in shown.items():
        upstream = json.loads(event.detail["upstream"])
        if upstream is None:
            evidence.broken.append(Finding(f"upstream {event.subject} on {replica}", "there is none"))
            continue
        for field, value in wanted.items():
            if upstream.get(field) != value:
                evidence.broken.append(
                    Finding(f"{field} = {value!r} in upstream {event.subject} on {replica}", f"{upstream.get(field)!r}")
                )
    evidence.doubts += unconverged(history)
    evidence.measures.append(Measure("gateway replicas asked", len(shown)))
    return evidence.ruling()


def _answer(history: History, case: str) -> Event | None:
    answers = [*history.happened(Happening.APPLIED, case), *history.happened(Happening.REJECTED, case)]
    return answers[0] if answers else None


def _stored(history: History, case: str, evidence: Evidence) -> dict[str, Any] | None:
    """Return the stored spec of a case that must be admitted; None, with a finding, where it was not."""
    answer = _answer(history, case)
    if answer is None:
        evidence.doubts.append(Finding(f"the policy {case} to be submitted", "it was not"))
        return None
    if answer.what is Happening.REJECTED:
        evidence.broken.append(Finding(f"the policy {case} to be admitted", f"refused: {answer.detail['message']}"))
        return None
    stored: dict[str, Any] = json.loads(answer.detail["stored"])
    return stored
