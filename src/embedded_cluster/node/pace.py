"""How long a node takes to end a pod, beside what the pod itself takes: at once, or as a real one does.

``real`` has the figures of a kind cluster with Kubernetes 1.34 on 2 cores (docs/fidelity.md): a kubelet hears of the
deletion, a container runtime takes a stopped container down, and the kubelet removes the object, each in its own time.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

Span = tuple[float, float]
"""The least and the most seconds. Short times are more frequent: the median is at about three tenths."""

NONE: Span = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Pace:
    """The times of one pod's end.

    *notice*: from the deletion to the preStop hook or SIGTERM. *teardown*: from the end of the processes to the report
    of it. *removal*: from that report to the removal of the object. *tells_exit*: the end of the processes is reported
    at once, as not ready, and the terminal phase only after; a kubelet reports both together.
    """

    notice: Span = NONE
    teardown: Span = NONE
    removal: Span = NONE
    tells_exit: bool = True


PACES: Mapping[str, Pace] = {
    "quick": Pace(),
    # SIGTERM to the object gone: 1.2 s at the least, 2.7 s in the median, for a process that ends within 0.3 s.
    "real": Pace(notice=(0.26, 2.1), teardown=(0.9, 3.8), removal=(0.2, 1.3), tells_exit=False),
}


def seconds(span: Span) -> float:
    """One time out of *span*."""
    least, most = span
    return random.triangular(least, most, least)  # noqa: S311 - no secret
