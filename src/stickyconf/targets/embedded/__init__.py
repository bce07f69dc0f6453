"""The embedded target: a cluster of processes of our own (embedded_cluster), started for the run."""
