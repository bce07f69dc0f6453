"""One request and what came of it. An exchange says what happened, never whether that was right."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from stickyconf.model.cookies import SetCookie, parse_set_cookie

REQUEST_ID_HEADER = "Echo-Request-Id"
"""The header field of a request's id: the pod writes it to its log, and gives it back with its answer."""

_GATEWAYS = ("kong", "stickyconf")
"""What is in the Server field of a gateway's own answers: a Kong's, or its stand-in's."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A complete response. ``pod`` is who said it served it, None when the answer is the gateway's own."""

    status: int
    headers: tuple[tuple[str, str], ...]
    pod: str | None

    def header(self, name: str) -> str | None:
        """Return the first response field of this name, in any spelling; None if there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def set_cookies(self, name: str | None = None) -> tuple[SetCookie, ...]:
        """Return the readable Set-Cookie fields in order; only those of one cookie name if one is given."""
        read = (parse_set_cookie(value) for key, value in self.headers if key.lower() == "set-cookie")
        return tuple(cookie for cookie in read if cookie and (name is None or cookie.name == name))


@dataclass(frozen=True, slots=True)
class Refused:
    """A definite failure below HTTP: connection refused, reset, or closed in the middle of a response."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It is not known whether the request was served: a client-side time-out. Doubt, not failure."""

    reason: str


Outcome = Answered | Refused | Unknown


# A session sends the same cookies again and again.


@lru_cache(maxsize=10_000)
def _pairs(cookie_fields: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(pair.strip(" \t") for field in cookie_fields for pair in field.split(";"))


@lru_cache(maxsize=10_000)
def _names(cookie_fields: tuple[str, ...], cookie: str) -> bool:
    return any(pair.startswith(f"{cookie}=") for pair in _pairs(cookie_fields))


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request of one session.

    ``arm`` names the part of the experiment it belongs to ("pinned", "control", ...). ``sent`` and ``received``
    are seconds on the history's clock. ``cookie_fields`` are the Cookie header fields as sent, one item a field.
    ``connection`` tells TCP connections apart; it is "" if none was made. ``gateway`` is the replica asked, ``host``
    the host name it was asked for: "" in histories of versions that did not write it.
    """

    seq: int
    arm: str
    session: str
    connection: str
    gateway: str
    sent: float
    received: float
    protocol: str
    method: str
    path: str
    request_id: str
    cookie_fields: tuple[str, ...]
    outcome: Outcome
    host: str = ""

    @property
    def answer(self) -> Answered | None:
        """The response, or None if there was none."""
        return self.outcome if isinstance(self.outcome, Answered) else None

    @property
    def pod(self) -> str | None:
        """The pod that served it, or None."""
        return self.outcome.pod if isinstance(self.outcome, Answered) else None

    @property
    def failed(self) -> bool:
        """Whether it failed definitely: refused, or answered 5xx by the gateway itself."""
        if isinstance(self.outcome, Answered):
            return self.outcome.pod is None and self.outcome.status >= 500
        return isinstance(self.outcome, Refused)

    @property
    def answers(self) -> str | None:
        """The id of the request that the pod says it answers; None if it does not say so."""
        return self.answer.header(REQUEST_ID_HEADER) if self.answer else None

    @property
    def misdelivered(self) -> bool:
        """Whether the answer is one to another request."""
        return self.pod is not None and self.answers not in (None, self.request_id)

    @property
    def unserved(self) -> bool:
        """Whether no pod served it, definitely: it failed, or the gateway answered by itself."""
        return self.pod is None and not isinstance(self.outcome, Unknown)

    @property
    def foreign(self) -> bool:
        """Whether another server than the gateway answered, directly or through it: neither a pod nor Kong is named.

        On a real node a connection to the address of a pod that has gone may leave the cluster, and find somebody. Of a
        Kong's own answers the Server field names it, and ``X-Kong-Response-Latency`` is in those only.
        """
        answer = self.answer
        if answer is None or answer.pod is not None or answer.header("X-Kong-Response-Latency"):
            return False
        server = (answer.header("Server") or "").lower()
        return bool(server) and not any(gateway in server for gateway in _GATEWAYS)

    @property
    def unconnected(self) -> bool:
        """Whether no connection could be opened, so that the gateway never had the request."""
        return isinstance(self.outcome, Refused) and self.outcome.reason.startswith("ConnectError")

    @property
    def cookie_pairs(self) -> tuple[str, ...]:
        """Every "name=value" that went with the request, in order, from all its Cookie fields."""
        return _pairs(self.cookie_fields)

    def carried(self, cookie: str, value: str | None = None) -> bool:
        """Whether a cookie of that name went with the request; with exactly that value if one is given."""
        if value is not None:
            return f"{cookie}={value}" in self.cookie_pairs
        return _names(self.cookie_fields, cookie)

    def told(self) -> str:
        """Say the exchange in a few words for a message."""
        match self.outcome:
            case Answered(status=status, pod=None):
                by = f"another server ({self.outcome.header('Server')})" if self.foreign else "the gateway itself"
                what = f"was answered {status} by {by}"
            case Answered(status=status, pod=pod):
                what = f"reached {pod} ({status})"
            case Refused(reason=reason):
                what = f"failed: {reason}"
            case Unknown(reason=reason):
                what = f"has an unknown outcome: {reason}"
        return f"exchange #{self.seq} ({self.method} {self.path}, session {self.session}) {what}"
