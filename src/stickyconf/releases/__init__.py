"""Releases of KIC, Kong Gateway, Gateway API and Kubernetes nodes: what is known, how it combines, and what is new."""
