"""Faults of the embedded gateway: hooks that change the Envoy resources it is about to write.

``cookie``: the cookie as it is set. ``affinity``: where the requests of a session go. ``pods``: which pods are chosen,
and what happens to those that end. ``admin``: what the Admin API shows. ``lua``: what acts on single exchanges.
"""
