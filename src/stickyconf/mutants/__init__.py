"""Deliberate faults: what the suite must not let pass.

A mutant is one function, a hook of the embedded gateway or controller (docs/embedded-cluster.md, "Hooks"), whose
name is the misbehaviour and whose docstring is the sentence for people, and one line in :data:`MUTANTS`.

Every mutant proves that it fired by marking what it touched, and only that. A gateway fault puts the response header
``x-mutant: NAME`` on each response whose exchange it changed, so the marks are in the recorded history. A controller
fault puts the tag ``mutant:NAME`` on each upstream it changed, so the Admin API shows them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from stickyconf.mutants import controller, gateway

GATEWAY_MARK = gateway.MARK
CONTROLLER_MARK = controller.MARK


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: the hook that commits it, where faults like it were seen, and who must object."""

    commit: Callable[..., Any]
    source: str
    caught_by: tuple[str, ...]

    @property
    def id(self) -> str:
        """The misbehaviour, as a name."""
        return self.commit.__name__

    @property
    def sentence(self) -> str:
        """The misbehaviour, for people."""
        return str(self.commit.__doc__)

    @property
    def where(self) -> Literal["gateway", "controller"]:
        """The part that misbehaves."""
        return "gateway" if self.commit.__module__ == gateway.__name__ else "controller"

    @property
    def hook(self) -> str:
        """What ``python -m stickyconf.embedded up --hook`` takes: ``PART=MODULE:FUNCTION``."""
        return f"{self.where}={self.commit.__module__}:{self.id}"


# Sources are public reports of such a fault: KIC Kong/kubernetes-ingress-controller, IN kubernetes/ingress-nginx,
# TR traefik/traefik, EG envoyproxy/gateway, EN envoyproxy/envoy.
MUTANTS: dict[str, Mutant] = {
    mutant.id: mutant
    for mutant in (
        Mutant(gateway.never_sets_the_cookie, "KIC#7654", ("CKE-01", "CKE-09")),
        Mutant(gateway.ignores_the_cookie_sometimes, "IN#2711", ("AFF-01", "AFF-02", "AFF-05")),
        Mutant(gateway.sets_a_wrong_path, "EG#9950", ("CKE-02",)),
        Mutant(gateway.adds_max_age, "EN#26347", ("CKE-03",)),
        Mutant(gateway.starves_a_pod, "IN#3056", ("SPR-01", "SPR-02")),
        Mutant(controller.keeps_weight_of_terminating_pod, "TR#13290", ("DRN-02", "DRN-07")),
        Mutant(controller.drops_terminating_pod_at_once, "TR#11101", ("DRN-01", "DRN-07")),
    )
}
