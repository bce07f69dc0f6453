"""How pods are told apart: each has a letter, a colour, and a form of its marks, so that no one of them is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from string import ascii_uppercase

from stickyconf.model import Happening, History

FORMS = ((0.0, 1.0), (0.0, 0.45), (0.55, 1.0), (0.3, 0.7))
"""From where to where in the height of its lane a pod's mark goes: whole, above, below, middle; then again."""

COLOURS = 8
"""Colours there are (``style.CSS``); a ninth pod has the first one's again, and still a letter of its own."""

_OF_PODS = frozenset(
    {Happening.DELETED, Happening.TERMINATING, Happening.ENDPOINT, Happening.HELD, Happening.SIGTERM, Happening.DIED}
)


def lettered(history: History) -> dict[str, str]:
    """Return pod -> letter: those ready at the beginning first, then the others as they appear."""
    pods = dict.fromkeys(history.setup.pods)
    pods |= dict.fromkeys(event.subject for event in history.events if event.what in _OF_PODS)
    pods |= dict.fromkeys(exchange.pod for exchange in history.exchanges if exchange.pod)
    return dict(zip(pods, _letters(), strict=False))


def place(letters: Mapping[str, str], pod: str) -> int:
    """Return a pod's place among the lettered ones, which chooses its colour and its form."""
    return list(letters).index(pod)


def _letters() -> Iterator[str]:
    """A to Z, then A1 to Z1, and so on."""
    for turn in count():
        for letter in ascii_uppercase:
            yield f"{letter}{turn or ''}"
