"""The Traffic port: httpx's transport for HTTP/2, our own for HTTP/1.1.

Without httpx's client: what that adds of its own, cookies kept and headers sent, would make it unclear who did what.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hashlib
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import lru_cache, partial

import httpx

import stickyconf
from stickyconf.model import Answered, Outcome, Refused, Unknown
from stickyconf.model.exchange import REQUEST_ID_HEADER
from stickyconf.ports import Reply, Request, TlsEntrance
from stickyconf.secrecy import known, secret_values
from stickyconf.targets.channels import SocketChannel, StreamChannel, socket_channel
from stickyconf.targets.http1 import Http1Transport
from stickyconf.targets.overtls import OverTls
from stickyconf.targets.places import Places

# More requests in flight take longer each, and all of them together are not done earlier.
MOST_IN_FLIGHT = 8
# One that takes longer, as to an address that swallows connections, only waits, and keeps no other from going.
HANGS_SECONDS = 0.2
USER_AGENT = f"stickyconf/{stickyconf.__version__}"
POD_HEADER = "Echo-Pod"
NO_TLS = OverTls("no way to the gateway over TLS is known")

_url = lru_cache(maxsize=1_000)(httpx.URL)  # the same few again and again


class HttpTraffic:
    """Clients of the gateway."""

    def __init__(
        self,
        proxy: str | Callable[[str], str],
        timeout: timedelta,
        most_connections: int | None = None,
        tls: OverTls = NO_TLS,
    ) -> None:
        """Take the proxy's base address, how long one request may take, and how many connections there may be.

        Instead of one address there may be a function that gives one for the next connection; it is told the last one.
        ``tls`` is the way over TLS.
        """
        self._entrance = _fixed(proxy.rstrip("/")) if isinstance(proxy, str) else proxy
        self._timeout = timeout.total_seconds()
        self._in_flight, self._recording = Turns(MOST_IN_FLIGHT), object()
        self._places = Places(most_connections) if most_connections else None
        self._over_tls = tls
        self._tls, self._tls_http2 = httpx.create_ssl_context(), httpx.create_ssl_context()  # each offers its own ALPN
        self._tls.set_alpn_protocols(["http/1.1"])

    def part(self) -> HttpTraffic:
        """Return the same for one recording: its requests take their turns among those of the others."""
        part = copy.copy(self)
        part._recording = object()  # noqa: SLF001 - of this class
        return part

    def address(self) -> str:
        """Return the proxy's base address as it is now, for clients that are not ours: curl, a browser."""
        return self._entrance("")

    def over_tls(self) -> TlsEntrance:
        """Return where the gateway is reached over TLS now; OutOfReach if there is no way."""
        return self._over_tls.entrance(self.address())

    @contextlib.asynccontextmanager
    async def line(self, *, fresh: bool = False, http2: bool = False, authority: str = "") -> AsyncIterator[HttpLine]:
        """Open a client: one kept-alive connection, or a fresh one for each request.

        With an ``authority``, its certificate in PEM, over TLS, where HTTP/2 is agreed on by ALPN; else HTTP/2 is
        spoken by prior knowledge.
        """
        tls = _trusting(authority, http2=http2) if authority else self._tls_http2 if http2 else self._tls
        via = (lambda plain: self._over_tls.entrance(plain).address) if authority else None
        async with _http2(tls, keeps=not fresh) if http2 else Http1Transport(tls, keeps=not fresh) as http:
            turn = partial(self._in_flight.one, self._recording)
            line = HttpLine(http, self._entrance, self._timeout, turn, self._places, via, keeps=not fresh)
            try:
                yield line
            finally:
                if self._places:
                    await self._places.leave(line)

    @contextlib.asynccontextmanager
    async def socket(self, request: Request) -> AsyncIterator[SocketChannel]:
        """Ask for a WebSocket, and close it at the end."""
        own = [("User-Agent", USER_AGENT), (REQUEST_ID_HEADER, request.request_id), *request.headers.items()]
        async with self._place(), socket_channel(self._entrance(""), request, own, self._timeout) as channel:
            yield channel

    @contextlib.asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[StreamChannel]:
        """Ask for server-sent events, on a connection of its own, and close it at the end."""
        async with self._place(), Http1Transport(self._tls, keeps=False) as http:
            sent = time.monotonic()
            try:
                response = await http.handle_async_request(_message(request, self._entrance(""), self._timeout))
            except httpx.TimeoutException as error:
                outcome: Outcome = Unknown(f"{type(error).__name__} after {self._timeout:g} s")
            except httpx.TransportError as error:
                outcome = Refused(f"{type(error).__name__}: {error}")
            else:
                reply = Reply(_outcome(response), _connection(response), "HTTP/1.1", sent, time.monotonic())
                yield StreamChannel(reply, response.aiter_lines())
                await response.aclose()
                return
            yield StreamChannel(Reply(outcome, "", "", sent, time.monotonic()), _nothing())

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Have a connection's place as long as it is open."""
        if not self._places:
            yield
            return
        holder = _Open()
        async with self._places.one_for(holder):
            yield
        await self._places.leave(holder)


class Turns:
    """Bounds the requests under way: those that hang do not count. Who wants more waits, and recordings go in turn."""

    def __init__(self, most: int) -> None:
        """Take how many there may be."""
        self._free = most
        self._waiting: dict[object, deque[asyncio.Future[None]]] = {}  # the recording whose turn is next comes first

    @contextlib.asynccontextmanager
    async def one(self, recording: object) -> AsyncIterator[None]:
        """Wait for a turn, and have it until the block ends, for HANGS_SECONDS at the most."""
        await self._come(recording)
        with contextlib.ExitStack() as turn:
            turn.callback(self._next)
            hangs = asyncio.get_running_loop().call_later(HANGS_SECONDS, turn.close)  # closed twice it gives back once
            turn.callback(hangs.cancel)
            yield

    async def _come(self, recording: object) -> None:
        if self._free:
            self._free -= 1
            return
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(recording, deque()).append(called)
        try:
            await called
        except asyncio.CancelledError:
            if not called.cancelled():  # called, and cancelled before it could go
                self._next()
            raise

    def _next(self) -> None:
        """Let the next one go: the first of the recording that was let go longest ago."""
        while self._waiting:
            recording = next(iter(self._waiting))
            queue = self._waiting.pop(recording)
            called = queue.popleft()
            if queue:
                self._waiting[recording] = queue
            if not called.cancelled():
                called.set_result(None)
                return
        self._free += 1


class HttpLine:
    """One client."""

    def __init__(
        self,
        http: httpx.AsyncBaseTransport,
        entrance: Callable[[str], str],
        timeout: float,
        turn: Callable[[], AbstractAsyncContextManager[None]],
        places: Places | None = None,
        via: Callable[[str], str] | None = None,
        *,
        keeps: bool = True,
    ) -> None:
        """Take the transport, what gives an address, seconds a request may take, and the bounds on all clients' work.

        ``turn`` bounds the requests under way, ``places`` the connections; ``via`` gives the address over TLS
        for a replica's plain one, if TLS is spoken; ``keeps`` says whether this client's connections stay open between
        its requests.
        """
        self._via = via
        self._http, self._timeout, self._turn, self._places = http, timeout, turn, places
        self._entrance, self._base = entrance, ""
        self.keeps = keeps

    async def drop(self) -> None:
        """Close the connections; the next request opens another."""
        await self._http.aclose()
        self._base = ""

    async def send(self, request: Request) -> Reply:
        """Send one request and return what came of it; never raises for what the other side does."""
        known().keep(*secret_values(request.headers))  # whatever says it again later
        seconds = self._timeout + request.patience
        self._base = self._entrance(self._base if self.keeps else "")
        base = request.at or self._base
        message = _message(request, self._via(base) if self._via else base, seconds)
        if self._via:
            message.extensions["sni_hostname"] = request.host
        async with contextlib.AsyncExitStack() as place:
            if self._places:
                await place.enter_async_context(self._places.one_for(self))
            if not request.patience:
                await place.enter_async_context(self._turn())
            sent = time.monotonic()
            try:
                response = await self._http.handle_async_request(message)
                try:
                    connection = _connection(response)
                    await response.aread()
                finally:
                    await response.aclose()
            except httpx.TimeoutException as error:
                reason = f"{type(error).__name__} after {seconds:g} s"
                return Reply(Unknown(reason), "", "", sent, time.monotonic())
            except httpx.TransportError as error:
                return Reply(Refused(f"{type(error).__name__}: {error}"), "", "", sent, time.monotonic())
        received = time.monotonic()
        digest = hashlib.sha256(response.content).hexdigest() if request.mirrored else ""
        return Reply(_outcome(response), connection, response.http_version, sent, received, digest)


class _Open:
    """Who holds the place of a connection that stays open."""

    keeps = False

    async def drop(self) -> None:
        """It is never idle."""


async def _nothing() -> AsyncIterator[str]:
    return
    yield


def _message(request: Request, base: str, seconds: float) -> httpx.Request:
    headers = [("Host", request.host), ("User-Agent", USER_AGENT), (REQUEST_ID_HEADER, request.request_id)]
    headers += request.headers.items()
    headers += [("Cookie", field) for field in request.cookie_fields]
    return httpx.Request(
        request.method,
        _url(base + request.path),
        # As octets: a value may be no ASCII (obs-text in RFC 9110, section 5.5).
        headers=[(name.encode(), value.encode("latin-1")) for name, value in headers],
        content=request.body or None,
        extensions={"timeout": httpx.Timeout(seconds).as_dict()},
    )


def _http2(tls: ssl.SSLContext, *, keeps: bool) -> httpx.AsyncHTTPTransport:
    limits = httpx.Limits(keepalive_expiry=None) if keeps else httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncHTTPTransport(limits=limits, verify=tls, http1=False, http2=True, trust_env=False)


@lru_cache(maxsize=16)
def _trusting(authority: str, *, http2: bool) -> ssl.SSLContext:
    """Return a context that verifies certificates by one authority, its certificate in PEM."""
    context = ssl.create_default_context(cadata=authority)
    context.set_alpn_protocols(["h2", "http/1.1"] if http2 else ["http/1.1"])
    return context


def _fixed(base: str) -> Callable[[str], str]:
    return lambda _: base


def _outcome(response: httpx.Response) -> Outcome:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw)
    return Answered(response.status_code, headers, response.headers.get(POD_HEADER))


def _connection(response: httpx.Response) -> str:
    address = response.extensions["network_stream"].get_extra_info("client_addr")
    return f"{address[0]}:{address[1]}" if address else ""
