"""The false alarms a whole run may raise, divided over the checks that chance can fool.

An "always" requirement has no false alarm: one counter-example is a fact. Only checks that compare frequencies can be
wrong on a conforming implementation, and each has its share here. The sum is what a report prints.
"""

from __future__ import annotations

FALSE_ALARM_BUDGET = 1e-6

# Requirement -> probability that its check objects to one conforming history.
ALPHA: dict[str, float] = {
    "SPR-01": 1e-7,  # a ready pod is never chosen although each is as likely
    "SPR-02": 1e-7,  # the shares look starved or flooded although they are the weights'
    "SPR-03": 1e-7,  # the same, for sessions placed while one pod is busy
    "SPR-04": 1e-7,  # traffic without the policy looks pinned although it is spread
    "API-09": 1e-7,  # the same, before the annotation is set
    "AFF-05": 1e-7,  # a ready pod holds no session although each is as likely
    "DOC-01": 1e-7,  # the page's requests without a cookie all fall on one pod although each is as likely
    "DRN-02": 0.0,  # one new session on the draining pod is a fact
}


def alpha(requirement: str) -> float:
    """Return the share of one requirement; KeyError for one that has none, so that none is spent unaccounted."""
    return ALPHA[requirement]


if sum(ALPHA.values()) > FALSE_ALARM_BUDGET:
    raise ValueError(
        f"the checks may raise {sum(ALPHA.values()):g} false alarms a run, the budget is {FALSE_ALARM_BUDGET:g}"
    )
