"""How a run was started by the command ``stickyconf run``: a pytest plugin that brings the suites."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stickyconf.shipped import project


class Command:
    """A pytest plugin that judges the suites that came with the package, unless other ones are named."""

    def __init__(self, given: Sequence[str]) -> None:
        """Take the arguments as they were given."""
        self.given = tuple(given)

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: pytest.Config, args: list[str]) -> None:
        """Add the suites to the arguments: pytest looks for them in the current folder otherwise."""
        known = early_config.known_args_namespace
        if not known.file_or_dir:
            suites = str(project() / "suites")
            args.append(suites)
            known.file_or_dir.append(suites)
