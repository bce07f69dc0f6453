"""The kubeconfig target: a cluster that exists, with the KIC and Kong that are in it."""
