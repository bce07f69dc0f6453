"""Clients that visit the workload, one pattern a function. Sizes are fixed before anything is sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Literal

from stickyconf.checks.affinity import DECOY, METHODS
from stickyconf.checks.protocols import SECURE
from stickyconf.model import Happening, Refused
from stickyconf.scenarios.client import Client
from stickyconf.scenarios.stage import Scenario, Stage

OTHER_COOKIE = "theme=dark"

Placed = Callable[[str, str], tuple[str, ...]]
"""Makes the Cookie fields of a request of the session cookie and of another one, each as name=value."""


def visit(
    arm: str = "pinned",
    *,
    sessions: int,
    requests: int,
    connections: Literal["fresh", "kept"] = "kept",
    cookies: Literal["keep", "discard"] = "keep",
    path: str = "/",
    host: str = "",
) -> Scenario:
    """Let ``sessions`` clients send ``requests`` requests each, all clients at the same time.

    ``host`` is put before the case's own host name: "shop" stands for shop.HOST, "" for the case's own.
    """

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {f"{arm}.sessions": sessions, f"{arm}.requests": requests}

        async def one() -> None:
            fresh, keeps = connections == "fresh", cookies == "keep"
            async with stage.client(arm, fresh=fresh, keeps=keeps, host=stage.host_name(host)) as client:
                for _ in range(requests):
                    await client.get(path)

        await asyncio.gather(*(one() for _ in range(sessions)))

    return play


def visit_in_parallel(arm: str = "parallel", *, sessions: int, burst: int) -> Scenario:
    """Let each client open a session, then send ``burst`` requests of it at the same time."""

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {f"{arm}.sessions": sessions, f"{arm}.requests": burst + 1}
        for _ in range(sessions):
            async with stage.client(arm) as client:
                await client.get("/")
                await asyncio.gather(*(client.get("/?delay=0.02") for _ in range(burst)))

    return play


def roam(arm: str = "roaming", *, sessions: int, paths: tuple[str, ...]) -> Scenario:
    """Let each client use every method on every path."""

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {f"{arm}.sessions": sessions, f"{arm}.requests": len(METHODS) * len(paths)}

        async def one() -> None:
            async with stage.client(arm) as client:
                for path in paths:
                    for method in METHODS:
                        body = b"x" * 64 if method in {"POST", "PUT", "PATCH"} else b""
                        await client.send(method, path, body=body)

        await asyncio.gather(*(one() for _ in range(sessions)))

    return play


def send_among_other_cookies(*, sessions: int, requests: int) -> Scenario:
    """Let clients send their cookie first, in the middle and last among others, and split over HTTP/2 Cookie fields.

    The name of one of the others ends as the cookie's own does, and its value is that of a session on another pod.
    Splitting is what HTTP/2 allows a client (RFC 9113, section 8.2.3). It is done over TLS if the case is served so
    (:mod:`.secured`), else on the plain port. A gateway that speaks HTTP/2 on neither is recorded as such.
    """
    places: dict[str, Placed] = {
        "cookie-first": lambda own, decoy: ("; ".join((own, OTHER_COOKIE, decoy)),),
        "cookie-middle": lambda own, decoy: ("; ".join((decoy, own, OTHER_COOKIE)),),
        "cookie-last": lambda own, decoy: ("; ".join((OTHER_COOKIE, decoy, own)),),
        "cookie-split": lambda own, decoy: (decoy, own, OTHER_COOKIE),
    }

    async def play(stage: Stage) -> None:
        decoys = await _values_by_pod(stage)
        secure = bool(stage.authority) and await speaks_http2(stage, secure=True)
        if not secure and not await speaks_http2(stage):
            del places["cookie-split"]
        for arm, placed in places.items():
            stage.recorder.plan |= {f"{arm}.sessions": sessions, f"{arm}.requests": requests + 1}
            split = arm == "cookie-split"
            await asyncio.gather(
                *(
                    _send_placed(stage, arm, placed, decoys, requests, http2=split, secure=split and secure)
                    for _ in range(sessions)
                )
            )

    return play


async def _values_by_pod(stage: Stage) -> dict[str, str]:
    """Return a value of the session cookie that leads to each pod."""
    async with contextlib.AsyncExitStack() as stay:
        held = await open_sessions(stage, stay, "decoy", per_pod=1, most=20 * len(stage.pods))
        values = {pod: clients[0].jar.value(stage.policy.cookie) for pod, clients in held.items() if clients}
        return {pod: value for pod, value in values.items() if value}


async def _send_placed(
    stage: Stage, arm: str, placed: Placed, decoys: Mapping[str, str], requests: int, *, http2: bool, secure: bool
) -> None:
    cookie, host = stage.policy.cookie, stage.host_name(SECURE) if secure else ""
    async with stage.client(arm, http2=http2, secure=secure, host=host) as client:
        pod = (await client.get("/")).pod
        other = next((value for name, value in decoys.items() if name != pod), "")
        for _ in range(requests):
            own = client.jar.value(cookie)
            fields = placed(f"{cookie}={own}", f"{DECOY}{cookie}={other}") if own else (OTHER_COOKIE,)
            await client.send("GET", "/", cookie_fields=fields)


async def speaks_http2(stage: Stage, *, secure: bool = False) -> bool:
    """Say whether the gateway speaks HTTP/2, on its plain port or over TLS; record once that it does not."""
    capability = "http2-over-tls" if secure else "http2"
    if stage.recorder.events(Happening.UNSUPPORTED, capability):
        return False
    host = stage.host_name(SECURE) if secure else ""
    async with stage.client("http2-probe", http2=True, keeps=False, secure=secure, host=host) as client:
        exchange = await client.get("/")
    if not isinstance(exchange.outcome, Refused):
        return True
    stage.recorder.event(Happening.UNSUPPORTED, capability, reason=exchange.told())
    return False


def come_and_go(*, residents: int, rounds: int, passersby: int) -> Scenario:
    """Let some clients stay while, between their visits, ``passersby`` others a round open a session and leave."""

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {
            "resident.sessions": residents,
            "resident.requests": rounds + 1,
            "passerby.sessions": passersby * rounds,
            "passerby.requests": 2,
        }
        async with contextlib.AsyncExitStack() as stay:
            staying = [await stay.enter_async_context(stage.client("resident")) for _ in range(residents)]
            await asyncio.gather(*(client.get("/") for client in staying))
            for _ in range(rounds):
                await asyncio.gather(*(_pass_by(stage) for _ in range(passersby)))
                await asyncio.gather(*(client.get("/") for client in staying))

    return play


async def _pass_by(stage: Stage) -> None:
    async with stage.client("passerby") as client:
        await client.get("/")
        await client.get("/")


async def open_sessions(
    stage: Stage, stay: contextlib.AsyncExitStack, arm: str, *, per_pod: int, most: int
) -> dict[str, list[Client]]:
    """Open sessions until every ready pod holds ``per_pod``, ``most`` at the most; return them by the pod they are on.

    Every session that was opened is returned, so none is left out because of the pod it is on.
    """
    held: dict[str, list[Client]] = {pod: [] for pod in stage.pods}
    for _ in range(most):
        if all(len(clients) >= per_pod for clients in held.values()):
            break
        client = await stay.enter_async_context(stage.client(arm))
        pod = (await client.get(stage.policy.cookie_path)).pod
        if pod is not None:
            held.setdefault(pod, []).append(client)
    return held


def alternate(arm: str = "alternating", *, sessions: int, rounds: int, paths: tuple[str, str]) -> Scenario:
    """Let each client ask for these two paths in turn, so many times."""

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {f"{arm}.sessions": sessions, f"{arm}.requests": len(paths) * rounds}

        async def one() -> None:
            async with stage.client(arm) as client:
                for path in paths * rounds:
                    await client.get(path)

        await asyncio.gather(*(one() for _ in range(sessions)))

    return play
