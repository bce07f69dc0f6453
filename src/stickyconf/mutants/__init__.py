"""Deliberate faults, which the suite must not let pass, and deliberate differences, which it must not object to.

Either is one function, a hook of a part of the embedded cluster (docs/embedded-cluster.md, "Hooks"), whose name is
the misbehaviour and whose docstring is the sentence for people, and one line in :data:`MUTANTS` or :data:`BENIGN`.

Every one proves that it acted by marking what it touched, and only that:

- in the gateway's data plane, the response header ``x-mutant: NAME`` on each response whose exchange it changed, so
  that the marks are in the recorded history;
- in the gateway's Admin API and in the controller, the tag ``mutant:NAME`` on each upstream it changed, which the
  Admin API shows;
- in the API server's definitions, the annotation ``stickyconf.test/mutant: NAME`` on each CustomResourceDefinition.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stickyconf.mutants import benign, controller, definitions
from stickyconf.mutants.gateway import admin, affinity, cookie, lua, pods

GATEWAY_MARK = lua.MARK
CONTROLLER_MARK = controller.MARK
DEFINITION_MARK = definitions.MARK

_PARTS = {"gateway": "gateway", "controller": "controller", "api-server": "crds"}  # where -> what --hook calls it


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault or difference: the hook that makes it, where such were seen, and who must object.

    *options* are more options of ``python -m embedded_cluster up``. A mutant that is a matter of observation has
    nobody in *caught_by*, but a requirement in *measured_by*, with what one of its measures must say to show it.
    """

    where: str
    commit: Callable[..., Any]
    source: str
    caught_by: tuple[str, ...] = ()
    measured_by: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The misbehaviour, as a name."""
        return self.commit.__name__

    @property
    def sentence(self) -> str:
        """The misbehaviour, for people."""
        return str(self.commit.__doc__)

    @property
    def marks_upstreams(self) -> bool:
        """Whether its mark is a tag that the Admin API shows."""
        return self.where == "controller" or self.commit.__module__ == admin.__name__

    @property
    def hook(self) -> str:
        """What ``python -m embedded_cluster up --hook`` takes: ``PART=MODULE:FUNCTION``."""
        return f"{_PARTS[self.where]}={self.commit.__module__}:{self.id}"

    @property
    def up(self) -> tuple[str, ...]:
        """The options of ``up`` that put it into a cluster."""
        return ("--hook", self.hook, *self.options)


def _by_id(*mutants: Mutant) -> dict[str, Mutant]:
    return {mutant.id: mutant for mutant in mutants}


# Sources are public reports of such a fault: KIC Kong/kubernetes-ingress-controller, KONG Kong/kong, IN
# kubernetes/ingress-nginx, TR traefik/traefik, EG envoyproxy/gateway, EN envoyproxy/envoy; or where the rule stands
# that is broken: RFC, CRD (the rules of KongUpstreamPolicy), RF (Kong's page on drain support), UP (on upstreams).
MUTANTS: dict[str, Mutant] = _by_id(
    Mutant("gateway", cookie.never_sets_the_cookie, "KIC#7654", ("CKE-01", "CKE-09", "DOC-01", "DOC-02")),
    Mutant("gateway", cookie.sets_the_cookie_only_on_200, "TR#3770", ("CKE-09",)),
    Mutant("gateway", cookie.sets_the_cookie_twice, "RFC 6265, section 4.1.1", ("CKE-01",)),
    Mutant("gateway", cookie.overwrites_the_applications_cookies, "KONG", ("CKE-07",)),
    Mutant("gateway", cookie.mints_for_another_pod, "TR#7767", ("CKE-05", "AFF-01")),
    Mutant("gateway", cookie.sets_one_value_for_all_pods, "RF", ("CKE-05", "AFF-01")),
    Mutant("gateway", cookie.sets_an_illegal_value, "RFC 6265, section 4.1.1", ("CKE-04",)),
    Mutant("gateway", cookie.sets_a_wrong_path, "EG#9950", ("CKE-02",)),
    Mutant("gateway", cookie.takes_the_path_from_the_request, "IN#8961", ("CKE-02",)),
    Mutant("gateway", cookie.adds_max_age, "EN#26347", ("CKE-03",)),
    Mutant("gateway", cookie.expires_the_cookie_early, "EN#26347", ("CKE-03",)),
    Mutant("gateway", cookie.misspells_an_attribute, "KONG", measured_by={"CKE-08": "Same-Site"}),
    Mutant("gateway", affinity.ignores_the_cookie_sometimes, "IN#2711", ("AFF-01", "AFF-02", "AFF-05")),
    Mutant("gateway", affinity.ignores_the_cookie_rarely, "IN#2711", ("AFF-01",)),
    Mutant("gateway", affinity.pins_only_get, "RF", ("AFF-04",)),
    Mutant("gateway", affinity.reads_only_the_first_cookie, "RFC 6265, section 5.4", ("AFF-06",)),
    Mutant("gateway", affinity.pins_the_connection, "RF", ("AFF-01", "AFF-02")),
    Mutant("gateway", affinity.pins_one_request_at_a_time, "RF", ("AFF-03",)),
    Mutant("gateway", affinity.forgets_sessions_as_others_come, "IN#3089", ("AFF-09",)),
    Mutant("gateway", affinity.keeps_a_stale_cookie, "IN#7960", ("DRN-04", "DRN-08", "LIF-02", "ROB-01")),
    Mutant("gateway", affinity.moves_a_session_without_a_new_cookie, "UP", ("DRN-04", "LIF-02")),
    Mutant("gateway", affinity.fails_on_a_malformed_cookie, "IN#7960", ("ROB-01", "ROB-02")),
    Mutant("gateway", affinity.dials_the_decoded_value, "vulcand/oxy#107", ("ROB-03",)),
    Mutant("gateway", affinity.follows_a_cookie_into_another_service, "kubernetes#109414", ("ROB-03",)),
    Mutant("gateway", pods.starves_a_pod, "IN#3056", ("SPR-01", "SPR-02")),
    Mutant("gateway", pods.slights_a_pod, "IN#3056", ("SPR-02",)),
    Mutant("gateway", pods.places_all_sessions_on_one_pod, "TR#5521", ("SPR-01", "SPR-02", "AFF-05")),
    Mutant("gateway", pods.trusts_the_cookie_blindly, "IN#3288", ("DRN-04", "DRN-05", "LIF-02", "LIF-03")),
    Mutant("gateway", pods.places_sessions_by_load, "UP", ("SPR-03",)),
    Mutant("gateway", pods.refuses_a_rush, "RF", ("SPR-05",)),
    Mutant("gateway", pods.never_tries_another_pod, "IN#4035", ("DRN-15",)),
    Mutant("gateway", affinity.keeps_the_cookie_after_a_retry, "TR#3975", ("DRN-15",)),
    Mutant("gateway", affinity.retries_the_same_pod, "IN#4035", ("DRN-15",)),
    Mutant("gateway", affinity.insists_on_a_draining_pod, "KIC", ("DRN-15",)),
    Mutant("gateway", pods.leaves_a_worker_with_the_old_targets, "IN#3335", ("ROB-09",)),
    Mutant("gateway", pods.cuts_requests_in_flight, "RF", ("DRN-06",)),
    Mutant("gateway", pods.reshuffles_sessions_during_a_drain, "RF", ("DRN-03",)),
    Mutant("gateway", admin.admin_api_shows_the_old_policy, "UP", ("API-12",)),
    Mutant("gateway", admin.admin_api_hides_weight_zero, "RF", ("DRN-07",)),
    Mutant("controller", controller.ignores_the_policy, "KIC#6497", ("API-09", "API-12", "CKE-01")),
    Mutant("controller", controller.is_sticky_without_a_policy, "RF", ("API-09", "SPR-04")),
    Mutant("controller", controller.keeps_weight_of_terminating_pod, "TR#13290", ("DRN-02", "DRN-07")),
    Mutant("controller", controller.looks_at_terminating_only_when_not_ready, "KIC", ("DRN-10",)),
    Mutant("controller", controller.adds_up_the_weights_of_two_services, "KIC#5761", ("DRN-11",)),
    Mutant("controller", controller.drops_terminating_pod_at_once, "TR#11101", ("DRN-01", "DRN-07", "DRN-12")),
    Mutant("controller", controller.drains_without_being_asked_to, "RF", ("DRN-08",)),
    Mutant("controller", controller.never_removes_a_drained_pod, "TR#13208", ("DRN-04", "DRN-05")),
    Mutant("api-server", definitions.refuses_sticky_sessions, "CRD", ("API-01",)),
    Mutant("api-server", definitions.stores_no_default_path, "CRD", ("API-02",)),
    Mutant("api-server", definitions.admits_other_inputs, "CRD", ("API-03",)),
    Mutant("api-server", definitions.admits_no_cookie, "CRD", ("API-04",)),
    Mutant("api-server", definitions.admits_other_algorithms, "CRD", ("API-05",)),
    Mutant("api-server", definitions.admits_several_inputs, "CRD", ("API-06",)),
    Mutant("api-server", definitions.admits_any_algorithm, "CRD", ("API-07",)),
)

BENIGN: dict[str, Mutant] = _by_id(
    Mutant("gateway", benign.issues_the_cookie_on_every_response, "nginx/kubernetes-ingress#1600"),
    Mutant("gateway", benign.sets_an_unquoted_value, "RFC 6265, section 4.1.1"),
    Mutant("gateway", benign.sets_a_quoted_value, "RFC 6265, section 4.1.1"),
    Mutant("gateway", benign.sets_an_opaque_value, "RFC 6265, section 4.1.1"),
    Mutant("gateway", benign.sets_a_long_value, "RFC 6265, section 6.1"),
    Mutant("gateway", benign.sets_a_uuid_per_pod, "RF"),
    Mutant("gateway", benign.sets_a_uuid_per_client, "RF"),
    Mutant("gateway", benign.sets_base64_per_client, "RFC 6265, section 4.1.1"),
    Mutant("gateway", benign.leaves_http_only_away, "GEP-1619"),
    Mutant("gateway", benign.adds_same_site, "GEP-1619"),
    Mutant("gateway", benign.adds_secure, "GEP-1619"),
    Mutant("gateway", benign.spells_path_in_lower_case, "RFC 6265, section 5.2.4"),
    Mutant("gateway", benign.places_sessions_at_random, "UP"),
    Mutant("gateway", benign.places_sessions_by_four_workers, "UP"),
    Mutant("gateway", benign.sets_more_cookies, "RFC 6265, section 4.1"),
    Mutant("gateway", benign.relays_early_hints, "RFC 8297"),
    Mutant("gateway", benign.converges_slowly, "RF", options=("--sync-period", "3")),
    Mutant("gateway", benign.replicas_follow_each_other, "RF", options=("--gateway-replicas", "2")),
    Mutant("gateway", benign.keeps_the_machine_busy, "RF"),
)

DEVIATIONS: dict[str, Mutant] = MUTANTS | BENIGN
