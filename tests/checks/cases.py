"""What a check must say of which history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stickyconf.model import History
from tests.histories import Dialect


@dataclass(frozen=True)
class Cases:
    """Histories by the sentence that tells what is special about them.

    ``accepts`` conform. ``rejects`` violate and ``doubts`` leave the check unsure; each comes with a text that a
    finding of the check has to contain, so that it objects for the right reason. ``spoken`` makes the history that it
    accepts as a gateway of any dialect would have made it; only checks that look at no traffic have none.
    """

    accepts: Mapping[str, History]
    rejects: Mapping[str, tuple[History, str]] = field(default_factory=dict)
    doubts: Mapping[str, tuple[History, str]] = field(default_factory=dict)
    spoken: Callable[[Dialect], History] | None = None
