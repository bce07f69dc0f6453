"""What the kind target adds to the command line, and what it looks at before anything starts."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime

from stickyconf.releases.known import known
from stickyconf.targets import workload
from stickyconf.targets.installation import BadOption, NoTarget
from stickyconf.targets.kind.downloads import MIRROR
from stickyconf.targets.kind.kongmanifest import REPLICAS, ROUTER_FLAVORS, WORKER_PROCESSES
from stickyconf.targets.kind.konnect import ADDRESS
from stickyconf.targets.kind.licence import read_licence
from stickyconf.targets.kind.preflight import preflight
from stickyconf.targets.kind.settings import VARIABLES, settings


def add_options(add: Callable[..., None]) -> None:
    """Register the options. --cluster-name and --kind-bin are pytest-kind's; two more of its get shorter names here."""

    def option(name: str, what: str, default: object, **more: object) -> None:
        variable = VARIABLES[str(more.get("dest", name.lstrip("-").replace("-", "_")))]
        add(name, help=f"kind: {what} [{variable}] (default: {default})", **more)

    option("--node-image", "the nodes' image, as --kind-image", "kind's own", metavar="IMAGE", dest="kind_image")
    option("--kubectl-bin", "as --kind-kubectl-bin", "kubectl on PATH", metavar="PATH", dest="kind_kubectl_bin")

    defaults = known().defaults
    option("--kong-image", "the gateway's image", known().kong_image, metavar="IMAGE")
    option("--kic-version", "version of KIC's manifest, and of its image", defaults.kic, metavar="VERSION")
    option("--kic-manifest", "another manifest of KIC: a file or an address", "of --kic-version", metavar="FILE|URL")
    option("--kic-image", "another image of KIC, for example a nightly", "that of --kic-version", metavar="IMAGE")
    option("--gateway-api-version", "of its definitions", defaults.gateway_api, metavar="VERSION")
    option("--kong-license-file", "Kong's licence", "the content of KONG_LICENSE_DATA", metavar="FILE")
    option("--kong-router-flavor", ", ".join(ROUTER_FLAVORS), known().gateway.router_flavor, metavar="FLAVOR")
    option("--kong-replicas", "gateway pods", REPLICAS, metavar="N")
    option("--kong-workers", "worker processes of each gateway pod", WORKER_PROCESSES, metavar="N")
    option("--upgrade-kic", "the release that KIC is upgraded to under traffic", "no upgrade", metavar="VERSION")
    option("--upgrade-kong", "the image that the gateway is upgraded to under traffic", "no upgrade", metavar="IMAGE")
    option("--konnect-control-plane", "id of a control plane of Konnect that KIC reports to", "none", metavar="ID")
    option("--konnect-address", "where Konnect is", ADDRESS, metavar="URL")
    option("--konnect-cert", "KIC's client certificate for it", "none", metavar="FILE")
    option("--konnect-key", "the private key of that certificate", "none", metavar="FILE")
    option("--preload-images", "load the image archives (*.tar) in DIR into the node", "none", metavar="DIR")
    option("--proxy-port", "this machine's port for the gateway", "one that is free", metavar="PORT")
    option("--manifest-cache", "where downloaded manifests are kept", "~/.cache/stickyconf", metavar="DIR")
    option("--manifest-mirror", "where they come from, laid out as the default is", MIRROR, metavar="URL")


def check(option: Namespace) -> None:
    """Look at the options, the licence and this machine before anything starts; BadOption for what cannot be."""
    workload.check(option)
    chosen = settings(option)
    read_licence(chosen.licence_file, datetime.now(UTC).date())
    if option.rejudge or option.collectonly:
        return  # no cluster will be made
    try:
        preflight(chosen)
    except NoTarget as error:
        raise BadOption(str(error)) from error
