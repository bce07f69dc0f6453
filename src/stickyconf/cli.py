"""The command ``stickyconf``: what is installed is run as the checkout is, from any folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import pytest

import stickyconf
from stickyconf.command import Command
from stickyconf.shipped import is_installed, project

COMMANDS = {
    "run": "judge a cluster; takes the options of pytest and of the suite: stickyconf run --help",
    "report": "build the site of runs, compare two, publish one: stickyconf report --help",
    "releases": "what is known of releases, and what is new: stickyconf releases --help",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the first argument says, with the others; return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    chosen = _parser().parse_args(given[:1])
    match chosen.command:
        case "run":
            return _run(given[1:])
        case "report":
            from stickyconf import report  # each brings what the others do not need

            return report.main(given[1:])
        case _:
            from stickyconf.releases import __main__ as releases

            return releases.main(given[1:])


def _run(given: list[str]) -> int:
    # Imported before pytest looks: nothing in the package asserts, so there is nothing to rewrite.
    quiet = ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
    own = ["-c", str(project() / "pyproject.toml"), "--rootdir", str(project()), *quiet]
    if is_installed():
        own += ["-p", "no:cacheprovider"]  # an installed package is no place to write to
    return int(pytest.main([*own, *given], plugins=[Command(given)]))


def _parser() -> argparse.ArgumentParser:
    told = "\n".join(f"  {name:<10}{what}" for name, what in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="stickyconf",
        description=stickyconf.__doc__,
        epilog=f"commands:\n{told}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"stickyconf {stickyconf.__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    return parser


if __name__ == "__main__":
    sys.exit(main())
