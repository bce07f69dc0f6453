"""Says what long work waits for: a live line on a terminal, plain lines elsewhere.

Work tells what it waits for from whichever thread it is in; pytest's own thread shows it, once in a while.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

QUIET_SECONDS = 2.0
"""Waits shorter than this are not worth a line if lines stay."""

EVERY_SECONDS = 10.0
LIVE_SECONDS = 0.5
"""How often a line that stays, and a live one, is written anew."""


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
    """Is told again and again what is waited for; shows it once in a while.

    ``live`` says in one line how far work is that goes on side by side, "" if there is none.
    """

    def __init__(
        self,
        terminal: Terminal | None = None,
        capture: Capture | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take where to write (None: nowhere), what has to be told to let it through, and what tells the seconds."""
        self._terminal, self._capture, self._clock = terminal, capture, clock
        self._what, self._since = "", 0.0
        self.live: Callable[[], str] = str
        self._shown, self._live = -EVERY_SECONDS, False
        self._thread = threading.get_ident()

    def __call__(self, what: str, elapsed: float) -> None:
        """Note that ``what`` has been waited for during ``elapsed`` seconds; "" ends the wait."""
        if what != self._what:
            self._what, self._since = what, self._clock() - elapsed
            if self._terminal and not self._terminal.isatty:
                self._shown = self._clock() - EVERY_SECONDS + QUIET_SECONDS
        if threading.get_ident() == self._thread:
            self.show()

    def show(self) -> None:
        """Show how far everything is, if it is time to. Only pytest's own thread may ask for it."""
        line = self.live()
        if self._terminal is None or not (line or self._what):
            return
        now = self._clock()
        if now - self._shown < (LIVE_SECONDS if self._terminal.isatty else EVERY_SECONDS):
            return
        self._shown = now
        self._write(f"  {line or f'waiting for {self._what} ({now - self._since:.0f} s)'}")

    def clear(self) -> None:
        """Take the live line away before something else is written."""
        if self._live:
            self._write("")
            self._live = False

    def _write(self, line: str) -> None:
        if self._terminal is None:
            return
        with self._capture.global_and_fixture_disabled() if self._capture else nullcontext():
            if self._terminal.isatty:
                self._terminal.rewrite(line[: shutil.get_terminal_size().columns - 1], erase=True)
                self._live = True
            else:
                self._terminal.write_line(line)
            self._terminal.flush()
