"""One question to the gateway's proxy before anything is recorded: does a request get there and back at all?"""

from __future__ import annotations

import httpx

from stickyconf.targets.installation import NoTarget
from stickyconf.wait import Waiter, WaitFailed

PROBE_HOST = "probe.stickyconf.test"
ASK_SECONDS = 5.0
"""How long one answer may take, in seconds; a silent address is asked again until the budget is used up."""

_NO_ROUTE = "no Route matched"


def is_kongs(answer: httpx.Response) -> bool:
    """Whether an answer is Kong's, or went through it."""
    named = any("kong" in answer.headers.get(name, "").lower() for name in ("Server", "Via"))
    return named or _NO_ROUTE in answer.text or any(name.startswith("x-kong-") for name in answer.headers)


async def answering(url: str, waiter: Waiter, *, anybody: bool) -> None:
    """Return once the proxy at ``url`` has answered one request, whatever its status.

    It has to be an answer of Kong's, unless ``anybody`` may answer because the address was given by hand or published
    by the cluster. NoTarget, in one line, if there is none in time (budget ``proxy``).
    """
    async with httpx.AsyncClient(timeout=ASK_SECONDS, trust_env=False) as http:

        async def look() -> str:
            try:
                answer = await http.get(f"{url.rstrip('/')}/", headers={"Host": PROBE_HOST})
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                return f"no answer ({' '.join(f'{type(error).__name__}: {error}'.split()).rstrip(': ')})"
            if anybody or is_kongs(answer):
                return ""
            return f"HTTP {answer.status_code} of another server ({answer.headers.get('Server', 'no name given')})"

        try:
            await waiter.until(f"Kong's proxy at {url} to answer", "proxy", look, lambda wrong: not wrong, every=0.5)
        except WaitFailed as error:
            raise NoTarget(
                f"{error}; is something between this machine and the port (a firewall, a proxy)? --proxy-url URL gives"
                " another address, --budget proxy=SECONDS more time"
            ) from error
