"""A small Kubernetes-shaped cluster of real processes on loopback (docs/embedded-cluster.md)."""
