"""What was asked of the kind target: on the command line, else in the environment, else by default."""

from __future__ import annotations

import os
import platform
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from stickyconf.releases.known import is_version, known
from stickyconf.targets.installation import BadOption
from stickyconf.targets.kind.downloads import MIRROR, Store, default_cache
from stickyconf.targets.kind.kongmanifest import (
    REPLICAS,
    ROUTER_FLAVORS,
    WORKER_PROCESSES,
    Setup,
)
from stickyconf.targets.kind.konnect import read_konnect
from stickyconf.targets.kind.licence import gateway_version, is_from

# Option -> environment variable. The first four options are pytest-kind's; they are read here, not registered.
VARIABLES = {
    "cluster_name": "KIND_CLUSTER_NAME",
    "kind_bin": "KIND_BIN",
    "kind_kubectl_bin": "KUBECTL_BIN",
    "kind_image": "KIND_NODE_IMAGE",
    "kong_image": "KONG_IMAGE",
    "kic_version": "KIC_VERSION",
    "kic_manifest": "KIC_MANIFEST",
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
    "upgrade_kic": "UPGRADE_KIC",
    "upgrade_kong": "UPGRADE_KONG",
    "konnect_control_plane": "KONNECT_CONTROL_PLANE",
    "konnect_address": "KONNECT_ADDRESS",
    "konnect_cert": "KONNECT_CERT_FILE",
    "konnect_key": "KONNECT_KEY_FILE",
}
_THEIR_DEFAULT_NAME = "pytest-kind"
_ARCHITECTURES = {"x86_64", "amd64", "aarch64", "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KindSettings:
    """What was asked of the kind target. ``name`` is "" if the cluster is to be called after the run.

    ``kic_manifest``: a file or an address, "" if it is the one that belongs to ``kic_version``.
    """

    name: str
    keep: bool
    kubeconfig: Path | None
    node_image: str
    kind: str
    kubectl: str
    kic_version: str
    kic_manifest: str
    gateway_api_version: str
    setup: Setup
    licence_file: Path | None
    archives: tuple[Path, ...]
    proxy_port: int | None
    store: Store
    echo_image: str = ""
    upgrade_kic: str = ""
    """The image that the controller is upgraded to; "" if it is not."""
    upgrade_kong: str = ""
    """The image that the gateway is upgraded to; "" if it is not."""


def settings(option: Namespace, environ: Mapping[str, str] = os.environ) -> KindSettings:
    """Return what the command line says, else the environment, else the defaults; BadOption for what cannot be."""

    def given(name: str, default: str = "") -> str:
        return str(getattr(option, name, None) or environ.get(VARIABLES[name]) or default)

    if platform.machine().lower() not in _ARCHITECTURES:
        raise BadOption(f"--target kind: the images exist for amd64 and arm64, not for {platform.machine()}")
    name = given("cluster_name")
    if name == _THEIR_DEFAULT_NAME:  # pytest-kind's own default: one name for everybody would make runs collide
        name = environ.get(VARIABLES["cluster_name"], "")
    defaults, rules = known().defaults, known().gateway
    kic = _version("--kic-version", given("kic_version", defaults.kic))
    if Version(kic) < Version(known().kic.sticky_sessions_since):
        raise BadOption(f"--kic-version {kic}: sticky sessions are in {known().kic.sticky_sessions_since} and later")
    flavor = given("kong_router_flavor", rules.router_flavor)
    if flavor not in ROUTER_FLAVORS:
        raise BadOption(f"--kong-router-flavor {flavor}: there are: {', '.join(ROUTER_FLAVORS)}")
    image = given("kong_image", known().kong_image)
    version = gateway_version(image)
    if "distroless" in image.rpartition(":")[2] and (version is None or is_from(version, rules.shell_missing_from)):
        raise BadOption(
            f"--kong-image {image}: KIC's manifest runs a shell in it, which it has not; give a tag with -ubuntu"
        )
    file, port = given("kong_license_file"), given("proxy_port")
    newer = given("upgrade_kic")
    cache = given("manifest_cache")
    return KindSettings(
        name=name,
        keep=bool(getattr(option, "keep_cluster", False)),
        kubeconfig=Path(option.kubeconfig).absolute() if getattr(option, "kubeconfig", None) else None,
        node_image=given("kind_image"),
        kind=given("kind_bin", "kind"),
        kubectl=given("kind_kubectl_bin", "kubectl"),
        kic_version=kic,
        kic_manifest=given("kic_manifest"),
        gateway_api_version=_version("--gateway-api-version", given("gateway_api_version", defaults.gateway_api)),
        setup=Setup(
            kong_image=image,
            kic_image=given("kic_image", f"{known().kic.image}:{kic}"),
            replicas=_number("--kong-replicas", given("kong_replicas", str(REPLICAS)), 20),
            workers=_number("--kong-workers", given("kong_workers", str(WORKER_PROCESSES)), 128),
            router_flavor=flavor,
            konnect=read_konnect(*(given(f"konnect_{part}") for part in ("control_plane", "address", "cert", "key"))),
        ),
        licence_file=Path(file) if file else None,
        archives=_archives(given("preload_images")),
        proxy_port=_number("--proxy-port", port, 65535) if port else None,
        store=Store(Path(cache).absolute() if cache else default_cache(), given("manifest_mirror", MIRROR)),
        echo_image=getattr(option, "echo_image", None) or "",
        upgrade_kic=f"{known().kic.image}:{_version('--upgrade-kic', newer)}" if newer else "",
        upgrade_kong=given("upgrade_kong"),
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


def _version(option: str, text: str) -> str:
    version = text.removeprefix("v")
    if not is_version(version):
        raise BadOption(f"{option} {text}: that is no version; give one like 3.5.13 or 3.6.0-rc.1")
    return version
