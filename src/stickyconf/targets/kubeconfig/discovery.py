"""Finds KIC, Kong Gateway and a Gateway to attach to in a foreign cluster. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stickyconf.ports import DEPLOYMENT, GATEWAY, POD, SERVICE, Cluster, HarnessError, Kind, Rejected, Tempo
from stickyconf.targets.installation import KONG_TEMPO, NoTarget
from stickyconf.targets.kong import controller_container, is_on, setting

GATEWAY_CLASS = Kind("gateway.networking.k8s.io/v1", "GatewayClass")
KIC_CONTROLLER = "konghq.com/kic-gateway-controller"
UNMANAGED = "konghq.com/gatewayclass-unmanaged"
PUSHES_IN_A_HOLD = 10


@dataclass(frozen=True, slots=True)
class Found:
    """KIC and Kong as they are installed. Deployments and Services are names in ``namespace``."""

    namespace: str
    controller: str
    gateway: str
    proxy_service: str
    admin_service: str
    drain: bool
    tempo: Tempo
    versions: Mapping[str, str]


async def find_kong(cluster: Cluster, namespace: str, *, proxy_url: str = "", admin_url: str = "") -> Found:
    """Find KIC's Deployment in a namespace, and by its settings the Services of Kong's proxy and Admin API.

    A Service that KIC's settings do not name is "" if the address it would lead to is given. Raises NoTarget with what
    is missing and what to do.
    """
    deployments = await looked_up(cluster, DEPLOYMENT, namespace)
    kics = [one for one in deployments if controller_container(one) is not None]
    if len(kics) != 1:
        there = ", ".join(sorted(one["metadata"]["name"] for one in kics or deployments)) or "none"
        what = "several are KIC" if kics else "none is KIC"
        raise NoTarget(
            f"of the Deployments in namespace {namespace} {what} ({there}); say where it is: --kong-namespace"
        )
    kic = kics[0]
    container = controller_container(kic) or {}
    admin, proxy = (_service(container, name, namespace) for name in ("kong-admin-svc", "publish-service"))
    missing = [
        f"{flag} (give the address instead: {option} URL)"
        for flag, option, known in (
            ("--kong-admin-svc", "--admin-url", admin or admin_url),
            ("--publish-service", "--proxy-url", proxy or proxy_url),
        )
        if not known
    ]
    if missing:
        raise NoTarget(
            f"KIC ({namespace}/{kic['metadata']['name']}) names no Service of namespace {namespace} by"
            f" {' and '.join(missing)}"
        )
    backing = await _backing(cluster, namespace, proxy, deployments) if proxy else ""
    versions = {
        name: await _image(cluster, namespace, name, deployments) for name in (kic["metadata"]["name"], backing) if name
    }
    return Found(
        namespace=namespace,
        controller=kic["metadata"]["name"],
        gateway=backing,
        proxy_service=proxy,
        admin_service=admin,
        drain=is_on(container),
        tempo=_tempo(container),
        versions=versions,
    )


async def looked_up(cluster: Cluster, kind: Kind, namespace: str = "") -> list[dict[str, Any]]:
    """List objects; NoTarget if the cluster does not have the kind, does not answer or does not permit it."""
    try:
        return await cluster.list(kind, namespace)
    except Rejected as error:
        raise NoTarget(
            f"this context may not look up what the suite needs to know: {error.message};"
            " manifests/rbac.yaml has the permissions that suffice"
        ) from error
    except HarnessError as error:
        raise NoTarget(str(error)) from error


def _service(container: dict[str, Any], name: str, namespace: str) -> str:
    """Return the name of the Service that one of KIC's settings names ("namespace/name"); "" if it names none."""
    there, _, service = (setting(container, name) or "").rpartition("/")
    return service if there in ("", namespace) else ""


async def _backing(cluster: Cluster, namespace: str, service: str, deployments: list[dict[str, Any]]) -> str:
    """Return the Deployment whose pods a Service selects; "" if it is a DaemonSet, for example."""
    found = await cluster.get(SERVICE, service, namespace)
    if found is None:
        raise NoTarget(f"KIC publishes Service {namespace}/{service}, which does not exist")
    selector = found["spec"].get("selector") or {}
    for one in deployments:
        labels = (one["spec"]["template"].get("metadata") or {}).get("labels") or {}
        if selector and selector.items() <= labels.items():
            return str(one["metadata"]["name"])
    return ""


async def _image(cluster: Cluster, namespace: str, name: str, deployments: list[dict[str, Any]]) -> str:
    """Return image and, if a running pod tells it, digest of a Deployment's main container."""
    for one in deployments:
        if one["metadata"]["name"] != name:
            continue
        containers = one["spec"]["template"]["spec"]["containers"]
        container = controller_container(one) or next((c for c in containers if c["name"] == "proxy"), containers[0])
        labels = ",".join(f"{key}={value}" for key, value in one["spec"]["selector"].get("matchLabels", {}).items())
        for pod in await cluster.list(POD, namespace, labels):
            for status in (pod.get("status") or {}).get("containerStatuses") or ():
                digest = str(status.get("imageID", "")).partition("@")[2]
                if status["name"] == container["name"] and digest:
                    return f"{container['image']}@{digest}"
        return str(container["image"])
    return "unknown: it is no Deployment"


def _tempo(container: dict[str, Any]) -> Tempo:
    try:
        sync = float(setting(container, "proxy-sync-seconds") or KONG_TEMPO.sync)
    except ValueError as error:
        raise NoTarget(f"KIC's proxy-sync-seconds is no number: {error}") from error
    return held(sync, max(KONG_TEMPO.hold, PUSHES_IN_A_HOLD * sync))


def held(sync: float, hold: float) -> Tempo:
    """Return the tempo for a sync period and a hold, in seconds; the grace period is longer by as much as Kong's."""
    return Tempo(sync=sync, hold=hold, grace=hold + KONG_TEMPO.grace - KONG_TEMPO.hold)


async def find_gateway_class(cluster: Cluster, wanted: str | None) -> str | None:
    """Return the GatewayClass that KIC serves with the gateway there is: the wanted one, or the only one.

    None if there is none and none is wanted; NoTarget for a wanted one that KIC does not serve so, and for several.
    """
    classes = {
        one["metadata"]["name"]
        for one in await looked_up(cluster, GATEWAY_CLASS)
        if one["spec"].get("controllerName") == KIC_CONTROLLER
        and UNMANAGED in (one["metadata"].get("annotations") or {})
    }
    listed = ", ".join(sorted(classes)) or "none"
    if wanted and wanted not in classes:
        raise NoTarget(
            f"KIC serves no GatewayClass {wanted!r} (unmanaged, of {KIC_CONTROLLER}); those it serves: {listed}"
        )
    if not wanted and len(classes) > 1:
        raise NoTarget(f"KIC serves several GatewayClasses ({listed}); say which: --gateway-class NAME")
    return wanted or next(iter(classes), None)


async def find_gateway(cluster: Cluster, gateway_class: str) -> tuple[str, str] | None:
    """Return namespace and name of a Gateway of this class that takes HTTP routes of every namespace, or None."""
    for one in await looked_up(cluster, GATEWAY):
        if one["spec"].get("gatewayClassName") == gateway_class and any(map(_open, one["spec"].get("listeners") or ())):
            return one["metadata"]["namespace"], one["metadata"]["name"]
    return None


async def named_gateway(cluster: Cluster, namespace: str, name: str) -> tuple[str, str]:
    """Return the Gateway that was asked for; NoTarget if it is not there or takes no routes of other namespaces."""
    try:
        found = await cluster.get(GATEWAY, name, namespace)
    except (Rejected, HarnessError) as error:
        raise NoTarget(f"--parent-gateway {namespace}/{name}: {error}") from error
    if found is None:
        raise NoTarget(f"--parent-gateway {namespace}/{name}: there is no such Gateway")
    if not any(map(_open, found["spec"].get("listeners") or ())):
        raise NoTarget(
            f"--parent-gateway {namespace}/{name} has no HTTP listener for any host name that takes routes of every"
            " namespace (allowedRoutes.namespaces.from: All), so the suite's routes cannot attach"
        )
    return namespace, name


def _open(listener: dict[str, Any]) -> bool:
    routes = (listener.get("allowedRoutes") or {}).get("namespaces") or {}
    return listener.get("protocol") == "HTTP" and not listener.get("hostname") and routes.get("from") == "All"
