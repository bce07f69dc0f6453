"""Startup, readiness and liveness probes (Kubernetes documentation, "Liveness, Readiness, and Startup Probes").

One thing differs from a kubelet. Until a container has been ready for the first time, or has passed its startup
probe, it is probed every :data:`EAGER` seconds, from its start and for at most :data:`EAGER_FOR`, and not every
``periodSeconds``: a cluster of quick processes is then up as quickly as they are. Failures of that time are counted
once per ``periodSeconds``, so ``failureThreshold`` means what it says. ``initialDelaySeconds`` is waited for as usual.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from embedded_cluster.client import Object
from embedded_cluster.node.actions import ActionError, Target, perform

EAGER = 0.025
EAGER_EXEC = 0.1  # a command costs a process each time
EAGER_FOR = 10.0


@dataclass(frozen=True, slots=True)
class Timing:
    """When to probe, in seconds, and how many results make a change. The defaults are the API's."""

    initial_delay: float
    period: float
    timeout: float
    successes: int
    failures: int

    @classmethod
    def of(cls, probe: Object) -> "Timing":
        """What *probe* says."""
        return cls(
            probe.get("initialDelaySeconds") or 0,
            probe.get("periodSeconds") or 10,
            probe.get("timeoutSeconds") or 1,
            probe.get("successThreshold") or 1,
            probe.get("failureThreshold") or 3,
        )


async def changes(
    probe: Object, target: Target, *, eager: bool, unhealthy: Callable[[str], None]
) -> AsyncIterator[bool]:
    """Probe forever; yields True when the container has come to pass, False each time it has come to fail.

    With *eager* it is probed quickly until the first success. Each failure that counts is told to *unhealthy*.
    """
    timing = Timing.of(probe)
    await asyncio.sleep(timing.initial_delay)
    loop = asyncio.get_running_loop()
    started = counted = loop.time()
    passed = failed = 0
    while True:
        problem = await _problem(probe, target, timing.timeout)
        if problem is None:
            passed, failed, eager = passed + 1, 0, False
            if passed == timing.successes:
                yield True
        else:
            hurried = eager and loop.time() - started < EAGER_FOR
            if not hurried or loop.time() - counted >= timing.period:
                passed, failed, counted = 0, failed + 1, loop.time()
                unhealthy(problem)
                if failed >= timing.failures:
                    failed = 0
                    yield False
            if hurried:
                await asyncio.sleep(EAGER_EXEC if "exec" in probe else EAGER)
                continue
        await asyncio.sleep(timing.period)


async def _problem(probe: Object, target: Target, timeout: float) -> str | None:
    try:
        async with asyncio.timeout(timeout):
            await perform(probe, target)
    except TimeoutError:
        return f"no answer within {timeout:g} s"
    except ActionError as error:
        return str(error)
    return None
