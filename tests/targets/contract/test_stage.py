"""A stage on a real cluster: what it says of pods, host names and upstreams is what there was."""

import json
from pathlib import Path

import pytest

from stickyconf.model import Happening
from stickyconf.ports import POD, Target
from stickyconf.scenarios import Manifests, Policy, Stage, Topology
from stickyconf.scenarios.ending import scale
from stickyconf.scenarios.visits import visit
from stickyconf.scenarios.workload import ECHO_PORT, NEIGHBOUR, upstream_name
from stickyconf.targets.traffic import HttpTraffic

MANIFESTS = Path(__file__).parents[3] / "manifests"


@pytest.fixture(scope="module")
def stage(ports, loop):
    """A stage of two echo pods that became three, with a neighbour, visited under both host names; and its history."""
    if ports.installed is None or ports.installed.target != "embedded":
        pytest.skip("the stage is the same on every target: once is enough")
    return loop.run(_played(ports))


async def _played(ports):
    namespace, installed = await ports.namespace(), ports.installed
    target = Target(
        name=installed.target,
        implementation="",
        versions={},
        tempo=installed.tempo,
        cluster=ports.cluster,
        gateway=ports.gateway,
        controller=ports.controller,
        traffic=HttpTraffic(installed.proxy_url, ports.waiter.budgets["request"]),
        proxy_url=installed.proxy_url,
        kubeconfig=str(installed.kubeconfig),
        parent=installed.parent,
        namespace=installed.namespace,
    )
    stage = Stage(
        name="stage",
        target=target,
        waiter=ports.waiter,
        manifests=Manifests(MANIFESTS, installed.parent),
        topology=Topology(replicas=2),
        namespace=namespace,
        host=f"{namespace}.stickyconf.test",
        seed=1,
    )
    await stage.deploy()
    assert await stage.converge(sticky=True)
    await visit("before", sessions=1, requests=2)(stage)
    await scale(stage, 3)
    await stage.refresh_pods(3)
    assert await stage.converge(sticky=True)
    for manifest in stage.manifests.neighbour(namespace, stage.host_name(NEIGHBOUR)):
        await ports.cluster.apply(manifest)
    pods = await ports.waiter.until("the neighbour", "rollout", lambda: _neighbours(stage), bool)
    await stage.observers.follow_logs(pods)
    assert await stage.converge(
        sticky=True,
        upstream=upstream_name(namespace, NEIGHBOUR),
        host=stage.host_name(NEIGHBOUR),
        pods=pods,
        policy=Policy(),
    )
    await visit("neighbour", sessions=1, requests=2, host=NEIGHBOUR)(stage)
    return stage, await stage.close(), set(pods)


async def _neighbours(stage):
    return {
        pod["metadata"]["name"]: f"{pod['status']['podIP']}:{ECHO_PORT}"
        for pod in await stage.target.cluster.list(POD, stage.namespace, f"app={NEIGHBOUR}")
        if pod["status"].get("podIP")
    }


def test_pods_of_the_beginning_and_those_of_later_are_kept_apart(stage):
    """The pods that the experiment began with stay what they were if the stage looks again."""
    stage, history, _ = stage
    [later] = history.happened(Happening.PODS_READY)

    assert len(history.setup.pods) == 2
    assert json.loads(later.detail["pods"]) == sorted(stage.pods)
    assert set(history.setup.pods) < set(stage.pods)
    assert len(stage.pods) == 3


def test_an_exchange_says_which_host_it_went_to(stage):
    """A visit goes to the case's own host name, or to one below it; the pods that answer are those behind it."""
    stage, history, neighbours = stage

    assert {exchange.host for exchange in history.arm("before")} == {stage.host}
    assert {exchange.host for exchange in history.arm("neighbour")} == {f"{NEIGHBOUR}.{stage.host}"}
    assert {exchange.pod for exchange in history.arm("before")} <= set(history.setup.pods)
    assert {exchange.pod for exchange in history.arm("neighbour")} == neighbours


def test_an_upstream_that_is_not_the_cases_own_converges_by_its_own_name(stage):
    """It is recorded under its name, and its targets are not taken for those of the case."""
    stage, history, neighbours = stage
    other = upstream_name(stage.namespace, NEIGHBOUR)

    assert [event.subject for event in history.happened(Happening.CONVERGED)] == [stage.upstream] * 2 + [other]
    assert history.happened(Happening.UPSTREAM, other)
    assert not any(event.subject in neighbours for event in history.happened(Happening.TARGET))
    assert not history.happened(Happening.TARGET_REMOVED)
