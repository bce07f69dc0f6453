"""The stand-in for Kong Ingress Controller (KIC): Kubernetes objects to Kong's declarative configuration.

`translation` makes a configuration out of a frozen `snapshot` of the cluster and knows nothing of time or network;
`statuses` says what to write back; `controller` is the loop around both. Names, weights, messages and conditions are
those of KIC 3.5 (Kong/kubernetes-ingress-controller), so that either can run in the other's place. If KIC is known
to do the wrong thing, this does the right one and says so.
"""
