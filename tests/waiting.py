"""Waiting in tests: for a condition, and for longer than any machine should need, so that a busy one fails no test."""

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 120.0
"""Seconds that a test waits for something that takes a moment on an idle machine: only a fault uses them up."""

_FIRST, _LONGEST = 0.01, 0.1  # seconds between two looks: looking costs processor time that the looked-at needs


def eventually(what: str, look: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Return the first true value of *look*; fail, and say *what* was waited for, if there is none in time."""
    deadline, pause = time.monotonic() + seconds, _FIRST
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST)
    return found
