"""What the embedded target adds to the command line."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable

from stickyconf.targets.installation import BadOption

GATEWAYS = ("envoy", "haproxy", "python")


def add_options(add: Callable[..., None]) -> None:
    """Register the options."""
    add(
        "--gateway",
        default="envoy",
        help=f"what moves the embedded gateway's requests: {', '.join(GATEWAYS)} (default: envoy)",
    )
    add(
        "--control-plane-assets",
        metavar="DIR",
        help="run etcd and kube-apiserver (and kube-controller-manager, if there) from DIR in the embedded cluster",
    )
    add("--controller-binary", metavar="FILE", help="run this KIC in the embedded cluster instead of the stand-in")
    add(
        "--controller-argument",
        action="append",
        default=[],
        metavar="FLAG",
        help="a flag for that KIC, such as --controller-argument=--log-level=debug (repeatable)",
    )


def check(option: Namespace) -> None:
    """Look at the options before anything starts; BadOption for what cannot be."""
    if option.gateway not in GATEWAYS:
        raise BadOption(f"no gateway is called {option.gateway!r}; there are: {', '.join(sorted(GATEWAYS))}")


def arguments(option: Namespace) -> list[str]:
    """Return what ``python -m embedded_cluster up`` is told of the options."""
    told = ["--gateway", option.gateway]
    if option.control_plane_assets:
        told += ["--control-plane-assets", option.control_plane_assets]
    if option.controller_binary:
        told += ["--controller-binary", option.controller_binary]
    told += [f"--controller-argument={flag}" for flag in option.controller_argument]
    if option.admin_url and option.proxy_url:
        told += ["--admin-url", option.admin_url, "--proxy-url", option.proxy_url]
    return told
