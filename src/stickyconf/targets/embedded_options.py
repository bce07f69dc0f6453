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


def check(option: Namespace) -> None:
    """Look at the options before anything starts; BadOption for what cannot be."""
    if option.gateway not in GATEWAYS:
        raise BadOption(f"no gateway is called {option.gateway!r}; there are: {', '.join(sorted(GATEWAYS))}")


def arguments(option: Namespace) -> list[str]:
    """Return what ``python -m stickyconf.embedded up`` is told of the options."""
    return ["--gateway", option.gateway]
