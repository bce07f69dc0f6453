"""One pod ends with drain support on, and Kubernetes or the pod makes it harder than usual."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.scenarios import Topology
from stickyconf.scenarios.drain import drain_under_a_rush
from stickyconf.scenarios.lifecycle import lose_the_process_of_a_draining_pod

# Enough that a pod which still gets its share, of three pods and its own successor, stays unseen once in a million.
SESSIONS = checks.ready_terminating_pod_gets_no_new_session.samples()

ready = recorded(
    "drain-ready",
    drain_under_a_rush(sessions=SESSIONS),
    topology=Topology(hold=True, drain=True, publish_not_ready=True),
)
two_services = recorded(
    "drain-two-services",
    drain_under_a_rush(sessions=SESSIONS),
    topology=Topology(hold=True, drain=True, services=2),
)
dead_process = recorded(
    "drain-dead-process",
    lose_the_process_of_a_draining_pod(),
    topology=Topology(hold=True, drain=True),
)


@requirement("DRN-10")
def test_terminating_pod_that_counts_as_ready_gets_no_new_session(ready, judge):
    """With publishNotReadyAddresses a terminating pod stays ready; still no new session is placed on it."""
    judge(checks.ready_terminating_pod_gets_no_new_session, ready)


@requirement("DRN-11")
def test_pod_of_two_services_gets_no_new_session(two_services, judge):
    """A terminating pod behind two Services of one rule gets no new session through either."""
    judge(checks.pod_of_two_services_gets_no_new_session, two_services)


@requirement("DRN-15")
def test_sessions_survive_the_death_of_a_draining_process(dead_process, judge):
    """When a draining pod's process has died and its endpoint is still listed, other pods serve its sessions."""
    judge(checks.dead_process_is_survived, dead_process)


@requirement("ROB-11")
def test_post_is_executed_once(dead_process, judge):
    """A POST that a pod has received reaches no pod again: in quiet, in the drain, and when the pod dies meanwhile."""
    judge(checks.post_is_executed_once, dead_process)
