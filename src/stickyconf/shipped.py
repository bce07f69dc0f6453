"""Where the project's own files are: suites, fixtures, manifests, the catalogue, the list of releases.

In a checkout they are in its folder; an installed package has a copy of them inside. Nothing else knows the difference.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent
_INSTALLED = _PACKAGE / "project"
"""Where the wheel puts the files (``[tool.hatch.build.targets.wheel.force-include]`` in pyproject.toml)."""


def is_installed() -> bool:
    """Whether this is an installed package, which has the files inside, and not a checkout."""
    return _INSTALLED.is_dir()


def project() -> Path:
    """Return the folder that has suites/, fixtures/, manifests/, requirements.toml and releases.toml."""
    return _INSTALLED if is_installed() else _PACKAGE.parents[1]


def working_folder() -> Path:
    """Return the folder that runs leave their reports below: the checkout, or the current folder if installed."""
    return Path.cwd() if is_installed() else project()
