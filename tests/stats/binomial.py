"""How often something happens in many runs, but for chance. Without scipy.stats, which takes a second to load."""

import numpy as np
from scipy.special import bdtr


def quantile(probability: float, runs: int, rate: float) -> int:
    """Return the smallest count that so many runs of this rate stay within with at least this probability."""
    return int(np.argmax(bdtr(np.arange(runs + 1), runs, rate) >= probability))
