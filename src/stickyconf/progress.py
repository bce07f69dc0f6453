"""Says what a long wait waits for: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

QUIET_SECONDS = 2.0
"""Waits shorter than this are not worth a line where lines stay."""

EVERY_SECONDS = 10.0
LIVE_SECONDS = 0.5
"""How often a line that stays, and a live one, is written anew during one wait."""


class Terminal(Protocol):
    """The part of pytest's terminal reporter that is used."""

    @property
    def isatty(self) -> bool:
        """Whether lines can be rewritten."""

    def rewrite(self, line: str, **markup: bool) -> None:
        """Write a line over the current one."""

    def write_line(self, line: str, **markup: bool) -> None:
        """Write a line of its own."""

    def flush(self) -> None:
        """Bring what was written to the screen."""


class Capture(Protocol):
    """The part of pytest's capture manager that is used."""

    def global_and_fixture_disabled(self) -> AbstractContextManager[None]:
        """Let what is written reach the terminal."""


class Progress:
    """Told again and again what is waited for; shows it once in a while."""

    def __init__(self, terminal: Terminal | None = None, capture: Capture | None = None) -> None:
        """Take where to write (None: nowhere) and what has to be told to let it through."""
        self._terminal, self._capture = terminal, capture
        self._what, self._shown, self._live = "", 0.0, False

    def __call__(self, what: str, elapsed: float) -> None:
        """Note that ``what`` has been waited for during ``elapsed`` seconds."""
        if self._terminal is None:
            return
        if what != self._what:
            self._what, self._shown = what, -EVERY_SECONDS
        if self._terminal.isatty and elapsed - self._shown >= LIVE_SECONDS:
            self._write(f"  waiting for {what} ({elapsed:.1f} s)", elapsed)
        elif not self._terminal.isatty and elapsed >= QUIET_SECONDS and elapsed - self._shown >= EVERY_SECONDS:
            self._write(f"  waiting for {what} ({elapsed:.0f} s)", elapsed)

    def clear(self) -> None:
        """Take the live line away before something else is written."""
        self._what = ""
        if self._live:
            self._write("", 0.0)
            self._live = False

    def _write(self, line: str, elapsed: float) -> None:
        if self._terminal is None:
            return
        with self._capture.global_and_fixture_disabled() if self._capture else nullcontext():
            if self._terminal.isatty:
                self._terminal.rewrite(line, erase=True)
                self._live = True
            else:
                self._terminal.write_line(line)
            self._terminal.flush()
        self._shown = elapsed
