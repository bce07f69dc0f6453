"""Violations that are known: what a team accepts for a while, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


class KnownState(StrEnum):
    """What became of a known violation in a run."""

    OCCURS = "occurs"
    GONE = "no longer occurs"
    EXPIRED = "expired"
    NOT_JUDGED = "not judged"

    @property
    def fails(self) -> bool:
        """Whether it fails the run: the list is not true any more, or the time it was given is over."""
        return self in (KnownState.GONE, KnownState.EXPIRED)


@dataclass(frozen=True, slots=True)
class KnownViolation:
    """A violation that is expected of some versions. ``expires`` is the last day it is accepted on.

    ``versions``: part -> which versions of it. ``whole``: no case of the requirement was left out of the run, so that
    its verdict says whether the violation still occurs.
    """

    requirement: str
    reason: str
    link: str
    expires: date
    versions: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True

    def accepted(self, today: date) -> bool:
        """Whether the violation is accepted on this day."""
        return today <= self.expires

    @property
    def told(self) -> str:
        """Say why it is accepted, and until when."""
        return f"known until {self.expires}: {self.reason} ({self.link})"
