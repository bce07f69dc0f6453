"""The Gateway and Controller ports, and what the Cluster port does with pods: on every target that has KIC and Kong."""

import contextlib
from pathlib import Path

import pytest

from stickyconf.ports import POD, HarnessError
from stickyconf.scenarios import Manifests, Topology
from stickyconf.scenarios.workload import ECHO_PORT, upstream_name

MANIFESTS = Path(__file__).parents[3] / "manifests"


@pytest.fixture(scope="package")
def kong(ports):
    if ports.installed is None:
        pytest.skip("this cluster has no KIC and Kong")
    return ports


@pytest.fixture(scope="package")
def stage(kong, loop):
    """A namespace with two echo pods behind a sticky route; its name, and the pods' addresses by name."""
    return loop.run(_staged(kong))


async def _staged(kong):
    namespace = await kong.namespace()
    manifests, topology = Manifests(MANIFESTS, kong.installed.parent), Topology(replicas=2)
    for manifest in manifests.echo(namespace, topology, 30, 45):
        await kong.cluster.apply(manifest)
    await kong.cluster.apply(manifests.policy(namespace, topology.policy.spec))
    await kong.cluster.apply(manifests.route(namespace, f"{namespace}.stickyconf.test", topology))

    async def ready():
        return {
            pod["metadata"]["name"]: f"{pod['status']['podIP']}:{ECHO_PORT}"
            for pod in await kong.cluster.list(POD, namespace, "app=echo")
            if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or ())
        }

    return namespace, await kong.waiter.until("two echo pods", "rollout", ready, lambda pods: len(pods) == 2)


async def _shown(kong, name):
    return [
        (await kong.gateway.upstream(replica, name), await kong.gateway.targets(replica, name))
        for replica in await kong.gateway.replicas()
    ]


def test_there_are_replicas(kong, loop):
    """Discovery finds every gateway replica, in one order each time."""
    replicas = loop.run(kong.gateway.replicas())
    assert replicas
    assert loop.run(kong.gateway.replicas()) == replicas


def test_unknown_upstream(kong, loop):
    """An upstream that is not there is None, and has no targets."""
    for upstream, targets in loop.run(_shown(kong, "httproute.nowhere.echo.0")):
        assert upstream is None
        assert targets == {}


def test_route_becomes_an_upstream(kong, loop, stage):
    """Every replica shows the policy and the ready pods, by KIC's name for the rule's upstream."""
    namespace, pods = stage
    shown = loop.run(
        kong.waiter.until(
            "the upstream on every replica",
            "programmed",
            lambda: _shown(kong, upstream_name(namespace)),
            lambda shown: all(upstream and set(targets) == set(pods.values()) for upstream, targets in shown),
        )
    )
    for upstream, targets in shown:
        assert upstream["algorithm"] == "sticky-sessions"
        assert upstream["sticky_sessions_cookie"] == "session_id"
        assert all(weight > 0 for weight in targets.values())


def test_configuration_can_be_read(kong, loop):
    """The whole configuration is there for diagnostics."""
    for replica in loop.run(kong.gateway.replicas()):
        assert loop.run(kong.gateway.configuration(replica))


def test_a_replica_that_has_gone_is_ours(kong, loop):
    """Asking a replica that does not exist is a harness error, never an answer."""
    with pytest.raises(HarnessError, match="does not answer"):
        loop.run(kong.gateway.upstream("http://127.0.0.1:9", "any"))


def test_pod_is_reached_through_the_api_server(kong, loop, stage):
    """A pod answers to POST through the API server, and one that is not there is no error but False."""
    namespace, pods = stage
    pod = sorted(pods)[0]
    assert loop.run(kong.cluster.post_to_pod(pod, namespace, ECHO_PORT, "/-/release"))
    assert not loop.run(kong.cluster.post_to_pod("no-such-pod", namespace, ECHO_PORT, "/-/release"))


def test_log_is_followed(kong, loop, stage):
    """A pod's log can be read by its last lines and followed from its first."""
    namespace, pods = stage
    pod = sorted(pods)[0]

    async def first():
        async with contextlib.aclosing(kong.cluster.follow_log(pod, namespace)) as lines:
            return await anext(lines)

    line = loop.run(first())
    assert line
    assert line in loop.run(kong.cluster.log(pod, namespace, 100))


def test_drain_support_is_switched(kong, loop):
    """Drain support is on once switching it on returns, off once switching it off does, and the same is no change."""

    async def switched(on):
        await kong.controller.set_drain_support(on)
        return await kong.controller.drain_support()

    before = loop.run(kong.controller.drain_support())
    assert loop.run(switched(not before)) is not before
    assert loop.run(switched(before)) is before
    assert loop.run(switched(before)) is before
    loop.run(kong.controller.restore_drain_support())
