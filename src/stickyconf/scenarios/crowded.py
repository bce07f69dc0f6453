"""Clients with many cookies, of which the session cookie is the last."""

from __future__ import annotations

import asyncio

from stickyconf.checks.affinity import FEW, MANY
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.visits import speaks_http2

BYTES = {50: 4096, 100: 8000}
"""How many cookies there are -> the length of the Cookie field. A line of 8 KB may be refused for its length alone."""


def send_many_cookies(*, sessions: int, requests: int) -> Scenario:
    """Let clients send 50 cookies, and 100, over HTTP/1.1 and, if the gateway speaks it, over HTTP/2."""

    async def play(stage: Stage) -> None:
        plain, over_http2 = zip(FEW, MANY, strict=True)
        for arm in (*plain, *(over_http2 if await speaks_http2(stage) else ())):
            stage.recorder.plan |= {f"{arm}.sessions": sessions, f"{arm}.requests": requests + 1}
            await asyncio.gather(*(_visit(stage, arm, requests) for _ in range(sessions)))

    return play


async def _visit(stage: Stage, arm: str, requests: int) -> None:
    cookie, count = stage.policy.cookie, int(arm.split("-")[1])
    async with stage.client(arm, http2=arm.endswith("-h2")) as client:
        await client.get("/")
        for _ in range(requests):
            own = client.jar.value(cookie)
            fields = (crowded(f"{cookie}={own}", count, BYTES[count]),) if own else ()
            await client.send("GET", "/", cookie_fields=fields)


def crowded(own: str, count: int, size: int) -> str:
    """Return a Cookie field with so many cookies and of so many bytes, or a little less, that ends in ``own``."""
    room = (size - len(own)) // (count - 1) - len("; ")
    others = (f"c{number:02d}=" for number in range(count - 1))
    return "; ".join([*(name + "v" * max(1, room - len(name)) for name in others), own])
