"""Policies handed to the API server, to see which it admits and what it says of the others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stickyconf.model import Happening
from stickyconf.ports import Rejected
from stickyconf.scenarios.stage import Scenario, Stage


def submit_policies(specs: Mapping[str, Mapping[str, Any]]) -> Scenario:
    """Submit each spec as a KongUpstreamPolicy named by its key, and record the API server's answer."""

    async def play(stage: Stage) -> None:
        for name, spec in specs.items():
            await submit(stage, name, spec)

    return play


async def submit(stage: Stage, name: str, spec: Mapping[str, Any]) -> None:
    """Submit one spec as a KongUpstreamPolicy of this name, and record the API server's answer."""
    submitted = json.dumps(spec, sort_keys=True)
    try:
        stored = await stage.target.cluster.apply(stage.manifests.policy(stage.namespace, spec, name))
    except Rejected as refusal:
        stage.recorder.event(
            Happening.REJECTED,
            name,
            submitted=submitted,
            code=str(refusal.code),
            reason=refusal.reason,
            message=refusal.message,
        )
    else:
        stage.recorder.event(
            Happening.APPLIED, name, submitted=submitted, stored=json.dumps(stored.get("spec"), sort_keys=True)
        )
