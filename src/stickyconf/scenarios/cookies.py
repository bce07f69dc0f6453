"""What the gateway does with cookies: on every status, beside the application's own, and in a library's jar."""

from __future__ import annotations

import asyncio
import contextlib
import http.cookiejar
import urllib.request
from email.message import Message
from functools import partial
from urllib.parse import quote

from stickyconf.checks.affinity import METHODS
from stickyconf.checks.opening import PREFIXED
from stickyconf.model import Answered, Happening
from stickyconf.scenarios.policies import submit
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.workload import POLICY, Policy
from stickyconf.wait import WaitFailed

STATUSES = (200, 204, 302, 401, 404, 500)
APPLICATION_COOKIES = ("app=1; Path=/; HttpOnly", "cart=a%20b; Max-Age=60", 'quoted="x y"; Path=/shop')


def ask_for_every_status(*, sessions: int) -> Scenario:
    """Open ``sessions`` sessions for each status, the workload giving it to the first request; then visit again."""

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {"status.sessions": sessions * len(STATUSES), "status.requests": 2}

        async def one(status: int) -> None:
            async with stage.client("status") as client:
                await client.get(f"/?status={status}")
                await client.get("/")

        await asyncio.gather(*(one(status) for status in STATUSES for _ in range(sessions)))

    return play


def open_by_every_method(*, sessions: int) -> Scenario:
    """Open so many sessions by each method."""

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {"opening.sessions": sessions * len(METHODS), "opening.requests": 1}

        async def one(method: str) -> None:
            async with stage.client("opening") as client:
                await client.send(method, "/", body=b"x" * 64 if method in {"POST", "PUT", "PATCH"} else b"")

        await asyncio.gather(*(one(method) for method in METHODS for _ in range(sessions)))

    return play


def let_the_application_set_cookies(*, sessions: int) -> Scenario:
    """Open sessions on a workload that sets cookies of its own in the same response: several, and as many with one."""
    several = "/?" + "&".join(f"set-cookie={quote(cookie)}" for cookie in APPLICATION_COOKIES)
    single = f"/?set-cookie={quote(APPLICATION_COOKIES[0])}"

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {"application.sessions": 2 * sessions, "application.requests": 2}

        async def one(path: str) -> None:
            async with stage.client("application") as client:
                await client.get(path)
                await client.get(path)

        await asyncio.gather(*(one(path) for path in (several, single) for _ in range(sessions)))

    return play


def use_a_library_jar(*, sessions: int) -> Scenario:
    """Open sessions whose cookies are kept by Python's http.cookiejar, a jar this project did not write."""

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {"library-jar.sessions": sessions, "library-jar.requests": 2}

        async def one() -> None:
            async with stage.client("library-jar", keeps=False) as client:
                path = stage.policy.cookie_path
                first = await client.get(path)
                if isinstance(first.outcome, Answered):
                    # As over TLS: a jar keeps a Secure cookie from plain HTTP, which says nothing about its value.
                    sent_back = _through_library_jar(first.outcome, f"https://{stage.host}{path}")
                    await client.send("GET", path, cookie_fields=(sent_back,) if sent_back else ())

        await asyncio.gather(*(one() for _ in range(sessions)))

    return play


def give_prefixed_names() -> Scenario:
    """Give the policy's cookie one prefixed name after the other, and open sessions until one gets a cookie of it.

    It is the last thing on its stage: the policy keeps the last name. A name that never comes is for the check to tell.
    """

    async def play(stage: Stage) -> None:
        if stage.recorder.events(Happening.UNCONVERGED):
            return
        for arm, name in PREFIXED.items():
            await submit(stage, POLICY, Policy(name).spec)
            with contextlib.suppress(WaitFailed):
                await stage.waiter.until(f"the cookie {name}", "programmed", partial(_opened, stage, arm, name), bool)

    return play


async def _opened(stage: Stage, arm: str, name: str) -> bool:
    """Open a session, and say whether it got a cookie of this name."""
    async with stage.client(arm, keeps=False) as client:
        answer = (await client.get("/")).answer
    return answer is not None and bool(answer.set_cookies(name))


class _Response:
    """The part of urllib's response that a CookieJar reads."""

    def __init__(self, answer: Answered) -> None:
        self._headers = Message()
        for name, value in answer.headers:
            self._headers[name] = value

    def info(self) -> Message:
        return self._headers


def _through_library_jar(answer: Answered, url: str) -> str:
    """Return the Cookie field the library's jar sends after this answer; "" if it sends none."""
    jar = http.cookiejar.CookieJar()
    request = urllib.request.Request(url)  # noqa: S310 - never opened: only its address and headers are used
    jar.extract_cookies(_Response(answer), request)  # type: ignore[arg-type]
    jar.add_cookie_header(request)
    return request.get_header("Cookie", "") or ""
