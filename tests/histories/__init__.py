"""Histories as literals: what conforming implementations do, and one-line edits that make them do otherwise."""

from tests.histories import edits
from tests.histories.conforming import affinity, annotation, cookie, drain, policies, spread
from tests.histories.pages import drain_page, sticky_page
from tests.histories.tape import Dialect, Tape

__all__ = [
    "Dialect",
    "Tape",
    "affinity",
    "annotation",
    "cookie",
    "drain",
    "drain_page",
    "edits",
    "policies",
    "spread",
    "sticky_page",
]
