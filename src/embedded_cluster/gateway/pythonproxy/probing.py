"""Active health checks: every target of a pool that has them is asked again and again."""

import asyncio
import math
import time

import aiohttp

from embedded_cluster.gateway.health import Probe
from embedded_cluster.gateway.pythonproxy.balancing import Pool, Target
from embedded_cluster.gateway.pythonproxy.forwarding import Forwarder
from embedded_cluster.polling import within

_LOOK_SECONDS = 0.2  # between two looks whether a pool is due


async def probe_forever(session: aiohttp.ClientSession, forwarder: Forwarder) -> None:
    """Probe the targets of the table in force, until it is cancelled."""
    due: dict[str, float] = {}

    async def look() -> bool:
        now = time.monotonic()
        for name, pool in list(forwarder.table.pools.items()):
            if pool.checks and (probe := pool.checks.probe) and due.get(name, 0.0) <= now:
                due[name] = now + probe.interval
                await asyncio.gather(*(_ask(session, pool, target, probe) for target in pool.targets))
        return False

    await within(math.inf, look, pause=_LOOK_SECONDS)


async def _ask(session: aiohttp.ClientSession, pool: Pool, target: Target, probe: Probe) -> None:
    host = f"[{target.host}]" if ":" in target.host else target.host
    try:
        async with session.get(
            f"http://{host}:{target.port}{probe.path}",
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=probe.timeout),
        ) as answer:
            good = answer.status in probe.statuses
    except (aiohttp.ClientError, TimeoutError):
        good = False
    pool.probed(target, probe, good=good)
