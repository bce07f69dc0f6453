"""The embedded target: a cluster of processes of our own (stickyconf.embedded), started for the run."""
