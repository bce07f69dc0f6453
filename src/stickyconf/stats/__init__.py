"""Exact tests, sample sizes and the error budget: numbers in, numbers out."""

from stickyconf.stats.budget import ALPHA, FALSE_ALARM_BUDGET, alpha
from stickyconf.stats.designs import MISSED, PODS, POWER, STARVED, Design, designs
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
    "ALPHA",
    "FALSE_ALARM_BUDGET",
    "MISSED",
    "PODS",
    "POWER",
    "STARVED",
    "Design",
    "ShareTest",
    "alpha",
    "designs",
    "miss_probability",
    "reach_sample_size",
    "share_power",
    "share_sample_size",
    "share_test",
    "unseen_probability",
    "witness_sample_size",
]
