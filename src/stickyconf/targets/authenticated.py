"""The official client's HTTP half, with credentials that are got anew as client-go does."""

from __future__ import annotations

import tempfile
from typing import Any

import aiohttp
from kubernetes.aio import client
from kubernetes.aio.client.rest import RESTClientObject, RESTResponse

from stickyconf.ports import TargetLost
from stickyconf.targets.credentials import Credentials
from stickyconf.targets.execplugin import Issued


class AuthenticatedRest(RESTClientObject):
    """Sends requests with the credentials there are now; after a 401 once more, with new ones."""

    def __init__(self, settings: client.Configuration, credentials: Credentials) -> None:
        """Take the client's settings, without credentials but a client certificate, and where to get the others."""
        super().__init__(settings)
        self._host, self._credentials = settings.host, credentials
        self._certificate = ""
        self._retired: list[aiohttp.ClientSession] = []

    async def request(  # the signature is the client's
        self,
        method: str,
        url: str,
        headers: dict[str, str] | None = None,
        body: Any = None,
        post_params: Any = None,
        _request_timeout: Any = None,
    ) -> RESTResponse:
        """Send a request and return the answer; TargetLost if the credentials are refused again.

        A request that was refused was not carried out, so any may be sent again.
        """

        plain: Any = super().request

        async def sent(issued: Issued) -> RESTResponse:
            self._show(issued)
            shown = {**(headers or {}), **authorization(issued)}
            answer: RESTResponse = await plain(method, url, shown, body, post_params, _request_timeout)
            return answer

        issued = await self._credentials.current()
        answer = await sent(issued)
        if await _refused(answer, url) and await self._credentials.renew(issued):
            answer.response.release()
            answer = await sent(await self._credentials.current())
        if await _refused(answer, url):
            raise self.lost(answer.reason)
        return answer

    async def connect(self, url: str, headers: dict[str, str], **options: Any) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket; TargetLost if the credentials are refused again."""
        session: Any = self.pool_manager or self._create_pool_manager()
        self.pool_manager = session
        issued = await self._credentials.current()
        for last in (False, True):
            try:
                socket: aiohttp.ClientWebSocketResponse = await session.ws_connect(
                    url, headers={**headers, **authorization(issued)}, proxy=self.proxy, **options
                )
            except aiohttp.WSServerHandshakeError as error:
                if error.status != 401:
                    raise
                if last or not await self._credentials.renew(issued):
                    raise self.lost(error.message) from error
                issued = await self._credentials.current()
            else:
                return socket
        raise AssertionError("the second try returns or raises")

    async def close(self) -> None:
        """Close every connection."""
        for session in self._retired:
            await session.close()
        await super().close()

    def lost(self, reason: str | None) -> TargetLost:
        """Return the error for credentials that are refused."""
        return TargetLost(
            f"the Kubernetes API at {self._host} answers 401 {reason}; are the context's credentials valid?"
        )

    def _show(self, issued: Issued) -> None:
        """Use a plugin's client certificate on new connections, and no old connection for what comes now."""
        if issued.certificate == self._certificate:
            return
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # mode 0600, and gone at once
            file.write(issued.certificate)
            file.flush()
            self.ssl_context.load_cert_chain(file.name)
        self._certificate = issued.certificate
        if self.pool_manager is not None:  # watches and logs go on over it
            self._retired.append(self.pool_manager)
            self.pool_manager = None


def authorization(issued: Issued) -> dict[str, str]:
    """Return the header that carries the credentials; none if a certificate carries them, or if there are none."""
    return {"Authorization": issued.authorization} if issued.authorization else {}


async def _refused(answer: RESTResponse, url: str) -> bool:
    """Whether the API server refused the credentials, rather than a pod behind it, whose answer it passes on."""
    if answer.status != 401:
        return False
    if "/proxy" not in url:
        return True
    return b'"kind":"Status"' in (await answer.response.read()).replace(b" ", b"")
