"""KIC of somebody's is switched only with leave, remembers what it was, and is put back by who switched it."""

from pathlib import Path

import pytest

from stickyconf.ports import DEPLOYMENT, OutOfReach
from stickyconf.targets.installation import KONG_TEMPO, Installation
from stickyconf.targets.kong import DRAIN_BEFORE, IngressController
from stickyconf.wait import Budgets, Waiter

SIDECAR = {"name": "mesh", "image": "sidecar", "env": [{"name": "CONTROLLER_ENABLE_DRAIN_SUPPORT", "value": "unset"}]}


class Cluster:
    """One Deployment, which is patched and rolls out at once."""

    def __init__(self, annotations=None):
        kic = {"name": "kic", "image": "kong/kubernetes-ingress-controller:3.5.13", "env": []}
        self.deployment = {
            "metadata": {"name": "kong-controller", "annotations": annotations or {}},
            "spec": {"replicas": 1, "template": {"spec": {"containers": [SIDECAR, kic]}}},
            "status": dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas", "observedGeneration"), 1),
        }
        self.patches = 0

    async def get(self, kind, name, namespace):
        assert (kind, name, namespace) == (DEPLOYMENT, "kong-controller", "kong")
        return self.deployment

    async def patch(self, kind, name, namespace, patch):
        self.patches += 1
        changed = self.deployment["metadata"]["annotations"] | patch["metadata"]["annotations"]
        self.deployment["metadata"]["annotations"] = {key: value for key, value in changed.items() if value is not None}
        self.deployment["spec"]["template"] = patch["spec"]["template"]


def controller(cluster, *, leave=True, foreign=True, run="abc123"):
    installed = Installation(
        target="kubeconfig", kubeconfig=Path("/nowhere"), tempo=KONG_TEMPO, foreign=foreign, may_toggle_drain=leave
    )
    return IngressController(cluster, Waiter(Budgets.of()), installed, run)


def test_switched_and_put_back(loop):
    """The mark says who switched it and what was before, through every switch; putting back removes it."""
    cluster = Cluster()
    kic = controller(cluster)
    for on in (True, False, True):
        loop.run(kic.set_drain_support(on))
        assert loop.run(kic.drain_support()) is on
        assert cluster.deployment["metadata"]["annotations"] == {DRAIN_BEFORE: "abc123 false"}
    loop.run(kic.restore_drain_support())
    assert loop.run(kic.drain_support()) is False
    assert cluster.deployment["metadata"]["annotations"] == {}
    assert cluster.deployment["spec"]["template"]["spec"]["containers"][0] == SIDECAR


def test_not_without_leave(loop):
    """Nothing is patched, and the reason names the option."""
    cluster = Cluster()
    loop.run(controller(cluster, leave=False).set_drain_support(False))  # as it is already
    with pytest.raises(OutOfReach, match="--may-toggle-drain"):
        loop.run(controller(cluster, leave=False).set_drain_support(True))
    assert cluster.patches == 0


def test_not_while_another_run_has(loop):
    """What another run has switched is neither switched nor put back."""
    cluster = Cluster({DRAIN_BEFORE: "def456 true"})
    with pytest.raises(OutOfReach, match="--cleanup def456"):
        loop.run(controller(cluster).set_drain_support(True))
    loop.run(controller(cluster).restore_drain_support())
    assert cluster.patches == 0


def test_own_cluster_needs_no_mark(loop):
    """A cluster that was made for the run is simply switched."""
    cluster = Cluster()
    loop.run(controller(cluster, foreign=False).set_drain_support(True))
    assert cluster.patches == 1
    assert cluster.deployment["metadata"]["annotations"] == {}
