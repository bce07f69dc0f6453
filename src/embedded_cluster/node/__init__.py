"""The node agent: binds pods to itself and runs their containers as processes of this machine.

It does what a kubelet does, by the rules of the Kubernetes documentation ("Pod Lifecycle", "Container Lifecycle
Hooks", "Configure Liveness, Readiness and Startup Probes"), for what can be had without a container runtime: the
image of a container is recorded and not run. Two things are quicker than on a real node, so that a cluster is up in
seconds: a container that has not been ready yet is probed every few milliseconds (:mod:`.probes`), and one that
crashes again and again is restarted after 1 s at first, not 10 s (:mod:`.container`).
"""
