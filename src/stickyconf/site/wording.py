"""How the site says things: signs and words for what colours show as well, times, sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Mark:
    """How a standing is shown: a sign and a word that do without colour, and the style's name."""

    sign: str
    word: str
    style: str


STANDINGS = {
    "CONFORMS": Mark("✓", "conforms", "good"),
    "VIOLATES": Mark("✕", "violated", "bad"),
    "INCONCLUSIVE": Mark("?", "unsure", "doubt"),
    "NOT_APPLICABLE": Mark("-", "not asked", "none"),
    "UNJUDGED": Mark("○", "no verdict", "none"),
    "MEASURED": Mark("≈", "measured", "seen"),
}
KNOWN = Mark("✕", "known", "known")
BROKEN = Mark("!", "our error", "doubt")
ABSENT = Mark("", "not in the run", "none")
MEANINGS = {
    "CONFORMS": "could have been seen to fail, and did not",
    "VIOLATES": "something breaks the requirement",
    "INCONCLUSIVE": "too little was seen to say",
    "MEASURED": "recorded, never passed or failed",
    "NOT_APPLICABLE": "cannot be asked here",
    "UNJUDGED": "no case, or none that ended",
}
RESULTS = {
    "conformant": Mark("✓", "Conformant", "good"),
    "partial": Mark("◐", "Partial", "doubt"),
    "not conformant": Mark("✕", "Not conformant", "bad"),
}
RESULT_MEANS = {
    "conformant": "Every MUST was shown to hold.",
    "partial": "No MUST was violated, but not every one was shown to hold.",
    "not conformant": "At least one MUST was violated.",
}


def mark_of(row: Mapping[str, Any] | None) -> Mark:
    """Return how a report's requirement is shown: ABSENT for None, harness errors and known violations as such."""
    if row is None:
        return ABSENT
    if row["status"] == "UNJUDGED" and any(case["outcome"] != "judged" for case in row["cases"]):
        return BROKEN
    if row.get("known"):
        return KNOWN
    return STANDINGS[row["status"]]


def day(moment: datetime) -> str:
    """Say a date: 23 November 2026."""
    return f"{moment.day} {moment:%B %Y}"


def minute(moment: datetime) -> str:
    """Say a time to the minute: 2026-11-23 04:53 UTC."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def lasting(seconds: float) -> str:
    """Say a duration: 8 s, 7 min 34 s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def size(count: int) -> str:
    """Say a number of bytes: 812 B, 13 KB, 1.2 MB."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.0f} KB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
