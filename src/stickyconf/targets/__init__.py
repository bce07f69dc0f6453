"""The ports' adapters: the Kubernetes API, the Admin API, HTTP traffic, and the ways to get a cluster."""
