"""Deliberate faults, which the suite must not let pass, and legitimate differences, which it must not object to.

Each is one function, a hook of a part of the embedded cluster (docs/embedded-cluster.md, "Hooks"), with a decorator
that says where it acts, where such was seen, and which requirements must catch it. Its name is the misbehaviour, its
docstring the sentence for people. They are found by :func:`deviations`; no list names them.

Every one proves that it acted by marking what it touched, and only that:

- in the gateway's data plane, the response header ``x-mutant: NAME`` on each response whose exchange it changed, so
  that the marks are in the recorded history;
- in the gateway's Admin API and in the controller, the tag ``mutant:NAME`` on each upstream it changed, which the
  Admin API shows;
- in the API server's definitions, the annotation ``stickyconf.test/mutant: NAME`` on each CustomResourceDefinition.

Importing this package imports none of them, and nothing of the embedded cluster.

Sources are public reports of such a fault: KIC Kong/kubernetes-ingress-controller, KONG Kong/kong, IN
kubernetes/ingress-nginx, TR traefik/traefik, EG envoyproxy/gateway, EN envoyproxy/envoy; or where the rule stands that
is broken: RFC, CRD (the rules of KongUpstreamPolicy), RF (Kong's page on drain support), UP (on upstreams).
"""

from stickyconf.mutants.declared import (
    DEFINITION_MARK,
    MUTANT_FAILS,
    RESPONSE_MARK,
    UPSTREAM_MARK,
    Mutant,
    benign_variants,
    deviations,
    mutants,
)

__all__ = [
    "DEFINITION_MARK",
    "MUTANT_FAILS",
    "RESPONSE_MARK",
    "UPSTREAM_MARK",
    "Mutant",
    "benign_variants",
    "deviations",
    "mutants",
]
