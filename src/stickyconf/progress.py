"""Says what a long wait waits for: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

from typing import Protocol

QUIET_SECONDS = 2.0
"""Waits shorter than this are not worth a line where lines stay."""

EVERY_SECONDS = 10.0


class Terminal(Protocol):
    """The part of pytest's terminal reporter that is used."""

    def rewrite(self, line: str, **markup: bool) -> None:
        """Write a line over the current one."""

    def write_line(self, line: str, **markup: bool) -> None:
        """Write a line of its own."""


class Progress:
    """Told again and again what is waited for; shows it once in a while."""

    def __init__(self, terminal: Terminal | None, live: bool) -> None:
        """Take where to write (None: nowhere) and whether lines can be rewritten there."""
        self._terminal, self._live = terminal, live
        self._what, self._shown = "", 0.0

    def __call__(self, what: str, elapsed: float) -> None:
        """Note that ``what`` has been waited for during ``elapsed`` seconds."""
        if what != self._what:
            self._what, self._shown = what, -EVERY_SECONDS
        if self._terminal is None:
            return
        if self._live:
            self._terminal.rewrite(f"  waiting for {what} ({elapsed:.1f} s)", erase=True)
        elif elapsed >= QUIET_SECONDS and elapsed - self._shown >= EVERY_SECONDS:
            self._shown = elapsed
            self._terminal.write_line(f"  waiting for {what} ({elapsed:.0f} s)")

    def clear(self) -> None:
        """Take the live line away before something else is written."""
        if self._live and self._terminal is not None and self._what:
            self._terminal.rewrite("", erase=True)
        self._what = ""
