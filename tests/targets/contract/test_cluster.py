"""The Cluster port: what the scenarios rely on, on every target."""

import asyncio
import contextlib

import pytest

from stickyconf.ports import DEPLOYMENT, NAMESPACE, HarnessError, Kind, Rejected

CONFIG_MAP = Kind("v1", "ConfigMap")


def config_map(namespace, name="one", data=None, **labels):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "data": data or {"a": "1"},
    }


def deployment(namespace):
    labels = {"app": "nothing"}
    container = {"name": "one", "image": "stickyconf.invalid/nothing"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "nothing", "namespace": namespace},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


@pytest.fixture
def namespace(ports, loop):
    return loop.run(ports.namespace())


def test_create_is_refused_where_there_is_one(ports, loop, namespace):
    """What exists is never taken over: creating it again is Rejected with 409."""
    created = loop.run(ports.cluster.create(config_map(namespace)))
    assert created["metadata"]["uid"]
    with pytest.raises(Rejected) as refused:
        loop.run(ports.cluster.create(config_map(namespace, data={"a": "other"})))
    assert refused.value.code == 409
    assert loop.run(ports.cluster.get(CONFIG_MAP, "one", namespace))["data"] == {"a": "1"}


def test_apply_creates_then_changes(ports, loop, namespace):
    """Applying twice leaves one object, as the second said it; what the second leaves out goes."""
    first = loop.run(ports.cluster.apply(config_map(namespace, data={"a": "1", "b": "2"})))
    second = loop.run(ports.cluster.apply(config_map(namespace, data={"a": "3"})))
    assert first["metadata"]["uid"] == second["metadata"]["uid"]
    assert loop.run(ports.cluster.get(CONFIG_MAP, "one", namespace))["data"] == {"a": "3"}


def test_apply_of_the_same_changes_nothing(ports, loop, namespace):
    """Applying the same again makes no new version, so nobody who watches is told."""
    first = loop.run(ports.cluster.apply(config_map(namespace)))
    second = loop.run(ports.cluster.apply(config_map(namespace)))
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]


def test_invalid_object_is_rejected(ports, loop, namespace):
    """An object that cannot be is Rejected with 422 Invalid and a message that names the field."""
    broken = deployment(namespace)
    del broken["spec"]["selector"]
    with pytest.raises(Rejected) as refused:
        loop.run(ports.cluster.create(broken))
    assert (refused.value.code, refused.value.reason) == (422, "Invalid")
    assert "spec.selector" in refused.value.message


def test_absent_object_is_none(ports, loop, namespace):
    """Getting what is not there is None, and deleting it no error."""
    assert loop.run(ports.cluster.get(CONFIG_MAP, "absent", namespace)) is None
    loop.run(ports.cluster.delete(CONFIG_MAP, "absent", namespace))


def test_unknown_kind_is_ours(ports, loop, namespace):
    """A kind the cluster does not serve is a harness error that says what to do."""
    with pytest.raises(HarnessError, match="install its CRD first"):
        loop.run(ports.cluster.list(Kind("stickyconf.invalid/v1", "Nothing"), namespace))


def test_list_selects_by_label(ports, loop, namespace):
    """A label selector picks from one namespace."""
    loop.run(ports.cluster.create(config_map(namespace, "one", colour="red")))
    loop.run(ports.cluster.create(config_map(namespace, "two", colour="blue")))
    found = loop.run(ports.cluster.list(CONFIG_MAP, namespace, "colour=red"))
    assert [item["metadata"]["name"] for item in found] == ["one"]


def test_merge_patch(ports, loop, namespace):
    """A merge patch changes what it names, removes what it sets to null, and leaves the rest (RFC 7386)."""
    loop.run(ports.cluster.create(config_map(namespace, data={"a": "1", "b": "2", "c": "3"})))
    patched = loop.run(ports.cluster.patch(CONFIG_MAP, "one", namespace, {"data": {"a": "9", "b": None}}))
    assert patched["data"] == {"a": "9", "c": "3"}


def test_scale(ports, loop, namespace):
    """Scaling changes a Deployment's replicas and makes a new generation.

    It may be several: a kube-apiserver counts annotations of Deployments, too, which their controller writes.
    """
    before = loop.run(ports.cluster.create(deployment(namespace)))
    loop.run(ports.cluster.scale("nothing", namespace, 2))
    after = loop.run(ports.cluster.get(DEPLOYMENT, "nothing", namespace))
    assert after["spec"]["replicas"] == 2
    assert after["metadata"]["generation"] > before["metadata"]["generation"]


def test_watch(ports, loop, namespace):
    """A watch yields what exists first, then every change in its order, each once."""

    async def watched():
        cluster, seen = ports.cluster, []
        await cluster.create(config_map(namespace))
        async with asyncio.timeout(30), contextlib.aclosing(cluster.watch(CONFIG_MAP, namespace)) as events:
            async for kind, item in events:
                if item["metadata"]["name"] != "one":
                    continue  # a controller's own, kube-root-ca.crt for example
                seen.append((kind, item["data"]["a"]))
                if len(seen) == 1:
                    await cluster.patch(CONFIG_MAP, "one", namespace, {"data": {"a": "2"}})
                    await cluster.delete(CONFIG_MAP, "one", namespace)
                if kind == "DELETED":
                    return seen
        raise AssertionError("the watch ended")

    assert loop.run(watched()) == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]


def test_namespace_is_deleted_once(ports, loop):
    """Deleting a namespace whose deletion is under way, or over, is no error."""
    name = loop.run(ports.namespace())
    loop.run(ports.cluster.delete(NAMESPACE, name))
    loop.run(ports.cluster.delete(NAMESPACE, name))
    left = loop.run(ports.cluster.get(NAMESPACE, name))
    assert left is None or "deletionTimestamp" in left["metadata"]
