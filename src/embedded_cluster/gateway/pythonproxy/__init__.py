"""The fallback data plane if there is no Envoy: a small proxy in Python, a process of its own.

The gateway (`plane`) posts declarations to it over a socket; the process (`__main__`) routes (`routing`), chooses
targets (`balancing`) and forwards (`forwarding`).
"""
