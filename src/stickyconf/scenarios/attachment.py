"""The annotation on the Service is what switches stickiness on."""

from __future__ import annotations

from stickyconf.model import Happening
from stickyconf.ports import SERVICE
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.statuses import look_at_the_policy, until_the_policy_lists
from stickyconf.scenarios.visits import visit
from stickyconf.scenarios.workload import POLICY, POLICY_ANNOTATION
from stickyconf.scenarios.workload import SERVICE as ECHO


def attach_the_policy_under_traffic(*, sessions: int, requests: int) -> Scenario:
    """Visit while the policy exists but is attached to nothing, annotate the Service, and visit again.

    Before it every request has a connection of its own: what deals requests out is each worker of the gateway.
    """

    async def play(stage: Stage) -> None:
        await visit("before", sessions=sessions, requests=requests, connections="fresh")(stage)
        await look_at_the_policy(stage)
        await stage.target.cluster.patch(
            SERVICE, ECHO, stage.namespace, {"metadata": {"annotations": {POLICY_ANNOTATION: POLICY}}}
        )
        stage.recorder.event(Happening.ANNOTATED, f"Service/{ECHO}", annotation=f"{POLICY_ANNOTATION}={POLICY}")
        await stage.converge(sticky=True)
        await visit("after", sessions=sessions, requests=requests)(stage)
        await until_the_policy_lists(stage, ECHO)

    return play
