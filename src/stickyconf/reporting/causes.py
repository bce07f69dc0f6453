"""Which verdicts of a run follow from which: one fault breaks many requirements, and is to be read once.

A verdict follows from a violation only by what both were seen to show, so that a presupposition hides no fault:

- A violation follows from violated requirements that it presupposes if every one of its counter-examples has a sign
  (checks/signs.py) that counter-examples of theirs have as well, and if no arm of it shows that sign more often than
  theirs do, by Fisher's exact test.
- A doubt follows from a violated requirement that it presupposes if its own history shows the sign, too, or if that
  violation has a sign of its own, which other histories cannot show.

What follows keeps its status: a violation stays one, and counts.
"""

from __future__ import annotations

from collections.abc import Mapping

from stickyconf.model import Catalogue, Level, Sign, Status, Verdict
from stickyconf.stats import more_often

ALPHA = 1e-3
"""The probability with which a sign that is as frequent as at the cause is taken for more frequent."""


def follows(verdicts: Mapping[str, Verdict], catalogue: Catalogue) -> dict[str, tuple[str, ...]]:
    """Return for each verdict that follows from others their ids: the causes, which follow from none themselves."""
    found: dict[str, tuple[str, ...]] = {}
    for identifier in sorted(verdicts, key=lambda name: len(catalogue.presupposed(name))):  # what is presupposed first
        violated = {
            name: verdicts[name]
            for name in catalogue.presupposed(identifier)
            if name in verdicts
            and verdicts[name].status is Status.VIOLATES
            and catalogue[name].level is not Level.OBSERVE
        }
        explained = _explained(verdicts[identifier], violated)
        causes = {cause for name in explained for cause in found.get(name, (name,))}
        if causes:
            found[identifier] = tuple(one.id for one in catalogue if one.id in causes)
    return found


def _explained(verdict: Verdict, violated: Mapping[str, Verdict]) -> tuple[str, ...]:
    """Return which of the violated requirements explain a verdict; none if one of its signs is not explained."""
    if verdict.status is Status.INCONCLUSIVE:
        return tuple(name for name, one in violated.items() if _casts_doubt(one, verdict))
    if verdict.status is not Status.VIOLATES:
        return ()
    by_sign = {sign: _showing(sign, verdict, violated) for sign in verdict.signs}
    return tuple(by_sign.values()) if all(by_sign.values()) else ()


def _showing(sign: Sign, verdict: Verdict, violated: Mapping[str, Verdict]) -> str:
    """Return the first violated requirement that shows a sign at least as often as each arm of a verdict; else ""."""
    for name, one in violated.items():
        if sign is not Sign.OWN and sign in one.signs and not _shows_more(sign, verdict, one):
            return name
    return ""


def _shows_more(sign: Sign, verdict: Verdict, cause: Verdict) -> bool:
    theirs = [tally for tally in cause.tallies if tally.sign is sign]
    shown, of = sum(tally.shown for tally in theirs), sum(tally.of for tally in theirs)
    own = (tally for tally in verdict.tallies if tally.sign is sign)
    return any(more_often(tally.shown, tally.of, shown, of) < ALPHA for tally in own)


def _casts_doubt(cause: Verdict, verdict: Verdict) -> bool:
    shown = {tally.sign for tally in verdict.tallies if tally.shown}
    return Sign.OWN in cause.signs or bool(cause.signs & shown)
