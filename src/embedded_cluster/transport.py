"""aiohttp's connections as a transport for the httpx2 client that lightkube is built on.

What httpx2 brings takes twice the processor time a request, and asking the API server is half of what controllers and
node do. Timeouts and errors are those of httpx2.
"""

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator

import aiohttp
import httpx2


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Kept connections to any origin, without a bound on their number: each watch holds one."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        """Take what https connections are made with."""
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None  # needs a running loop

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and return the response once its header is there; the body is read from its stream."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, ssl=self._tls)
            self._session = aiohttp.ClientSession(
                connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        seconds = request.extensions.get("timeout", {})
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=seconds.get("connect"), sock_read=seconds.get("read"), connect=seconds.get("pool")
        )
        body = b"".join([part async for part in request.stream])  # type: ignore[union-attr]
        with _told():
            response = await self._session.request(
                request.method,
                str(request.url),
                headers=request.headers,
                data=body or None,
                allow_redirects=False,
                timeout=limits,
            )
        return httpx2.Response(response.status, headers=response.raw_headers, stream=_Body(response))

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


class _Body(httpx2.AsyncByteStream):
    """The body of a response, as it comes."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _told():
            async for chunk in self._response.content.iter_any():
                yield chunk

    async def aclose(self) -> None:
        self._response.close()  # if it was read to its end, the connection is back in the pool


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Raise what aiohttp raises as errors of httpx2."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx2.ConnectTimeout(str(error)) from error
    except TimeoutError as error:
        raise httpx2.ReadTimeout(str(error)) from error
    except aiohttp.ClientConnectorError as error:
        raise httpx2.ConnectError(str(error)) from error
    except (aiohttp.ClientError, OSError) as error:
        raise httpx2.ReadError(str(error)) from error
