"""What is done to the cluster and to the gateway. A scenario acts and records; it never judges."""

from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.workload import Manifests, Policy, Topology

__all__ = ["Manifests", "Policy", "Scenario", "Stage", "Topology"]
