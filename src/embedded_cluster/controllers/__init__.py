"""The controllers of the embedded cluster, each an ordinary client of the Kubernetes API.

They do what kube-controller-manager does for the kinds a sticky-session test touches: :mod:`.deployment`,
:mod:`.replicaset`, :mod:`.endpointslice`, :mod:`.namespace` and :mod:`.garbage`. Rules are those of the
Kubernetes documentation, "Workload Management", "EndpointSlices" and "Garbage Collection".
"""
