"""The kubeconfig target: a cluster that exists, with whatever KIC and Kong are in it."""
