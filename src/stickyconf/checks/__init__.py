"""Pure functions from a history to a ruling. A check is a proposition; what it cannot know it says as doubt.

``checks.NAME`` is the check of this name, in whichever module of this package it is declared: no list names them.
"""

from stickyconf.checks.declared import EVERY_ARM, Check, all_checks, alphas, check, false_alarms, figures
from stickyconf.checks.evidence import contradictions, gateway_departures

__all__ = [
    "EVERY_ARM",
    "Check",
    "all_checks",
    "alphas",
    "check",
    "contradictions",
    "false_alarms",
    "figures",
    "gateway_departures",
]


def __getattr__(name: str) -> Check:
    """Return the check of this name; AttributeError if there is none."""
    if not name.startswith("_") and name in all_checks():
        return all_checks()[name]
    raise AttributeError(f"no check is called {name!r}")
