"""What happened, and what was said about it: frozen types, standard library only."""

from stickyconf.model.catalogue import Catalogue, Level, Requirement
from stickyconf.model.cookies import SetCookie, parse_set_cookie
from stickyconf.model.differences import differences
from stickyconf.model.exchange import Answered, Exchange, Outcome, Refused, Unknown
from stickyconf.model.history import ECHO_PODS, Event, Happening, History, Sessions, Setup, Sighting
from stickyconf.model.verdict import Finding, Measure, Ruling, Sign, Status, Tally, Verdict

__all__ = [
    "ECHO_PODS",
    "Answered",
    "Catalogue",
    "Event",
    "Exchange",
    "Finding",
    "Happening",
    "History",
    "Level",
    "Measure",
    "Outcome",
    "Refused",
    "Requirement",
    "Ruling",
    "Sessions",
    "SetCookie",
    "Setup",
    "Sighting",
    "Sign",
    "Status",
    "Tally",
    "Unknown",
    "Verdict",
    "differences",
    "parse_set_cookie",
]
