"""What the embedded target adds to the command line."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from stickyconf.ports import Tempo
from stickyconf.targets import workload
from stickyconf.targets.installation import KONG_TEMPO, BadOption

MOST_WORKERS, LONGEST_LAG = 64, 60
DRAINED = ("served", "refused")
GATEWAYS = ("envoy", "haproxy", "python")
PACES = {
    "quick": Tempo(sync=0.2, hold=120.0, grace=140.0),
    "real": Tempo(sync=KONG_TEMPO.sync, hold=120.0, grace=140.0),
}


def add_options(add: Callable[..., None]) -> None:
    """Register the options."""
    add(
        "--gateway",
        default="envoy",
        help=f"what moves the embedded gateway's requests: {', '.join(GATEWAYS)} (default: envoy)",
    )
    add(
        "--gateway-version",
        default="",
        metavar="X.Y.Z",
        help="of the embedded cluster: the release of Kong Gateway that its stand-in says it is; before 3.11 it has no"
        " sticky sessions (default: 3.11.0.0)",
    )
    add(
        "--gateway-workers",
        type=int,
        default=1,
        metavar="N",
        help="of the embedded cluster: processes of the gateway that take connections, each with its own balancer"
        " (default: 1)",
    )
    add(
        "--worker-lag",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="of the embedded cluster: the last worker of the gateway acts on a configuration so long after the Admin"
        " API shows it, the others in between (default: 0)",
    )
    add(
        "--drained-sessions",
        default=DRAINED[0],
        help="of the embedded cluster: what becomes of sessions while every pod has weight 0: served or, as by Kong's"
        " open-source core, refused with 503 (default: served)",
    )
    add(
        "--node-pace",
        default="quick",
        help="of the embedded cluster: quick, or real, where pods end as slowly as on a real node and the controller"
        " looks every 3 s, as KIC does (default: quick)",
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
    workload.check(option)
    if option.gateway not in GATEWAYS:
        raise BadOption(f"no gateway is called {option.gateway!r}; there are: {', '.join(sorted(GATEWAYS))}")
    if option.gateway_version and not re.fullmatch(r"\d+(\.\d+){1,3}", option.gateway_version):
        raise BadOption(f"--gateway-version {option.gateway_version!r} is no release, such as 3.10.0")
    if not 1 <= option.gateway_workers <= MOST_WORKERS:
        raise BadOption(f"--gateway-workers {option.gateway_workers}: give a number from 1 to {MOST_WORKERS}")
    if option.gateway_workers > 1 and option.gateway == "haproxy":
        raise BadOption("--gateway-workers: HAProxy has one process here; use --gateway envoy or python")
    if not 0 <= option.worker_lag <= LONGEST_LAG:
        raise BadOption(f"--worker-lag {option.worker_lag:g}: give a number of seconds from 0 to {LONGEST_LAG}")
    if option.drained_sessions not in DRAINED:
        raise BadOption(f"--drained-sessions {option.drained_sessions!r}: they are {' or '.join(DRAINED)}")
    if option.node_pace not in PACES:
        raise BadOption(f"no pace is called {option.node_pace!r}; there are: {', '.join(sorted(PACES))}")


def tempo(option: Namespace, more: Sequence[str] = ()) -> Tempo:
    """Return how fast the cluster is meant to be, with ``more`` options of ``python -m embedded_cluster up``."""
    pace = PACES[option.node_pace]
    periods = [float(value) for name, value in pairwise(more) if name == "--sync-period"]
    return replace(pace, sync=periods[-1]) if periods else pace


def arguments(option: Namespace) -> list[str]:
    """Return what ``python -m embedded_cluster up`` is told of the options."""
    told = ["--gateway", option.gateway, "--node-pace", option.node_pace]
    if option.gateway_workers > 1:
        told += ["--gateway-workers", str(option.gateway_workers)]
    if option.worker_lag:
        told += ["--worker-lag", f"{option.worker_lag:g}"]
    if option.drained_sessions != DRAINED[0]:
        told += ["--drained-sessions", option.drained_sessions]
    if option.gateway_version:
        told += ["--gateway-version", option.gateway_version]
    if option.control_plane_assets:
        told += ["--control-plane-assets", option.control_plane_assets]
    if option.controller_binary:
        told += ["--controller-binary", option.controller_binary]
    told += [f"--controller-argument={flag}" for flag in option.controller_argument]
    if option.admin_url and option.proxy_url:
        told += ["--admin-url", option.admin_url, "--proxy-url", option.proxy_url]
    return told
