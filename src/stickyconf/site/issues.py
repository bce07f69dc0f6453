"""One issue a regression: opened when it appears, found again by its title, closed when the requirement holds again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from stickyconf.releases.asking import GITHUB, NoAnswer
from stickyconf.reporting.diff import difference
from stickyconf.site.runs import Edition, StoredRun, editions

LABEL = "regression"
SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Findings:
    """What runs say: title -> body of each regression, and the titles of those that hold."""

    regressed: Mapping[str, str]
    holding: frozenset[str]


def findings(runs: Sequence[StoredRun]) -> Findings:
    """Compare the newest run of each version on Kong with the one before, or with that of the version before it."""
    columns = [edition for edition in editions(runs) if not edition.shown.embedded and not edition.shown.mutant]
    regressed: dict[str, str] = {}
    holding: set[str] = set()
    for place, edition in enumerate(columns):
        rows = edition.shown.rows.values()
        holding |= {_title(row["id"], edition) for row in rows if row["status"] == "CONFORMS"}
        older = [*edition.earlier[:1], *(column.shown for column in columns[place + 1 : place + 2])]
        if not older:
            continue
        for change in difference(older[0].report, edition.shown.report).regressions:
            regressed[_title(change.id, edition)] = (
                f"{change.level} {change.id}: {change.title}\n\nWas {change.before} in run {older[0].id},"
                f" is {change.after} in run {edition.shown.id}.\n\n{change.why}\n"
            )
    return Findings(regressed, frozenset(holding))


def settle(
    found: Findings, repository: str, github: str = GITHUB, environ: Mapping[str, str] = os.environ
) -> list[str]:
    """Open an issue for each new regression, and close those of requirements that hold again; return a line for each.

    The token is GITHUB_TOKEN. Raises NoAnswer if GitHub cannot be asked, or refuses.
    """
    token = environ.get("GITHUB_TOKEN") or environ.get("GH_TOKEN") or ""
    headers = {"Accept": "application/vnd.github+json", "Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{github}/repos/{repository}", headers=headers, timeout=SECONDS) as client:
        listed = _sent(client, "GET", f"/issues?state=open&labels={LABEL}&per_page=100")
        there = {issue["title"]: issue["number"] for issue in listed if "pull_request" not in issue}
        told = []
        for title, body in found.regressed.items():
            if title not in there:
                _sent(client, "POST", "/issues", title=title, body=body, labels=[LABEL])
                told.append(f"opened: {title}")
        for title, number in there.items():
            if title in found.holding and title not in found.regressed:
                _sent(client, "POST", f"/issues/{number}/comments", body="It holds again.")
                _sent(client, "PATCH", f"/issues/{number}", state="closed", state_reason="completed")
                told.append(f"closed: {title}")
    return told


def _title(requirement: str, edition: Edition) -> str:
    return f"Regression: {requirement} with {edition.name}"


def _sent(client: httpx.Client, method: str, path: str, **body: Any) -> Any:
    try:
        response = client.request(method, path, json=body or None)
    except httpx.HTTPError as error:
        raise NoAnswer(f"{client.base_url}{path} cannot be reached ({error or type(error).__name__})") from error
    if not response.is_success:
        raise NoAnswer(
            f"{client.base_url}{path}: GitHub answers {response.status_code} to {method}; may the token do it?"
        )
    return response.json() if response.content else {}
