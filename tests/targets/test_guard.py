"""On somebody's cluster nothing is changed but what the run made: refused before anything is sent."""

from pathlib import Path

import pytest

from stickyconf.ports import DEPLOYMENT, NAMESPACE, POD, RUN_LABEL, SERVICE, OutOfReach
from stickyconf.targets.kubeconfig.guard import OwnNamespacesOnly

IN_KONG = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "echo", "namespace": "kong"}}
CLASS = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "kong"}}
UNLABELLED = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "sticky-x"}}
OF_ANOTHER = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "sticky-x", "labels": {RUN_LABEL: "another"}},
}

CHANGES = {
    "apply": lambda cluster: cluster.apply(IN_KONG),
    "create": lambda cluster: cluster.create(IN_KONG),
    "create cluster-scoped": lambda cluster: cluster.create(CLASS),
    "apply cluster-scoped": lambda cluster: cluster.apply(CLASS),
    "create unlabelled namespace": lambda cluster: cluster.create(UNLABELLED),
    "create another run's namespace": lambda cluster: cluster.create(OF_ANOTHER),
    "apply namespace": lambda cluster: cluster.apply(UNLABELLED),
    "patch": lambda cluster: cluster.patch(SERVICE, "echo", "kong", {}),
    "patch cluster-scoped": lambda cluster: cluster.patch(NAMESPACE, "kong", "", {}),
    "scale": lambda cluster: cluster.scale("kong-controller", "kong", 0),
    "delete pod": lambda cluster: cluster.delete(POD, "one", "kong"),
    "delete namespace": lambda cluster: cluster.delete(NAMESPACE, "kong"),
    "delete similar namespace": lambda cluster: cluster.delete(NAMESPACE, "sticky-drain-1-abc123"),
    "delete deployment": lambda cluster: cluster.delete(DEPLOYMENT, "kong-controller", "kong"),
    "post": lambda cluster: cluster.post_to_pod("one", "kong", 80, "/"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_change_is_refused(change, loop):
    """Nobody is connected to: a request that was sent all the same would fail otherwise than by OutOfReach."""
    cluster = OwnNamespacesOnly(Path("/nowhere"), Path("/nowhere"), "none", "run")
    with pytest.raises(OutOfReach, match="this run's"):
        loop.run(change(cluster))
