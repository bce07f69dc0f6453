"""Sessions in a real browser, with its own cookie store and its own connections, through Playwright.

page        document | images and fetch calls, several at the same time | the next load
context     a cookie store of its own: one session
"""

from __future__ import annotations

import asyncio
import shutil
import time
from typing import Any
from urllib.parse import urlsplit

from stickyconf.model import Answered, Outcome, Refused
from stickyconf.ports import HarnessError, OutOfReach, Reply, Request
from stickyconf.scenarios.stage import Scenario, Stage

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
AT_ONCE = 4  # contexts that load pages at the same time
EACH = 4  # images, and fetch calls, of a page
PROTOCOL, REQUEST_ID = "browser", "Echo-Request-Id"
_PATIENCE = 30_000.0  # milliseconds for one page; a busy machine draws slowly

_LOAD = """
async ([number, each]) => {
  const image = path => new Promise(done => {
    const one = new Image(); one.onload = one.onerror = () => done(); one.src = path; document.body.append(one);
  });
  const paths = [...Array(each).keys()].map(part => number + '/' + part);
  await Promise.all(paths.flatMap(path => [image('/image/' + path), fetch('/data/' + path).then(r => r.text())]));
}
"""


def browse(arm: str = "browser", *, contexts: int, loads: int) -> Scenario:
    """Let so many contexts of one browser load a page so often, with images and fetch calls that go side by side.

    OutOfReach if this machine has no browser, or no Playwright that would drive it.
    """

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {f"{arm}.sessions": contexts, f"{arm}.requests": loads * (1 + 2 * EACH)}
        program, playwright = _program(), _playwright()
        gateway = urlsplit(stage.target.traffic.address())
        if gateway.scheme != "http":
            raise OutOfReach(f"the browser is led to a gateway over plain HTTP, not to {gateway.geturl()}")
        rule = f"--host-resolver-rules=MAP {stage.host}:80 {gateway.hostname}:{gateway.port or 80}"
        async with playwright() as driver:
            # Containers and CI runners have no name spaces for its sandbox, and it shows nothing but the workload.
            browser = await driver.chromium.launch(executable_path=program, args=[rule, "--no-sandbox"])
            turns = asyncio.Semaphore(AT_ONCE)

            async def one(number: int) -> None:
                async with turns:
                    await _Visitor(stage, arm, f"{arm}-{number:03d}").load(browser, loads)

            await asyncio.gather(*(one(number) for number in range(contexts)))
            await browser.close()

    return play


def _program() -> str:
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        raise OutOfReach(f"this machine has no browser: none of {', '.join(PROGRAMS)} is on its PATH")
    return found


def _playwright() -> Any:
    try:
        from playwright.async_api import async_playwright
    except ImportError as error:
        raise OutOfReach("Playwright is not installed: pip install 'stickyconf[browser]'") from error
    return async_playwright


class _Visitor:
    """One context: names every request, so that it is found in the log of its pod, and records what came of it."""

    def __init__(self, stage: Stage, arm: str, session: str) -> None:
        self._stage, self._arm, self._session = stage, arm, session
        self._sent: dict[str, float] = {}
        self._recording: set[asyncio.Task[None]] = set()

    async def load(self, browser: Any, loads: int) -> None:
        context = await browser.new_context()
        context.set_default_timeout(_PATIENCE)
        await context.route("**/*", self._name)
        page = await context.new_page()
        page.on("requestfinished", lambda request: self._note(self._finished(request)))
        page.on("requestfailed", lambda request: self._note(self._failed(request)))
        try:
            for number in range(loads):
                await page.goto(f"http://{self._stage.host}/page/{number}", wait_until="load")
                await page.evaluate(_LOAD, [str(number), EACH])
        except _errors() as error:
            if not any(one.session == self._session for one in self._stage.recorder.exchanges_since(-1.0)):
                raise HarnessError(f"the browser did nothing: {error}") from error
        finally:
            await context.close()
        if self._recording:
            await asyncio.wait(self._recording)
        for done in self._recording:
            done.result()

    def _note(self, work: Any) -> None:
        self._recording.add(asyncio.ensure_future(work))

    async def _name(self, route: Any) -> None:
        name = self._stage.recorder.next_request_id(self._session)
        self._sent[name] = time.monotonic()
        await route.continue_(headers={**route.request.headers, REQUEST_ID: name})

    async def _finished(self, request: Any) -> None:
        response = await request.response()
        headers = [(field["name"], field["value"]) for field in await response.headers_array()]
        pod = next((value for name, value in headers if name.lower() == "echo-pod"), None)
        await self._record(request, Answered(response.status, tuple(headers), pod))

    async def _failed(self, request: Any) -> None:
        await self._record(request, Refused(f"the browser says {request.failure}"))

    async def _record(self, request: Any, outcome: Outcome) -> None:
        received = time.monotonic()
        sent = await request.all_headers()
        name = sent.get(REQUEST_ID.lower(), "")
        url = urlsplit(request.url)
        asked = Request(
            method=request.method,
            host=url.netloc,
            path=url.path,
            request_id=name,
            cookie_fields=(sent["cookie"],) if "cookie" in sent else (),
        )
        reply = Reply(outcome, "", PROTOCOL, self._sent.get(name, received), received)
        self._stage.recorder.exchange(self._arm, self._session, self._stage.target.proxy_url, asked, reply)


def _errors() -> type[Exception]:
    from playwright.async_api import Error

    return Error
