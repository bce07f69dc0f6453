"""A small Kubernetes-shaped cluster of real processes on loopback, with a gateway that has sticky sessions."""

import argparse
import contextlib
import re
import sys
from pathlib import Path

from embedded_cluster.gateway.declarative import DRAINED, SERVED
from embedded_cluster.gateway.planes import PLANES
from embedded_cluster.node.pace import PACES
from embedded_cluster.supervisor import Options, supervise

_PARTS = """\
the parts, each of which can also be started by itself (see its --help):
  python -m embedded_cluster.apiserver     the Kubernetes API, in memory
  python -m embedded_cluster.controllers   Deployment, ReplicaSet, EndpointSlice, namespaces, garbage collection
  python -m embedded_cluster.node          runs pods as processes of this machine
  python -m embedded_cluster.ingress       stand-in for Kong Ingress Controller (runs as a pod)
  python -m embedded_cluster.gateway       stand-in for Kong Gateway (runs as a pod)
"""


def _hook(text: str) -> tuple[str, str]:
    role, _, function = text.partition("=")
    module, _, name = function.partition(":")
    if role not in ("gateway", "controller", "crds") or not module or not name:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not gateway=MODULE:FUNCTION or controller=MODULE:FUNCTION, nor is it crds=MODULE:FUNCTION"
        )
    return role, function


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of replicas")
    return number


def _release(text: str) -> str:
    if not re.fullmatch(r"\d+(\.\d+){1,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no release, such as 3.10.0")
    return text


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 3600:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds between 0 and 3600")
    return seconds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m embedded_cluster",
        description=__doc__,
        epilog=_PARTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    up = commands.add_parser(
        "up",
        help="start a cluster, say where it is, and stop it in the end",
        description="Start a cluster and stay in the foreground. Ctrl-C, SIGTERM or the failure of a part stops all"
        " of it; exit status 1 says that a part failed, 2 that the cluster cannot run here.",
    )
    up.add_argument(
        "--dir", type=Path, metavar="DIR", help="keep kubeconfig, logs and pods here (default: a temporary one)"
    )
    up.add_argument(
        "--sync-period",
        type=_seconds,
        default=0.2,
        metavar="SECONDS",
        help="of the controller (default: %(default)s; Kong's is 3)",
    )
    up.add_argument(
        "--node-pace",
        choices=PACES,
        default="quick",
        help="at which pods end: at once, or as on a real node, with --sync-period 3 (default: %(default)s)",
    )
    up.add_argument("--drain-support", action="store_true", help="start the controller with drain support on")
    up.add_argument(
        "--gateway", choices=PLANES, default="envoy", help="what moves the gateway's requests (default: %(default)s)"
    )
    up.add_argument(
        "--gateway-version",
        type=_release,
        metavar="X.Y.Z",
        help="the release of Kong Gateway that the stand-in says it is; before 3.11 it has no sticky sessions",
    )
    up.add_argument("--gateway-replicas", type=_positive, default=1, metavar="N", help="default: %(default)s")
    up.add_argument(
        "--balancer",
        action="store_true",
        help="let clients reach the gateway's replicas through a balancer, which gives each connection to one of them",
    )
    up.add_argument(
        "--gateway-workers",
        type=_positive,
        default=1,
        metavar="N",
        help="processes of each replica that take connections, each with its own balancer (default: %(default)s)",
    )
    up.add_argument(
        "--worker-lag",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help="the last worker acts on a configuration so long after the Admin API shows it, the others sooner",
    )
    up.add_argument(
        "--drained-sessions",
        choices=DRAINED,
        default=SERVED,
        help="what sessions get while every target of their upstream has weight 0 (default: %(default)s)",
    )
    up.add_argument(
        "--hook",
        type=_hook,
        action="append",
        default=[],
        metavar="PART=MODULE:FUNCTION",
        help="have gateway or controller call a function before it applies a configuration, or have one change the"
        " definitions (crds) before they are created; once for each",
    )
    real = up.add_argument_group("real parts", "in the place of the stand-ins; see docs/embedded-cluster.md")
    real.add_argument(
        "--control-plane-assets",
        type=Path,
        metavar="DIR",
        help="run etcd and kube-apiserver from DIR, and kube-controller-manager if it is there",
    )
    real.add_argument("--controller-binary", type=Path, metavar="FILE", help="run this KIC instead of the stand-in")
    real.add_argument(
        "--controller-argument",
        action="append",
        default=[],
        metavar="FLAG",
        help="a flag for that KIC, such as --controller-argument=--log-level=debug (repeatable)",
    )
    real.add_argument("--admin-url", default="", metavar="URL", help="Admin API of a gateway that runs already, and")
    real.add_argument("--proxy-url", default="", metavar="URL", help="its proxy: the cluster then has none of its own")
    up.add_argument("--bare", action="store_true", help="no definitions, no gateway, no controller: just the cluster")
    up.add_argument("--json", action="store_true", help="say where the cluster is in one line of JSON")
    up.add_argument("--stdin-lifeline", action="store_true", help="stop at the end of standard input, too")
    up.add_argument("--audit", type=Path, metavar="FILE", help="write one line of JSON per API request")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    return supervise(
        Options(
            directory=options.dir,
            bare=options.bare,
            sync_period=options.sync_period,
            node_pace=options.node_pace,
            drain_support=options.drain_support,
            gateway=options.gateway,
            gateway_version=options.gateway_version or "",
            gateway_replicas=options.gateway_replicas,
            gateway_workers=options.gateway_workers,
            worker_lag=options.worker_lag,
            drained_sessions=options.drained_sessions,
            balancer=options.balancer,
            hooks=dict(options.hook),
            as_json=options.json,
            stdin_lifeline=options.stdin_lifeline,
            audit=options.audit,
            assets=options.control_plane_assets,
            controller=options.controller_binary,
            controller_arguments=tuple(options.controller_argument),
            proxy_url=options.proxy_url,
            admin_url=options.admin_url,
        )
    )


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):  # before anything was started
        sys.exit(main())
    sys.exit(130)
