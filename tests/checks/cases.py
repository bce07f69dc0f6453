"""What a check must say of which history."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from stickyconf.model import History
from tests.histories import Dialect


@dataclass(frozen=True)
class Cases:
    """Histories by the sentence that tells what is special about them.

    ``accepts`` conform. ``rejects`` violate and ``doubts`` leave the check unsure; each comes with a text that a
    finding of the check has to contain, so that it objects for the right reason. ``spoken`` makes the history that it
    accepts as a gateway of any dialect would have made it; only checks that look at no traffic have none. ``arguments``
    are what the check takes beside a history. ``drawn`` makes the history in which chance let so many sessions or
    requests come out this way and so many that way; a check with a design needs it (tests/stats/test_false_alarms.py).
    """

    accepts: Mapping[str, History]
    rejects: Mapping[str, tuple[History, str]] = field(default_factory=dict)
    doubts: Mapping[str, tuple[History, str]] = field(default_factory=dict)
    spoken: Callable[[Dialect], History] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    drawn: Callable[[tuple[int, ...]], History] | None = None


@cache
def all_cases() -> dict[str, Cases]:
    """Return the histories of every check by the check's name: each ``*_cases`` module has some in its CASES."""
    found: dict[str, Cases] = {}
    package = importlib.import_module("tests.checks")
    for module in pkgutil.iter_modules(package.__path__, "tests.checks."):
        if module.name.endswith("_cases"):
            for name, cases in importlib.import_module(module.name).CASES.items():
                if name in found:
                    raise ValueError(f"{module.name}: the check {name} has histories in another module too")
                found[name] = cases
    return found
