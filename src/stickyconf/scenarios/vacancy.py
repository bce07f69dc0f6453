"""A Service that loses all its pods and gets new ones, while another application takes one of their addresses.

residents  --x--x--x--x--x--x--x--x--x--x--x--x--x--x--x--   with the cookies they have, whatever comes of it
the pods     ready | scaled to 0  preStop holds all | released | gone     | scaled up again
strangers                         .  .  .                        .  .       .  .  .
neighbour                                                          takes an address that was theirs
"""

from __future__ import annotations

import json

from stickyconf.checks.vacancy import HELD, NEIGHBOUR, RETURNED, VACANT
from stickyconf.model import Happening
from stickyconf.scenarios.drain import VISITS_HELD
from stickyconf.scenarios.ending import gone, in_turn, scale, weightless
from stickyconf.scenarios.forgery import neighbour_pod
from stickyconf.scenarios.residents import VISITS_AFTER, Residents, residing
from stickyconf.scenarios.settling import Asked
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.visits import visit
from stickyconf.wait import WaitFailed


def scale_to_zero_and_back(*, strangers: int, sessions: int, requests: int) -> Scenario:
    """Scale to 0 and back under traffic; ``strangers`` come while all pods are held and while there is none.

    Once pods are back, ``sessions`` new sessions send ``requests`` requests each.
    """

    async def play(stage: Stage) -> None:
        stage.observers.poll_targets(stage.gateways)
        stage.recorder.restless |= {"resident", HELD, VACANT}
        pods = dict(stage.pods)
        async with residing(stage) as residents:
            await residents.visited(times=2)
            async with in_turn(stage):
                await scale(stage, 0)
                victims, _ = await weightless(stage, len(pods))
            await visit(HELD, sessions=strangers, requests=1, cookies="discard")(stage)
            await residents.visited(times=VISITS_HELD)
            await stage.release(victims)
            await gone(stage, victims)
            await visit(VACANT, sessions=strangers, requests=1, cookies="discard")(stage)
            await _take_an_address(stage, residents, sorted(pods.values())[0])
            await scale(stage, len(pods))
            await stage.refresh_pods(len(pods))
            await stage.converge(sticky=True)
            await residents.visited(times=1)
        await visit(RETURNED, sessions=sessions, requests=requests)(stage)

    return play


async def _take_an_address(stage: Stage, residents: Residents, address: str) -> None:
    """Have another application ask for an address, "ip:port"; record which one it got, and that it is served there.

    A worker of the gateway that reaches it has learnt before that the Service's pods have gone.
    """
    host = stage.host_name(NEIGHBOUR)
    for manifest in stage.manifests.neighbour(stage.namespace, host, address.rpartition(":")[0]):
        await stage.target.cluster.apply(manifest)
    pod = await neighbour_pod(stage)
    name, own = pod["metadata"]["name"], pod["status"]["podIP"]
    await stage.observers.follow_logs([name])
    stage.recorder.event(Happening.PODS_READY, f"Deployment/{NEIGHBOUR}", pods=json.dumps([name]), address=own)
    async with stage.client(NEIGHBOUR, host=host) as client:
        try:
            await stage.waiter.until(
                "the gateway to reach the neighbour",
                "programmed",
                lambda: client.get("/"),
                lambda one: one.pod is not None,
            )
        except WaitFailed as failure:
            stage.recorder.event(Happening.UNCONVERGED, NEIGHBOUR, budget=failure.budget, last=failure.last)
        else:
            await stage.settled(Asked("reach the neighbour", NEIGHBOUR, lambda one: one.pod == name), host)
            await client.get("/")
        await residents.visited(times=VISITS_AFTER)
        await client.get("/")
