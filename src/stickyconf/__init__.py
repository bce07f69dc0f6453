"""End-to-end conformance tests for sticky sessions with Kong Ingress Controller and Kong Gateway."""

__version__ = "0.1.0"
