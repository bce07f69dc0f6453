"""Exact tests, sample sizes and the designs of checks: numbers in, numbers out."""

from stickyconf.stats.designs import (
    FALSE_ALARM_BUDGET,
    MISSED,
    POWER,
    STARVED,
    Design,
    Figures,
    OneInMany,
    OutOfRotation,
    Reach,
    SeveralPods,
    Share,
    Spread,
)
from stickyconf.stats.exact import (
    ShareTest,
    miss_probability,
    reach_sample_size,
    share_power,
    share_sample_size,
    share_test,
    unseen_probability,
    witness_sample_size,
)

__all__ = [
    "FALSE_ALARM_BUDGET",
    "MISSED",
    "POWER",
    "STARVED",
    "Design",
    "Figures",
    "OneInMany",
    "OutOfRotation",
    "Reach",
    "SeveralPods",
    "Share",
    "ShareTest",
    "Spread",
    "miss_probability",
    "reach_sample_size",
    "share_power",
    "share_sample_size",
    "share_test",
    "unseen_probability",
    "witness_sample_size",
]
