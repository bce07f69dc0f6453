"""What every way to get a cluster yields: where KIC and Kong are installed, for the ports to be put before them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from stickyconf.ports import Part, Tempo, Workload

KONG_TEMPO = Tempo(sync=3.0, hold=50.0, grace=65.0)
"""KIC pushes every 3 s by default; the hold leaves it time for sixteen pushes."""


class NoTarget(Exception):
    """The cluster cannot be had, or not used; the message is one line that says why and what to do."""


class BadOption(ValueError):
    """An option of a target cannot be what it is; the message is one line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release of controller or gateway: its image, and what its container's environment has to say besides."""

    image: str
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """KIC and Kong Gateway in a cluster, ready to serve.

    ``kubeconfig``, ``context``: how to reach the Kubernetes API; None is the kubeconfig's current context, which only
    a kubeconfig made for this run may mean. ``namespace``: where the Deployments ``controller`` and ``gateway`` and
    the Services ``proxy_service`` and ``admin_service`` are. ``parent``: namespace and name of the Gateway that the
    routes under test name. ``proxy_url``, ``admin_url``: addresses as this machine reaches them; None has them found
    in the cluster, the Admin API replica by replica. ``versions``: what is known already, part -> version; the rest
    is asked for. ``foreign``: the cluster belongs to somebody else: only what the run made is
    touched, and the controller is switched only if ``may_toggle_drain``. ``kept``: what to tell the user who asked to
    keep the cluster. ``direct_addresses``: addresses of pods and Services lead to this cluster from here, too; if they
    do not, they may be anybody's in this machine's networks, and nothing is sent to them.
    ``most_connections``: how many the way to the proxy carries at the same time; None is without a bound.
    ``workload``: image and pull secret of the echo pods. ``runs_images``: the cluster pulls that image and runs it,
    which is tried once before the first recording. ``releases``: the next ones, for upgrades. ``behind_no_service``: no
    Service leads to the gateway, so that connections go to its ready pods themselves, at the port of ``proxy_url``.
    ``tls_url``: an address of the proxy over TLS as this machine reaches it, "" if none is known.
    """

    target: str
    kubeconfig: Path
    tempo: Tempo
    context: str | None = None
    namespace: str = "kong"
    controller: str = "kong-controller"
    gateway: str = "kong-gateway"
    proxy_service: str = "kong-gateway-proxy"
    admin_service: str = "kong-gateway-admin"
    parent: tuple[str, str] = ("kong", "kong")
    proxy_url: str | None = None
    tls_url: str = ""
    admin_url: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    foreign: bool = False
    may_toggle_drain: bool = True
    kept: str = ""
    direct_addresses: bool = False
    most_connections: int | None = None
    workload: Workload = field(default_factory=Workload)
    runs_images: bool = True
    releases: Mapping[Part, Release] = field(default_factory=dict)
    behind_no_service: bool = False


class TargetOptions(Protocol):
    """A target's share of the command line: a module ``stickyconf.targets.<target>_options``."""

    def add_options(self, add: Callable[..., None]) -> None:
        """Register the target's own options with ``add``, which takes what pytest's ``addoption`` takes."""

    def check(self, option: Namespace) -> None:
        """Look at all options before anything starts; BadOption for what cannot be. Asked of the chosen target only."""
