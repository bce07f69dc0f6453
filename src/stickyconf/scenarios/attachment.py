"""The annotation on the Service is what switches stickiness on."""

from __future__ import annotations

import contextlib
from typing import Any

from stickyconf.model import Happening
from stickyconf.ports import EVENT, SERVICE
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.statuses import look_at_the_policy, until_the_policy_lists
from stickyconf.scenarios.visits import visit
from stickyconf.scenarios.workload import POLICY, POLICY_ANNOTATION
from stickyconf.scenarios.workload import SERVICE as ECHO
from stickyconf.wait import WaitFailed

WORDS = ("type", "reason", "message")
"""What is kept of a Kubernetes Event."""


def attach_the_policy_under_traffic(*, sessions: int, requests: int) -> Scenario:
    """Visit while the policy exists but is attached to nothing, annotate the Service, and visit again.

    Before it every request has a connection of its own: what deals requests out is each worker of the gateway.
    """

    async def play(stage: Stage) -> None:
        await visit("before", sessions=sessions, requests=requests, connections="fresh")(stage)
        await look_at_the_policy(stage)
        await annotate(stage)
        await stage.converge(sticky=True)
        await visit("after", sessions=sessions, requests=requests)(stage)
        await until_the_policy_lists(stage, ECHO)

    return play


async def annotate(stage: Stage) -> None:
    """Attach the case's policy to its Service."""
    await stage.target.cluster.patch(
        SERVICE, ECHO, stage.namespace, {"metadata": {"annotations": {POLICY_ANNOTATION: POLICY}}}
    )
    stage.recorder.event(Happening.ANNOTATED, f"Service/{ECHO}", annotation=f"{POLICY_ANNOTATION}={POLICY}")


def attach_to_an_older_gateway(*, sessions: int, requests: int) -> Scenario:
    """Visit, annotate the Service, wait for a Warning on it, and visit again, each request on a connection of its own.

    That there is no Warning in time is recorded as such: it is a finding.
    """

    async def play(stage: Stage) -> None:
        await visit("before", sessions=sessions, requests=requests, connections="fresh")(stage)
        await annotate(stage)

        async def warnings() -> list[dict[str, Any]]:
            events = await stage.target.cluster.list(EVENT, stage.namespace)
            return [event for event in events if event["involvedObject"]["kind"] == "Service"]

        with contextlib.suppress(WaitFailed):  # the check says what is missing
            for event in await stage.waiter.until("a Warning on the Service", "programmed", warnings, bool):
                about, words = event["involvedObject"], {key: str(event.get(key)) for key in WORDS}
                stage.recorder.event(Happening.CLUSTER_EVENT, f"{about['kind']}/{about['name']}", None, **words)
        await visit("after", sessions=sessions, requests=requests, connections="fresh")(stage)

    return play
