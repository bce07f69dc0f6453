"""A client with a cookie jar of its own, as RFC 6265 asks of a user agent.

But for two things: Secure and Expires are not acted upon. Checks judge them from the record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypedDict, Unpack
from urllib.parse import urlsplit

from stickyconf.model import Answered, Exchange, SetCookie
from stickyconf.model.cookies import path_matches
from stickyconf.ports import Line, Reply, Request
from stickyconf.scenarios.recorder import Recorder

# A Max-Age of 0 or less (section 5.2.2), however many digits it has; what is no number is ignored.
_PAST = re.compile(r"-[0-9]+|0+")


BODY = b"x" * 64
"""What a POST carries."""


class About(TypedDict, total=False):
    """What else a request may have; see :class:`Request`. ``cookie_fields`` replace what the jar would send."""

    cookie_fields: tuple[str, ...]
    headers: Mapping[str, str]
    body: bytes
    patience: float
    mirrored: bool
    at: str


class Jar:
    """Cookies of one host by (name, path). Values go back exactly as they came, quotes included."""

    def __init__(self) -> None:
        """Start empty."""
        self._cookies: dict[tuple[str, str], SetCookie] = {}

    def take(self, answer: Answered, request_path: str) -> None:
        """Store a response's cookies; Max-Age of 0 or less removes one (section 5.3)."""
        for cookie in answer.set_cookies():
            path = cookie.attribute("path") or ""
            if not path.startswith("/"):
                path = request_path.rpartition("/")[0] or "/"  # default-path, section 5.1.4
            if _PAST.fullmatch(cookie.attribute("max-age") or ""):
                self._cookies.pop((cookie.name, path), None)
            else:
                self._cookies[cookie.name, path] = cookie

    def pairs(self, request_path: str) -> list[str]:
        """Return "name=value" of each cookie that goes with a path, longest cookie path first (section 5.4)."""
        fitting = [(path, cookie) for (_, path), cookie in self._cookies.items() if path_matches(request_path, path)]
        return [f"{cookie.name}={cookie.value}" for path, cookie in sorted(fitting, key=lambda item: -len(item[0]))]

    def fields(self, request_path: str) -> tuple[str, ...]:
        """Return the Cookie field that goes with a path, as a request's fields; none if no cookie does."""
        pairs = self.pairs(request_path)
        return ("; ".join(pairs),) if pairs else ()

    def value(self, name: str) -> str | None:
        """Return the value of a cookie whatever its path, or None."""
        return next((cookie.value for (known, _), cookie in self._cookies.items() if known == name), None)


class Client:
    """One session: an identity, a line to the gateway and, unless it discards them, its cookies."""

    def __init__(
        self, recorder: Recorder, line: Line, *, arm: str, session: str, host: str, gateway: str, keeps: bool = True
    ) -> None:
        """Take where to record, the line, and whether cookies are kept or discarded."""
        self._recorder, self._line = recorder, line
        self.arm, self.session, self._host, self._gateway = arm, session, host, gateway
        self._keeps = keeps
        self.jar = Jar()

    async def get(self, path: str = "/") -> Exchange:
        """Send a GET with the jar's cookies."""
        return await self.send("GET", path)

    async def post(self, path: str = "/") -> Exchange:
        """Send a POST with a small body and the jar's cookies."""
        return await self.send("POST", path, body=BODY)

    async def reconnect(self) -> None:
        """Have the next request open a connection of its own."""
        await self._line.drop()

    async def send(self, method: str, path: str, **about: Unpack[About]) -> Exchange:
        """Send one request, record it and return it."""
        request = self.request(method, path, **about)
        return self.took(request, await self._line.send(request))

    def request(self, method: str, path: str, **about: Unpack[About]) -> Request:
        """Make a request without sending it."""
        if "cookie_fields" not in about:
            about["cookie_fields"] = self.jar.fields(urlsplit(path).path)
        request_id = self._recorder.next_request_id(self.session)
        return Request(method=method, host=self._host, path=path, request_id=request_id, **about)

    def took(self, request: Request, reply: Reply) -> Exchange:
        """Store what came of a request, and record it."""
        if self._keeps and isinstance(reply.outcome, Answered):
            self.jar.take(reply.outcome, urlsplit(request.path).path)
        return self._recorder.exchange(self.arm, self.session, request.at or self._gateway, request, reply)
