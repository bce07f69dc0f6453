"""The ports of every target that can be had here, behind one fixture: what holds for one has to hold for all.

A cluster of your own joins them by STICKYCONF_CONTRACT_KUBECONFIG (a file) and STICKYCONF_CONTRACT_CONTEXT; it may be a
bare API server: what needs pods, KIC or Kong is then skipped with that reason.
"""

import contextlib
import os
import secrets
from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stickyconf.ports import NAMESPACE, RUN_LABEL, Cluster, Controller, Gateway
from stickyconf.targets.admin import AdminApi
from stickyconf.targets.contexts import only_context, written
from stickyconf.targets.embedded.installation import embedded_cluster
from stickyconf.targets.installation import Installation, NoTarget
from stickyconf.targets.kong import IngressController
from stickyconf.targets.kubeconfig.guard import OwnNamespacesOnly
from stickyconf.targets.kubeconfig.installation import kubeconfig_target
from stickyconf.targets.kubernetes import KubernetesCluster
from stickyconf.wait import Budgets, Waiter

RUN = secrets.token_hex(3)
KUBECONFIG, CONTEXT = "STICKYCONF_CONTRACT_KUBECONFIG", "STICKYCONF_CONTRACT_CONTEXT"


@dataclass
class Ports:
    """A target's ports. ``installed`` is None, and gateway and controller with it, on a bare API server."""

    cluster: Cluster
    waiter: Waiter
    installed: Installation | None = None
    gateway: Gateway | None = None
    controller: Controller | None = None
    namespaces: list[str] = field(default_factory=list)

    async def namespace(self) -> str:
        """Make a namespace that is removed after the module."""
        name = f"sticky-contract-{secrets.token_hex(3)}-{RUN}"
        labels = {RUN_LABEL: RUN}
        await self.cluster.create(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        )
        self.namespaces.append(name)
        return name


@pytest.fixture(scope="package")
def embedded():
    """One embedded cluster for the whole package."""
    with embedded_cluster() as started:
        yield started


@pytest.fixture(scope="package", params=["embedded", "kubeconfig", "yours"])
def ports(request, loop, tmp_path_factory):
    """Return the ports of one target after the other."""
    opened = _opened(request, tmp_path_factory.mktemp("discovery") / "cache.json")
    yield loop.run(opened.__aenter__())
    loop.run(opened.__aexit__(None, None, None))


@contextlib.asynccontextmanager
async def _opened(request, cache):
    waiter = Waiter(Budgets.of())
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "embedded":
            installed = request.getfixturevalue("embedded")
            cluster = KubernetesCluster(installed.kubeconfig, cache)
        else:
            file, context = _named(request)
            kept = stack.enter_context(written(only_context([file], context)))
            installed = await _found(stack, file, context, waiter, cache)
            cluster = OwnNamespacesOnly(kept, cache, context, RUN)
        await stack.enter_async_context(cluster)
        ports = Ports(cluster, waiter)
        if installed:
            changing = await stack.enter_async_context(
                KubernetesCluster(installed.kubeconfig, cache, installed.context)
            )
            gateway = AdminApi(cluster, installed)
            stack.push_async_callback(gateway.close)
            ports = Ports(cluster, waiter, installed, gateway, IngressController(changing, waiter, installed, RUN))
        yield ports
        for name in ports.namespaces:
            await cluster.delete(NAMESPACE, name)


def _named(request):
    if request.param == "kubeconfig":
        return request.getfixturevalue("embedded").kubeconfig, "embedded"
    if not os.environ.get(KUBECONFIG) or not os.environ.get(CONTEXT):
        pytest.skip(f"no cluster of yours is named: set {KUBECONFIG} and {CONTEXT}")
    return Path(os.environ[KUBECONFIG]).expanduser(), os.environ[CONTEXT]


async def _found(stack, file, context, waiter, cache):
    """Return where KIC and Kong are, or None where they are not."""
    option = Namespace(
        kubeconfig=str(file),
        context=context,
        kong_namespace="kong",
        gateway_class=None,
        parent_gateway=None,
        install_gatewayclass=False,
        may_toggle_drain=True,
        hold=None,
        direct_addresses=context == "embedded",
        proxy_url=None,
        admin_url=None,
    )
    try:
        return await stack.enter_async_context(kubeconfig_target(option, RUN, waiter, cache))
    except NoTarget as reason:
        if context == "embedded":
            raise
        print(f"only the Kubernetes API is looked at: {reason}")
        return None
