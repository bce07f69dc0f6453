"""What the kubeconfig target adds to the command line. ``--kubeconfig`` itself is pytest-kind's, and read here."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Callable

from stickyconf.shipped import is_installed
from stickyconf.targets import workload
from stickyconf.targets.contexts import kubeconfig_files, only_context
from stickyconf.targets.installation import BadOption

SHORTEST_HOLD, LONGEST_HOLD = 10.0, 600.0
KONG_NAMESPACE = "kong"


def add_options(add: Callable[..., None]) -> None:
    """Register the options, and with them those of the echo workload, which every target has."""
    workload.add_options(add)
    add("--context", metavar="NAME", help="--target kubeconfig: the context to use; the current one is never taken")
    add(
        "--kong-namespace",
        default=KONG_NAMESPACE,
        metavar="NS",
        help="where KIC and Kong are installed (default: kong)",
    )
    add("--gateway-class", metavar="NAME", help="the GatewayClass to use, if KIC serves several")
    add("--parent-gateway", metavar="NS/NAME", help="the Gateway that the routes under test name, instead of one found")
    add(
        "--install-gatewayclass",
        action="store_true",
        help="if there is no GatewayClass of KIC's: create one for this run, the only thing outside its namespaces",
    )
    add(
        "--may-toggle-drain",
        action="store_true",
        help="switch KIC's drain support as the cases need it, which restarts KIC, and put it back in the end",
    )
    add(
        "--hold",
        type=float,
        metavar="SECONDS",
        help="how long a deleted echo pod serves on if it is not released; more for a cluster or a machine that is"
        " slow (default: 30, or ten of KIC's sync periods)",
    )
    add(
        "--direct-addresses",
        action="store_true",
        help="addresses of the cluster's pods and Services lead to it from this machine, so try them; without this"
        " option nothing is sent to them, because this machine's networks may use the same ones for other machines",
    )
    add("--cleanup", metavar="RUN-ID", help="remove what a killed run left on the cluster of --context, and end")


def check(option: Namespace) -> None:
    """Look at the options before anything starts; BadOption for what cannot be."""
    workload.check(option)
    if not option.context:
        files = ", ".join(str(file) for file in kubeconfig_files(option.kubeconfig))
        raise BadOption(
            "--target kubeconfig needs --context NAME: the suite takes no cluster that was not named"
            f" (kubectl config get-contexts lists those of {files})"
        )
    only_context(kubeconfig_files(option.kubeconfig), option.context)
    if option.hold is not None and not SHORTEST_HOLD <= option.hold <= LONGEST_HOLD:
        raise BadOption(f"--hold {option.hold:g}: give seconds from {SHORTEST_HOLD:g} to {LONGEST_HOLD:g}")
    if option.parent_gateway and not all(option.parent_gateway.partition("/")):
        raise BadOption(f"--parent-gateway {option.parent_gateway} is not NAMESPACE/NAME")
    if option.parent_gateway and (option.install_gatewayclass or option.gateway_class):
        raise BadOption(
            "--parent-gateway already says which Gateway; leave out --gateway-class, --install-gatewayclass"
        )


def cleanup_command(option: Namespace, run: str) -> str:
    """Return the command that removes what a run left on the cluster, as a shell takes it."""
    words = ["stickyconf", "run"] if is_installed() else ["pytest", "-c", "pyproject.toml"]
    words += ["--target", "kubeconfig"]
    if option.kubeconfig:
        words += ["--kubeconfig", str(option.kubeconfig)]
    words += ["--context", option.context]
    if option.kong_namespace != KONG_NAMESPACE:
        words += ["--kong-namespace", option.kong_namespace]
    return shlex.join([*words, "--cleanup", run])
