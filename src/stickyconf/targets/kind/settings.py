"""What was asked of the kind target: on the command line, else in the environment, else by default."""

from __future__ import annotations

import os
import platform
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stickyconf.targets.installation import BadOption
from stickyconf.targets.kind.downloads import MIRROR, Store, default_cache
from stickyconf.targets.kind.kongmanifest import (
    GATEWAY_API,
    KIC_MANIFESTS,
    REPLICAS,
    ROUTER_FLAVOR,
    ROUTER_FLAVORS,
    WORKER_PROCESSES,
    Setup,
)
from stickyconf.targets.kind.licence import gateway_version

KONG_IMAGE = "kong/kong-gateway:3.11.0.14"
KIC_VERSION = "3.5.13"
GATEWAY_API_VERSION = "1.3.0"

# Option -> environment variable. The first four options are pytest-kind's; they are read here, not registered.
VARIABLES = {
    "cluster_name": "KIND_CLUSTER_NAME",
    "kind_bin": "KIND_BIN",
    "kind_kubectl_bin": "KUBECTL_BIN",
    "kind_image": "KIND_NODE_IMAGE",
    "kong_image": "KONG_IMAGE",
    "kic_version": "KIC_VERSION",
    "kic_image": "KIC_IMAGE",
    "gateway_api_version": "GATEWAY_API_VERSION",
    "kong_license_file": "KONG_LICENSE_FILE",
    "kong_router_flavor": "KONG_ROUTER_FLAVOR",
    "kong_replicas": "KONG_REPLICAS",
    "kong_workers": "KONG_WORKERS",
    "preload_images": "PRELOAD_IMAGES",
    "proxy_port": "KIND_PROXY_PORT",
    "manifest_cache": "MANIFEST_CACHE",
    "manifest_mirror": "MANIFEST_MIRROR",
}
_THEIR_DEFAULT_NAME = "pytest-kind"
_ARCHITECTURES = {"x86_64", "amd64", "aarch64", "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KindSettings:
    """What was asked of the kind target. ``name`` is "" where the cluster is to be called after the run."""

    name: str
    keep: bool
    kubeconfig: Path | None
    node_image: str
    kind: str
    kubectl: str
    kic_version: str
    gateway_api_version: str
    setup: Setup
    licence_file: Path | None
    archives: tuple[Path, ...]
    proxy_port: int | None
    store: Store


def settings(option: Namespace, environ: Mapping[str, str] = os.environ) -> KindSettings:
    """Return what the command line says, else the environment, else the defaults; BadOption for what cannot be."""

    def given(name: str, default: str = "") -> str:
        return str(getattr(option, name, None) or environ.get(VARIABLES[name]) or default)

    if platform.machine().lower() not in _ARCHITECTURES:
        raise BadOption(f"--target kind: the images exist for amd64 and arm64, not for {platform.machine()}")
    name = given("cluster_name")
    if name == _THEIR_DEFAULT_NAME:  # pytest-kind's own default: one name for everybody would make runs collide
        name = environ.get(VARIABLES["cluster_name"], "")
    kic = given("kic_version", KIC_VERSION).removeprefix("v")
    _known("--kic-version", kic, KIC_MANIFESTS)
    api = given("gateway_api_version", GATEWAY_API_VERSION).removeprefix("v")
    _known("--gateway-api-version", api, GATEWAY_API)
    flavor = given("kong_router_flavor", ROUTER_FLAVOR)
    _known("--kong-router-flavor", flavor, ROUTER_FLAVORS)
    image = given("kong_image", KONG_IMAGE)
    if "distroless" in image.rpartition(":")[2] and (gateway_version(image) or (3, 15)) >= (3, 15):
        raise BadOption(
            f"--kong-image {image}: KIC's manifest runs a shell in it, which it has not; give a tag with -ubuntu"
        )
    file, port = given("kong_license_file"), given("proxy_port")
    cache = given("manifest_cache")
    return KindSettings(
        name=name,
        keep=bool(getattr(option, "keep_cluster", False)),
        kubeconfig=Path(option.kubeconfig).absolute() if getattr(option, "kubeconfig", None) else None,
        node_image=given("kind_image"),
        kind=given("kind_bin", "kind"),
        kubectl=given("kind_kubectl_bin", "kubectl"),
        kic_version=kic,
        gateway_api_version=api,
        setup=Setup(
            kong_image=image,
            kic_image=given("kic_image", f"kong/kubernetes-ingress-controller:{kic}"),
            replicas=_number("--kong-replicas", given("kong_replicas", str(REPLICAS)), 20),
            workers=_number("--kong-workers", given("kong_workers", str(WORKER_PROCESSES)), 128),
            router_flavor=flavor,
        ),
        licence_file=Path(file) if file else None,
        archives=_archives(given("preload_images")),
        proxy_port=_number("--proxy-port", port, 65535) if port else None,
        store=Store(Path(cache).absolute() if cache else default_cache(), given("manifest_mirror", MIRROR)),
    )


def _archives(directory: str) -> tuple[Path, ...]:
    if not directory:
        return ()
    found = tuple(sorted(Path(directory).absolute().glob("*.tar")))
    if not found:
        raise BadOption(
            f"--preload-images {directory}: there is no *.tar in it; make one: docker save IMAGE -o NAME.tar"
        )
    return found


def _number(option: str, text: str, most: int) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise BadOption(f"{option} {text}: give a whole number from 1 to {most}")
    return int(text)


def _known(option: str, given: str, known: Mapping[str, object] | tuple[str, ...]) -> None:
    if given not in known:
        raise BadOption(f"{option} {given}: no checksum or setting is known for it; there are: {', '.join(known)}")
