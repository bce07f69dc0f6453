"""What the controller says of a policy in its status: recorded as it is, and waited for if it has to come."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from stickyconf.model import Happening
from stickyconf.model.ancestors import conditions_of
from stickyconf.ports import UPSTREAM_POLICY
from stickyconf.scenarios.stage import Stage
from stickyconf.scenarios.workload import POLICY
from stickyconf.wait import WaitFailed


async def look_at_the_policy(stage: Stage, name: str = POLICY) -> dict[str, Any]:
    """Record the status of a policy as it is now, and return it; empty if there is none."""
    policy = await stage.target.cluster.get(UPSTREAM_POLICY, name, stage.namespace) or {}
    status: dict[str, Any] = policy.get("status") or {}
    stage.recorder.event(Happening.STATUS, f"KongUpstreamPolicy/{name}", status=json.dumps(status, sort_keys=True))
    return status


async def until_the_policy_lists(stage: Stage, service: str, name: str = POLICY) -> None:
    """Record the status once it has a Service of the case as a programmed ancestor, or as it is if that never comes."""

    async def listed() -> dict[str, str]:
        policy = await stage.target.cluster.get(UPSTREAM_POLICY, name, stage.namespace) or {}
        return conditions_of(policy.get("status") or {}, stage.namespace, service)

    with contextlib.suppress(WaitFailed):  # what is there instead is recorded, and judged
        await stage.waiter.until(
            f"Service {service} in the status of policy {name}",
            "programmed",
            listed,
            lambda conditions: conditions.get("Programmed") == "True",
        )
    await look_at_the_policy(stage, name)
