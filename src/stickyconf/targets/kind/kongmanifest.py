"""What is installed: which files of Gateway API and KIC, and what is changed in them. Plain data in and out."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from stickyconf.ports import Manifest
from stickyconf.targets.installation import NoTarget
from stickyconf.targets.kind.downloads import Pinned
from stickyconf.targets.kind.licence import KEY, SECRET, VARIABLE

NAMESPACE = "kong"
CONTROLLER, GATEWAY, PROXY, ADMIN = "ingress-kong", "proxy-kong", "kong-proxy", "kong-admin"
"""Deployments and Services as KIC's all-in-one manifest calls them."""

NODE_PORT = 30080
ROUTER_FLAVORS = ("traditional", "traditional_compatible", "expressions")
ROUTER_FLAVOR, REPLICAS, WORKER_PROCESSES = "traditional", 1, 2
"""What is installed unless asked otherwise: the flavour is that of Kong's Helm chart, which the how-tos install."""

DRAIN_SUPPORT, WORKERS, FLAVOR = "CONTROLLER_ENABLE_DRAIN_SUPPORT", "KONG_NGINX_WORKER_PROCESSES", "KONG_ROUTER_FLAVOR"

# The manifest is the same file at every tag of 3.5: it names no exact images, we do.
_KIC_3_5 = "7aa7ecfae39eb0fa55b512f1854feb87db41a9c497147581ac59ab2b0db275e8"
KIC_MANIFESTS = {
    f"3.5.{patch}": Pinned(
        f"Kong/kubernetes-ingress-controller/v3.5.{patch}/test/e2e/manifests/all-in-one-dbless-k4k8s-enterprise.yaml",
        _KIC_3_5,
    )
    for patch in range(14)
}
_GATEWAY_API_SUMS = {
    "1.0.0": {
        "gatewayclasses": "7302c9c63a1dd4e2f4049a29be710f351c541a29fd932d0142d2ddaa575b60fe",
        "gateways": "ee684797545aa85320701bc0d3d7c29a584d2db791861a6d69831de4287c2e94",
        "httproutes": "8381f2ef81b047e830f8310c1b465f078d809a526db0136390f92da5b75afdf7",
        "referencegrants": "057a30a28b784f8c2f2a4bbb43116a0dd72a3f94c1c27df39d00f49592c8bc7e",
    },
    "1.1.0": {
        "gatewayclasses": "71f2e2a48bc92db168e38c2dd0e5cdd2cc5ef3076d1b99bfebee2af5dabd2bfc",
        "gateways": "25ee30554ca93d1455c7f49e8f38aee4ce9c5979aebbfea4d3de18f07a28d178",
        "grpcroutes": "626087f1acc769c3b1959b146e78340aa89823f6e0163af0cd4b2f05de758d41",
        "httproutes": "dc39c983190f5de9ed0583139314cb69f9543d33719402182470b5fb5dbe411d",
        "referencegrants": "9641ed60b1912277e8d17fabe2e46ddc4911adafd8d91aee45864a5220efda32",
    },
    "1.2.1": {
        "gatewayclasses": "f0dcbdd9fb49b4562dad27ceec96078b3846611708464120598949cd2ab1e765",
        "gateways": "9aea7ae080dfe9c25a814d3d14eed28f335d28de3cbdc00a0351e0e99cb3bf06",
        "grpcroutes": "8a705983343eabcb72c5bbfc2c090eed87b46763e2f6c67bd6b45552fcd5cc94",
        "httproutes": "db36230a2f54ca3f1733bebc9d303d4db16c958856bf2be941a2c6269b872014",
        "referencegrants": "d22a9164ae9ec443438dd3aaca7fb056d3264d76c880d949a1e6b2661ecb4234",
    },
    "1.3.0": {
        "gatewayclasses": "7c8ee2c1878d9dcc6ba106181e3d14d7eaa520ec070233d62f3aa0d674d19450",
        "gateways": "c949e7c3951227b92a582817a7a660558ce0fb94c081da264b4e2bbe4a1e5387",
        "grpcroutes": "5867279c3cfd77377fe7e9255b22751f17592242b9b5e7485c74b13b268d13c5",
        "httproutes": "a4ecf600c7e0bfd3cdb24e6411938d9b330117a26675f303cc6d9a407cb257d1",
        "referencegrants": "7587b2e7e5b1b9a26717b3ef8142f64e6600637eadf481a6bd0031740644b495",
    },
}
GATEWAY_API = {
    version: tuple(
        Pinned(
            f"kubernetes-sigs/gateway-api/v{version}/config/crd/standard/gateway.networking.k8s.io_{plural}.yaml",
            digest,
        )
        for plural, digest in sums.items()
    )
    for version, sums in _GATEWAY_API_SUMS.items()
}
"""The standard channel's definitions, by version: those that KIC 3.5 supports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is asked of the installation; all but the images can change while it runs."""

    kong_image: str
    kic_image: str
    drain_support: bool = False
    replicas: int = REPLICAS
    workers: int = WORKER_PROCESSES
    router_flavor: str = ROUTER_FLAVOR

    def controller_env(self) -> dict[str, str]:
        """Return what the controller's environment must say."""
        return {
            DRAIN_SUPPORT: str(self.drain_support).lower(),
            "CONTROLLER_PROXY_SYNC_SECONDS": "3",
            "CONTROLLER_ANONYMOUS_REPORTS": "false",
        }

    def gateway_env(self) -> dict[str, str]:
        """Return what the gateway's environment must say."""
        return {
            WORKERS: str(self.workers),
            FLAVOR: self.router_flavor,  # Helm's and the manifest's defaults differ, so it is never left to either
            "KONG_ANONYMOUS_REPORTS": "off",
        }


def documents(texts: Iterable[bytes]) -> list[dict[str, Any]]:
    """Return the objects in YAML texts; NoTarget where one is no YAML."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the definitions are long, and the other takes seconds
    try:
        return [document for text in texts for document in yaml.load_all(text, loader) if document]
    except yaml.YAMLError as error:
        raise NoTarget(f"a manifest is no YAML: {error}") from error


def patched(manifest: Iterable[Manifest], setup: Setup, *, licensed: bool) -> list[Manifest]:
    """Return KIC's all-in-one objects changed for a test cluster as ``setup`` says, in the order given.

    ``licensed``: there is a Secret with a licence; without one the reference to it goes, which would keep the gateway
    from starting. NoTarget where an object that has to be changed is not there: then the manifest is another one.
    """
    objects = [copy.deepcopy(dict(item)) for item in manifest]
    controller = _the(objects, "Deployment", CONTROLLER)
    # Two controllers must never push at the same time, so a change of settings stops the old one first.
    controller["spec"]["strategy"] = {"type": "Recreate"}
    [container] = controller["spec"]["template"]["spec"]["containers"]
    container["image"] = setup.kic_image
    container["env"] = with_env(container, setup.controller_env())

    gateway = _the(objects, "Deployment", GATEWAY)
    gateway["spec"]["replicas"] = setup.replicas
    pod = gateway["spec"]["template"]["spec"]
    pod.pop("imagePullSecrets", None)  # the images are public, and a missing Secret is warned about for ever
    [container] = pod["containers"]
    container["image"] = setup.kong_image
    env = [item for item in container["env"] if item["name"] != VARIABLE]
    if licensed:
        env.append({"name": VARIABLE, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": KEY}}})
    container["env"] = with_env({"env": env}, setup.gateway_env())

    proxy = _the(objects, "Service", PROXY)
    proxy["spec"]["type"] = "NodePort"  # nothing here balances load, and KIC waits for such an address for ever
    [http] = [port for port in proxy["spec"]["ports"] if port["port"] == 80]
    http["nodePort"] = NODE_PORT

    admin = _the(objects, "Service", ADMIN)
    if admin["spec"].get("clusterIP") != "None" or not any(
        "admin-tls" in port["name"] for port in admin["spec"]["ports"]
    ):
        raise NoTarget(
            f"Service {ADMIN} of the manifest is not headless with a port admin-tls: KIC would find no gateway"
        )
    return list(objects)


def with_env(container: Mapping[str, Any], values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a container's environment with these variables set, and the others as they were."""
    others = [dict(item) for item in container.get("env") or () if item["name"] not in values]
    return others + [{"name": name, "value": value} for name, value in values.items()]


def _the(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    for item in objects:
        if item["kind"] == kind and item["metadata"]["name"] == name:
            return item
    raise NoTarget(f"KIC's manifest has no {kind} {name}: it is not the all-in-one manifest that this suite knows")
