"""Asks registries and repositories over their public APIs, and waits out outages and rate limits."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import tenacity

GITHUB, HUB, RAW = "https://api.github.com", "https://hub.docker.com", "https://raw.githubusercontent.com"
SECONDS = 20.0
ATTEMPTS = 4
LONGEST_WAIT = 60.0
"""Seconds that a rate limit may be waited out; one that lasts longer ends the question."""

PAGES = 10
"""Pages of a list that are read at most, the newest entries being on the first."""

_LIMITED = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.FORBIDDEN)


class NoAnswer(Exception):
    """A server does not answer, or not with what was asked for; the message is one line that says what to do.

    ``status``: the HTTP status if it was an answer of its own, else 0.
    """

    def __init__(self, why: str, status: int = 0) -> None:
        """Take the line."""
        super().__init__(why)
        self.status = status


class _Later(Exception):
    """Not now; ``seconds``: as long as the server says, None if it does not."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Release:
    """A release as it is published. ``digest`` is an image's, ``notes`` the text that goes with it."""

    version: str
    released: date
    digest: str = ""
    notes: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Servers:
    """Where to ask. ``pause``: the first wait after a failure, in seconds; it doubles."""

    github: str = GITHUB
    hub: str = HUB
    raw: str = RAW
    pause: float = 1.0


class Asking:
    """Asks the servers. Tokens come from the environment and go to GitHub alone: GITHUB_TOKEN, or GH_TOKEN."""

    def __init__(self, servers: Servers, environ: Mapping[str, str] = os.environ) -> None:
        """Take where to ask."""
        self._servers = servers
        self._client = httpx.Client(timeout=SECONDS, follow_redirects=True)
        self._token = environ.get("GITHUB_TOKEN") or environ.get("GH_TOKEN") or ""

    def __enter__(self) -> Asking:
        """Ask as long as the block lasts."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._client.close()

    def github_releases(self, repository: str) -> list[Release]:
        """Return the releases of a repository, without drafts and pre-releases."""
        found = []
        for page in range(1, PAGES + 1):
            url = f"{self._servers.github}/repos/{repository}/releases?per_page=100&page={page}"
            listed = self._list(url, self._json(url))
            found += [
                Release(
                    str(one["tag_name"]).removeprefix("v"),
                    datetime.fromisoformat(one["published_at"]).date(),
                    notes=str(one.get("body") or ""),
                )
                for one in listed
                if not one.get("draft") and not one.get("prerelease") and re.match(r"v?\d", str(one["tag_name"]))
            ]
            if len(listed) < 100:
                break
        return found

    def hub_tags(self, image: str, pattern: str) -> list[Release]:
        """Return the tags of an image on Docker Hub that match a pattern as a whole."""
        owner, _, name = image.partition("/")
        url = f"{self._servers.hub}/v2/namespaces/{owner}/repositories/{name}/tags?page_size=100&ordering=last_updated"
        found = []
        for _ in range(PAGES):
            page = self._json(url)
            listed = self._list(url, page.get("results") if isinstance(page, dict) else None)
            found += [
                Release(
                    one["name"],
                    datetime.fromisoformat(one.get("tag_last_pushed") or one["last_updated"]).date(),
                    str(one.get("digest") or ""),
                )
                for one in listed
                if re.fullmatch(pattern, one["name"])
            ]
            if not page.get("next"):
                break
            url = f"{self._servers.hub}{urlsplit(page['next']).path}?{urlsplit(page['next']).query}"
        return found

    def file(self, path: str) -> bytes:
        """Return a file of a repository: owner/name/tag/path."""
        return self._get(f"{self._servers.raw}/{path}").content

    def _list(self, url: str, answer: Any) -> list[Any]:
        if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
            raise NoAnswer(f"{url}: the answer is not the list that was asked for; has the API changed?")
        return answer

    def _json(self, url: str) -> Any:
        try:
            return self._get(url).json()
        except ValueError as error:
            raise NoAnswer(f"{url}: the answer is no JSON; is there a proxy in between?") from error

    def _get(self, url: str) -> httpx.Response:
        patient = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=self._wait,
            retry=tenacity.retry_if_exception_type(_Later),
            reraise=True,
        )
        try:
            return patient(self._once, url)
        except _Later as error:
            raise NoAnswer(f"{url}: {error}; it was asked {ATTEMPTS} times") from error

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        told = error.seconds if isinstance(error, _Later) else None
        return told if told is not None else self._servers.pause * 2 ** (state.attempt_number - 1)

    def _once(self, url: str) -> httpx.Response:
        headers = {"Accept": "application/json"}
        if self._token and url.startswith(self._servers.github):
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            response = self._client.get(url, headers=headers)
        except httpx.HTTPError as error:
            raise _Later(f"it cannot be reached ({error or type(error).__name__})") from error
        if response.status_code in _LIMITED and (seconds := _limit(response)) is not None:
            if seconds > LONGEST_WAIT:
                until = datetime.now(UTC) + timedelta(seconds=seconds)
                cure = "wait, or set GITHUB_TOKEN" if url.startswith(self._servers.github) else "wait"
                raise NoAnswer(f"{url}: the rate limit is used up until {until:%H:%M} UTC; {cure}")
            raise _Later("the rate limit is used up", seconds)
        if response.is_server_error:
            raise _Later(f"the server answers {response.status_code}")
        if response.status_code != httpx.codes.OK:
            raise NoAnswer(f"{url}: the server answers {response.status_code}", response.status_code)
        return response


def node_images(notes: str) -> Iterator[tuple[str, str]]:
    """Yield the version and digest of each node image that kind's release notes name, once."""
    found = re.findall(r"kindest/node:v(\d+\.\d+\.\d+)@(sha256:[0-9a-f]{64})", notes)
    yield from dict(found).items()


def _limit(response: httpx.Response) -> float | None:
    """Return how many seconds a server says to wait; None if it is no rate limit that it tells of."""
    if (after := response.headers.get("retry-after", "")).isdecimal():
        return float(after)
    reset = response.headers.get("x-ratelimit-reset", "")
    if response.headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return max(float(reset) - datetime.now(UTC).timestamp(), 0.0)
    return None if response.status_code == httpx.codes.FORBIDDEN else 1.0
