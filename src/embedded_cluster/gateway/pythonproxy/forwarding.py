"""One request: where it goes, what of it goes there, and how the answer comes back."""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from embedded_cluster.gateway import plan
from embedded_cluster.gateway.plan import Answer
from embedded_cluster.gateway.plugins import HeaderChange
from embedded_cluster.gateway.pythonproxy.balancing import Target
from embedded_cluster.gateway.pythonproxy.routing import Table, Way, normalized

# RFC 9110, section 7.6.1: they concern one connection only.
_HOP_BY_HOP = {
    "connection", "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"
}  # fmt: skip
_WEBSOCKET = {"sec-websocket-extensions", "sec-websocket-key", "sec-websocket-protocol", "sec-websocket-version"}
# What aiohttp would add to a request that does not have it.
_NOT_OURS = (hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE, hdrs.USER_AGENT)
_CHUNK = 65536


class Forwarder:
    """Serves requests by a table, which may be replaced at any time: each request goes by one table."""

    def __init__(self, session: aiohttp.ClientSession, table: Table) -> None:
        """Begin with *table*."""
        self.table = table
        self.requests = 0
        self.active = 0
        self._session = session

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        self.requests += 1
        self.active += 1
        try:
            return await self._outcome(request)
        finally:
            self.active -= 1

    async def _outcome(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        path = normalized(path)
        if len("; ".join(request.headers.getall(hdrs.COOKIE, []))) > plan.MOST_OF_A_COOKIE:
            return _answered(Answer(400, plan.TOO_LARGE))
        way = self.table.find(request.method, path, request.headers, _scheme(request))
        if isinstance(way, Answer):
            return _answered(way)
        exchange = _Exchange(self._session, request, way, path, query)
        return await exchange.run()


class _Exchange:
    def __init__(
        self, session: aiohttp.ClientSession, request: web.BaseRequest, way: Way, path: str, query: str
    ) -> None:
        self._session = session
        self._request = request
        self._way = way
        self._target_path = way.path(path) + (f"?{query}" if query else "")
        self._cookie = way.cookie_at(path)
        self._body = request.can_read_body

    async def run(self) -> web.StreamResponse:
        """Try target after target, and again the first, as long as nothing of the request can have been seen."""
        named = self._named_target()
        tried: list[Target] = []
        pool = self._way.pool
        while len(tried) <= self._way.forward.service["retries"]:
            target = named if named and not tried else pool.following(tried) or pool.following([])
            if target is None:
                break
            try:
                return await self._forward(target, issue=bool(self._cookie) and target is not named)
            except aiohttp.ClientConnectorError:
                tried.append(target)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if self._body or not self._way.idempotent:
                    return _answered(Answer(502, plan.BAD_ANSWER))
                tried.append(target)
            except TimeoutError:
                return _answered(Answer(504, plan.TOO_SLOW))
            except aiohttp.ClientPayloadError:
                raise  # in the middle of the answer: the client's connection ends, too
            except aiohttp.ClientError:
                return _answered(Answer(502, plan.BAD_ANSWER))
        return _answered(Answer(502, plan.BAD_ANSWER) if tried else Answer(503, plan.NO_PEER))

    def _named_target(self) -> Target | None:
        if not self._cookie:
            return None
        pairs = "; ".join(self._request.headers.getall(hdrs.COOKIE, [])).split(";")
        values = [value.strip() for name, _, value in (pair.partition("=") for pair in pairs)
                  if name.strip() == self._cookie[0]]  # fmt: skip
        return self._way.pool.named(values[0]) if values else None

    async def _forward(self, target: Target, *, issue: bool) -> web.StreamResponse:
        host = f"[{target.host}]" if ":" in target.host else target.host
        url = URL(f"http://{host}:{target.port}{self._target_path}", encoded=True)
        headers = self._headers_for_target()
        if self._request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
            return await self._tunnel(url, headers, self._set_cookie(target) if issue else "")
        service = self._way.forward.service
        answer = await self._session.request(
            self._request.method,
            url,
            headers=headers,
            data=self._sent_body() if self._body else None,
            skip_auto_headers=_NOT_OURS,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=service["connect_timeout"] / 1000, sock_read=self._way.forward.patience
            ),
        )
        self._way.pool.answered(target, answer.status)
        async with answer:
            ours = web.StreamResponse(status=answer.status, reason=answer.reason)
            ours.headers.extend(_end_to_end(answer.headers))
            _change(ours.headers, self._way.changes, "response")
            if issue:
                ours.headers.add(hdrs.SET_COOKIE, self._set_cookie(target))
            await ours.prepare(self._request)
            async for chunk in answer.content.iter_chunked(_CHUNK):
                await ours.write(chunk)
            await ours.write_eof()
            return ours

    def _headers_for_target(self) -> CIMultiDict[str]:
        headers = _end_to_end(self._request.headers)
        if self._way.host:
            headers[hdrs.HOST] = self._way.host
        peer = self._request.remote or ""
        headers["X-Forwarded-For"] = ", ".join(filter(None, [headers.get("X-Forwarded-For", ""), peer]))
        headers["X-Forwarded-Proto"] = _scheme(self._request)
        _change(headers, self._way.changes, "request")
        return headers

    async def _sent_body(self) -> AsyncIterator[bytes]:
        if self._request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and self._request.transport:
            self._request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        async for chunk in self._request.content.iter_chunked(_CHUNK):
            yield chunk

    def _set_cookie(self, target: Target) -> str:
        name, path = self._cookie or ("", "")
        return f"{name}={target.cookie}; Path={path}; HttpOnly"

    async def _tunnel(self, url: URL, headers: CIMultiDict[str], set_cookie: str) -> web.StreamResponse:
        for name in _WEBSOCKET:
            headers.popall(name, None)
        protocols = [word for word in re.split(r"[,\s]+", self._request.headers.get("Sec-WebSocket-Protocol", ""))
                     if word]  # fmt: skip
        async with self._session.ws_connect(
            url, headers=headers, protocols=protocols, autoping=False, max_msg_size=0
        ) as theirs:
            ours = web.WebSocketResponse(
                protocols=[theirs.protocol] if theirs.protocol else (), autoping=False, max_msg_size=0
            )
            if set_cookie:
                ours.headers.add(hdrs.SET_COOKIE, set_cookie)
            await ours.prepare(self._request)
            directions = [asyncio.create_task(_pump(theirs, ours)), asyncio.create_task(_pump(ours, theirs))]
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            await ours.close()
            return ours


_Socket = aiohttp.ClientWebSocketResponse | web.WebSocketResponse


async def _pump(source: _Socket, sink: _Socket) -> None:
    async for message in source:
        match message.type:
            case aiohttp.WSMsgType.TEXT:
                await sink.send_str(message.data)
            case aiohttp.WSMsgType.BINARY:
                await sink.send_bytes(message.data)
            case aiohttp.WSMsgType.PING:
                await sink.ping(message.data)
            case aiohttp.WSMsgType.PONG:
                await sink.pong(message.data)


def _end_to_end(given: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """Return what of the headers *given* goes on: not what concerns one connection, and nothing that is no text."""
    named = {name.strip().lower() for value in given.getall(hdrs.CONNECTION, []) for name in value.split(",")}
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in given.items():
        if name.lower() not in _HOP_BY_HOP | named:
            kept.add(name, value.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    return kept


def _change(headers: CIMultiDict[str], changes: tuple[HeaderChange, ...], direction: str) -> None:
    for change in changes:
        if change.direction != direction:
            continue
        present = change.name in headers
        match change.action:
            case "remove":
                headers.popall(change.name, None)
            case "replace" if present:
                headers[change.name] = change.value
            case "add" if not present:
                headers[change.name] = change.value
            case "append":
                headers.add(change.name, change.value)


def _scheme(request: web.BaseRequest) -> str:
    """How a client came, whatever the request says of it."""
    return "https" if request.transport and request.transport.get_extra_info("sslcontext") else "http"


def _answered(answer: Answer) -> web.Response:
    """An answer of the gateway's own, in Kong's shape."""
    request_id = uuid.uuid4().hex
    if answer.status in plan.IN_PLAIN_TEXT:
        kind, text = "text/plain", f"{answer.message}\nrequest_id: {request_id}\n"
    else:
        kind, text = "application/json", json.dumps({"message": answer.message, "request_id": request_id})
    named = {"Via": plan.VIA, "X-Kong-Response-Latency": "0", "X-Kong-Request-Id": request_id}
    return web.Response(status=answer.status, text=text, content_type=kind, charset="utf-8", headers=named)
