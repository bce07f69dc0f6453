"""The kind target: a kind cluster of the run's own, with KIC and Kong installed in it."""
