"""The kubeconfig target: a cluster that exists, in which the run touches only what it made."""

from __future__ import annotations

import contextlib
from argparse import Namespace
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from stickyconf.ports import GATEWAY, NAMESPACE, RUN_LABEL, SERVICE, Cluster, HarnessError, LeftBehind, Rejected
from stickyconf.targets.contexts import kubeconfig_files, only_context, written
from stickyconf.targets.installation import BadOption, Installation, NoTarget
from stickyconf.targets.kong import IngressController
from stickyconf.targets.kubeconfig import discovery
from stickyconf.targets.kubeconfig.discovery import GATEWAY_CLASS, Found, held
from stickyconf.targets.kubeconfig.guard import OwnNamespacesOnly
from stickyconf.targets.kubeconfig.portforward import MOST_CONNECTIONS, port_forwarded
from stickyconf.targets.kubeconfig.reach import find_proxy, http_port
from stickyconf.targets.kubernetes import KubernetesCluster
from stickyconf.targets.workload import workload_in
from stickyconf.wait import Waiter, WaitFailed


@contextlib.asynccontextmanager
async def kubeconfig_target(option: Namespace, run: str, waiter: Waiter, cache: Path) -> AsyncIterator[Installation]:
    """Find KIC and Kong in the cluster of --context, yield them, and leave the cluster as it was found.

    ``option`` are the options of ``kubeconfig_options``; ``run`` is the id that labels everything made. Raises
    NoTarget, in one line, if something is missing; LeftBehind in the end if something could not be removed or put back.
    """
    left: list[str] = []
    async with contextlib.AsyncExitStack() as stack:
        stack.push(lambda _, error, __: _tell(left, error))
        try:
            file = stack.enter_context(written(only_context(kubeconfig_files(option.kubeconfig), option.context)))
            cluster = OwnNamespacesOnly(file, cache, option.context, run)
            await stack.enter_async_context(cluster)
            outside = await stack.enter_async_context(KubernetesCluster(file, cache, option.context))
            found = await discovery.find_kong(
                cluster,
                option.kong_namespace,
                proxy_url=option.proxy_url or "",
                admin_url=option.admin_url or "",
            )
            workload = await workload_in(cluster, option)
            parent = await _parent(option, run, cluster, outside, found, stack, left)
            proxy, how, most = await _proxy(option, cluster, found, stack)
        except BadOption as error:
            raise NoTarget(str(error)) from error
        except (Rejected, HarnessError) as error:
            raise NoTarget(f"the cluster of context {option.context} cannot be used: {error}") from error
        installed = Installation(
            target="kubeconfig",
            kubeconfig=file,
            context=option.context,
            tempo=found.tempo if option.hold is None else held(found.tempo.sync, option.hold),
            namespace=found.namespace,
            controller=found.controller,
            gateway=found.gateway,
            proxy_service=found.proxy_service,
            admin_service=found.admin_service,
            parent=parent,
            proxy_url=proxy,
            versions={
                **found.versions,
                "drain support": "on" if found.drain else "off",
                "proxy reached by": how,
            },
            foreign=True,
            direct_addresses=option.direct_addresses,
            most_connections=most,
            may_toggle_drain=option.may_toggle_drain,
            workload=workload,
        )
        if option.may_toggle_drain:
            controller = IngressController(outside, waiter, installed, run)
            where = f"{found.namespace}/{found.controller}"
            stack.push_async_callback(
                _undone,
                f"drain support of Deployment {where}, if it was switched",
                controller.restore_drain_support,
                left,
            )
        yield installed


async def _undone(what: str, undo: Callable[[], Coroutine[Any, Any, None]], left: list[str]) -> None:
    """Undo one thing, and say what stays if that cannot be done: the rest is still undone."""
    try:
        await undo()
    except (HarnessError, Rejected, WaitFailed) as error:
        left.append(f"{what} ({error})")


def _tell(left: list[str], error: BaseException | None) -> None:
    """Raise LeftBehind if something stays, with the error that ended the rest, if one did."""
    if left:
        raise LeftBehind("; ".join([*left, *([str(error)] if error else [])])) from error


async def _proxy(
    option: Namespace, cluster: KubernetesCluster, found: Found, stack: contextlib.AsyncExitStack
) -> tuple[str, str, int | None]:
    """Return the proxy's address, how it leads there, and how many connections that way carries (None: enough)."""
    if option.proxy_url:
        return option.proxy_url, "--proxy-url", None
    way = await find_proxy(cluster, found.namespace, found.proxy_service, direct=option.direct_addresses)
    if way.url:
        return way.url, way.how, None
    forwarded = await stack.enter_async_context(port_forwarded(cluster, way.pod, found.namespace, way.port))
    return forwarded, way.how, MOST_CONNECTIONS


async def _parent(
    option: Namespace,
    run: str,
    cluster: OwnNamespacesOnly,
    outside: KubernetesCluster,
    found: Found,
    stack: contextlib.AsyncExitStack,
    left: list[str],
) -> tuple[str, str]:
    """Return the Gateway that routes shall name: the one asked for, one that is there, or one made for this run."""
    if option.parent_gateway:
        namespace, _, name = option.parent_gateway.partition("/")
        return await discovery.named_gateway(cluster, namespace, name)
    gateway_class = await discovery.find_gateway_class(cluster, option.gateway_class)
    if gateway_class:
        there = await discovery.find_gateway(cluster, gateway_class)
        if there:
            return there
    elif option.install_gatewayclass:
        gateway_class = f"stickyconf-{run}"
        remove = partial(outside.delete, GATEWAY_CLASS, gateway_class)
        stack.push_async_callback(_undone, f"GatewayClass {gateway_class}", remove, left)
        await outside.create(_gateway_class(gateway_class, run))
    else:
        raise NoTarget(
            f"no GatewayClass of {discovery.KIC_CONTROLLER} is there; let one be made for this run with"
            " --install-gatewayclass, or name a Gateway with --parent-gateway NS/NAME"
        )
    if not found.proxy_service:
        raise NoTarget(
            "no Gateway takes routes of every namespace, and KIC names no Service (--publish-service) that says on"
            " which port a new one may listen; name one with --parent-gateway NS/NAME"
        )
    service = await cluster.get(SERVICE, found.proxy_service, found.namespace) or {}
    # KIC takes a listener only on a port that Kong's Service has.
    return await _own_gateway(cluster, gateway_class, http_port(service)["port"], run, stack, left)


async def _own_gateway(
    cluster: Cluster, gateway_class: str, port: int, run: str, stack: contextlib.AsyncExitStack, left: list[str]
) -> tuple[str, str]:
    """Make a Gateway in a namespace of the run's own: routes of every namespace may attach to it."""
    namespace = f"sticky-gateway-{run}"
    await cluster.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {RUN_LABEL: run}}}
    )
    remove = partial(cluster.delete, NAMESPACE, namespace)
    stack.push_async_callback(_undone, f"namespace {namespace}", remove, left)
    listener = {
        "name": "http",
        "port": port,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    await cluster.create(
        {
            "apiVersion": GATEWAY.api_version,
            "kind": GATEWAY.kind,
            "metadata": {"name": "kong", "namespace": namespace, "labels": {RUN_LABEL: run}},
            "spec": {"gatewayClassName": gateway_class, "listeners": [listener]},
        }
    )
    return namespace, "kong"


def _gateway_class(name: str, run: str) -> dict[str, Any]:
    return {
        "apiVersion": GATEWAY_CLASS.api_version,
        "kind": GATEWAY_CLASS.kind,
        "metadata": {"name": name, "labels": {RUN_LABEL: run}, "annotations": {discovery.UNMANAGED: "true"}},
        "spec": {"controllerName": discovery.KIC_CONTROLLER},
    }
