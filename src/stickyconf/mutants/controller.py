"""Faults of the embedded controller: hooks that change the declarative configuration it is about to push."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from embedded_cluster.ingress.snapshot import Snapshot
from stickyconf.mutants.declared import UPSTREAM_MARK, mutant

Json = dict[str, Any]

_STICKY = {"algorithm", "hash_on", "sticky_sessions_cookie", "sticky_sessions_cookie_path"}
_WEIGHT = 100  # Kong's own, for a target that says nothing


@mutant(at="controller", source="KIC#6497", caught_by=("API-09", "API-12", "CKE-01"), failure_mode=1)
def ignores_the_policy(config: Json, objects: Snapshot) -> Json:
    """The annotation on the Service that names a policy changes nothing."""
    for upstream in config["upstreams"]:
        if drop_policy(upstream):
            mark(upstream, "ignores_the_policy")
    return config


@mutant(at="controller", source="RF", caught_by=("API-09", "SPR-04", "ISO-04"))
def is_sticky_without_a_policy(config: Json, objects: Snapshot) -> Json:
    """A Service without a policy is sticky by a cookie session_id."""
    for upstream in config["upstreams"]:
        if "algorithm" not in upstream:
            cookie = {"sticky_sessions_cookie": "session_id", "sticky_sessions_cookie_path": "/"}
            upstream |= {"algorithm": "sticky-sessions", "hash_on": "none", **cookie}
            mark(upstream, "is_sticky_without_a_policy")
    return config


_policies: dict[str, Json] = {}  # upstream -> the first policy it ever had, of this process


@mutant(at="controller", source="HT", caught_by=("LIF-06",))
def stays_sticky_without_the_annotation(config: Json, objects: Snapshot) -> Json:
    """An upstream that was sticky once stays so when its Service no longer names a policy."""
    for upstream in config["upstreams"]:
        if upstream.get("algorithm") == "sticky-sessions":
            _policies[upstream["name"]] = {field: upstream[field] for field in _STICKY & upstream.keys()}
        elif upstream["name"] in _policies:
            upstream |= _policies[upstream["name"]]
            mark(upstream, "stays_sticky_without_the_annotation")
    return config


@mutant(at="controller", source="CRD", caught_by=("CKE-10",))
def keeps_the_first_name_of_a_cookie(config: Json, objects: Snapshot) -> Json:
    """A cookie that was named once keeps its name whatever the policy says."""
    for upstream in config["upstreams"]:
        name = upstream.get("sticky_sessions_cookie")
        first = _policies.setdefault(upstream["name"], {"sticky_sessions_cookie": name}) if name else {}
        if first.get("sticky_sessions_cookie") != name:
            upstream |= first
            mark(upstream, "keeps_the_first_name_of_a_cookie")
    return config


_targets: dict[str, list[Json]] = {}  # upstream -> its targets before a policy was refused, of this process


@mutant(at="controller", source="KIC#7787", caught_by=("ROB-08",), failure_mode=29)
def freezes_what_is_beside_a_refused_policy(config: Json, objects: Snapshot) -> Json:
    """While a policy has a path that no gateway takes, the targets of all others in its namespace stay as they are."""
    frozen = {_namespace(upstream) for upstream in config["upstreams"] if _is_refused(upstream)}
    for upstream in config["upstreams"]:
        if _namespace(upstream) not in frozen:
            _targets[upstream["name"]] = upstream["targets"]
        elif not _is_refused(upstream) and upstream["name"] in _targets:
            upstream["targets"] = _targets[upstream["name"]]
            mark(upstream, "freezes_what_is_beside_a_refused_policy")
    return config


def _namespace(upstream: Json) -> str:
    """Return the namespace of the Service that an upstream stands for; "" for the stub of a configuration without."""
    return str(upstream["name"].partition(".")[2].partition(".")[0])


def _is_refused(upstream: Json) -> bool:
    path = upstream.get("sticky_sessions_cookie_path", "/")
    return not path.startswith("/") or "//" in path


@mutant(at="controller", source="KIC", caught_by=("API-11",), options=("--gateway-version", "3.10.0"))
def drops_routes_of_an_unsupported_policy(config: Json, objects: Snapshot) -> Json:
    """A Service whose policy the gateway is too old for loses its routes."""
    named = {
        str(service["metadata"]["namespace"])
        for service in objects.services
        if "konghq.com/upstream-policy" in (service["metadata"].get("annotations") or {})
    }
    for upstream in config["upstreams"]:
        if _namespace(upstream) in named:
            mark(upstream, "drops_routes_of_an_unsupported_policy")
            for service in config["services"]:
                if service["host"] == upstream["name"]:
                    service["routes"] = []
    return config


@mutant(at="controller", source="TR#13290", caught_by=("DRN-02", "DRN-07"), failure_mode=8)
def keeps_weight_of_terminating_pod(config: Json, objects: Snapshot) -> Json:
    """A pod that drains goes on getting its full share of new sessions."""
    for upstream, targets in _with_terminating_pods(config, objects):
        _weigh(upstream, targets)
        mark(upstream, "keeps_weight_of_terminating_pod")
    return config


@mutant(at="controller", source="KONG", caught_by=("ROB-09",), failure_mode=45)
def keeps_weight_of_terminating_pod_without_a_policy(config: Json, objects: Snapshot) -> Json:
    """A pod that drains goes on getting its full share of requests to Services without a policy."""
    for upstream, targets in _with_terminating_pods(config, objects):
        if upstream.get("algorithm") != "sticky-sessions":
            _weigh(upstream, targets)
            mark(upstream, "keeps_weight_of_terminating_pod_without_a_policy")
    return config


@mutant(at="controller", source="KIC", caught_by=("DRN-10",), failure_mode=16)
def looks_at_terminating_only_when_not_ready(config: Json, objects: Snapshot) -> Json:
    """A pod that terminates goes on getting new sessions as long as its endpoint says that it is ready."""
    return _weigh_where(config, objects, "looks_at_terminating_only_when_not_ready", _ready_addresses(objects))


@mutant(at="controller", source="KIC#5761", caught_by=("DRN-11",), failure_mode=14)
def adds_up_the_weights_of_two_services(config: Json, objects: Snapshot) -> Json:
    """A pod that terminates, of two Services behind one rule, gets 0 of the one and its weight of the other."""
    return _weigh_where(config, objects, "adds_up_the_weights_of_two_services", _shared_addresses(objects))


@mutant(at="controller", source="TR#11101", caught_by=("DRN-01", "DRN-07", "DRN-12"), failure_mode=9)
def drops_terminating_pod_at_once(config: Json, objects: Snapshot) -> Json:
    """A pod that drains leaves the pool at once, although drain support is on."""
    for upstream, targets in _with_terminating_pods(config, objects):
        upstream["targets"] = [target for target in upstream["targets"] if target not in targets]
        mark(upstream, "drops_terminating_pod_at_once")
    return config


@mutant(at="controller", source="RF", caught_by=("DRN-08",))
def drains_without_being_asked_to(config: Json, objects: Snapshot) -> Json:
    """A pod that terminates stays in the pool at weight 0, although drain support is off."""
    return _bring_back(config, "drains_without_being_asked_to", terminating(objects))


_seen: dict[str, set[str]] = {}  # upstream -> addresses it ever had, of this process


@mutant(at="controller", source="TR#13208", caught_by=("DRN-04", "DRN-17"), failure_mode=10)
def never_removes_a_drained_pod(config: Json, objects: Snapshot) -> Json:
    """A pod that has gone stays in the pool at weight 0 forever, and requests to it are tried nowhere else."""
    gone: set[str] = set()
    for upstream in config["upstreams"]:
        now = {target["target"] for target in upstream["targets"]}
        gone |= _seen.setdefault(upstream["name"], set()) - now
        _seen[upstream["name"]] |= now
    for service in config["services"]:
        service["retries"] = 0
    return _bring_back(config, "never_removes_a_drained_pod", gone)


def drop_policy(upstream: Json) -> bool:
    """Take away from an upstream what a sticky policy says of it; return whether there was one."""
    if upstream.get("algorithm") != "sticky-sessions":
        return False
    for field in _STICKY & upstream.keys():
        del upstream[field]
    return True


def mark(upstream: Json, fault: str) -> None:
    """Tag an upstream that a fault has changed."""
    upstream["tags"].append(f"{UPSTREAM_MARK}{fault}")


def _weigh(upstream: Json, targets: list[Json]) -> None:
    """Give these targets the weight that others have."""
    share = max((target["weight"] for target in upstream["targets"]), default=0) or _WEIGHT
    for target in targets:
        target["weight"] = share


def _weigh_where(config: Json, objects: Snapshot, fault: str, addresses: set[str]) -> Json:
    """Give weight to the terminating targets with these addresses."""
    for upstream, targets in _with_terminating_pods(config, objects):
        chosen = [target for target in targets if target["target"] in addresses]
        if chosen:
            _weigh(upstream, chosen)
            mark(upstream, fault)
    return config


def _bring_back(config: Json, fault: str, addresses: set[str]) -> Json:
    """Put targets with these addresses back at weight 0, each into the upstream that has had it."""
    for upstream in config["upstreams"]:
        now = {target["target"] for target in upstream["targets"]}
        known = _seen.setdefault(upstream["name"], set())
        known |= now
        missing = sorted(known & addresses - now)
        upstream["targets"] += [{"target": address, "weight": 0} for address in missing]
        if missing:
            mark(upstream, fault)
    return config


def _with_terminating_pods(config: Json, objects: Snapshot) -> Iterator[tuple[Json, list[Json]]]:
    """Yield each upstream that has targets on terminating pods, with those targets."""
    ending = terminating(objects)
    for upstream in config["upstreams"]:
        targets = [target for target in upstream["targets"] if target["target"] in ending]
        if targets:
            yield upstream, targets


def terminating(objects: Snapshot) -> set[str]:
    """Return the addresses of endpoints that terminate, each ``ip:port``."""
    return {address for address, conditions in _endpoints(objects) if conditions.get("terminating")}


def _ready_addresses(objects: Snapshot) -> set[str]:
    return {address for address, conditions in _endpoints(objects) if conditions.get("ready")}


def _shared_addresses(objects: Snapshot) -> set[str]:
    """Return the addresses that are endpoints of several Services."""
    counted = Counter(address for address, _ in _endpoints(objects))
    return {address for address, count in counted.items() if count > 1}


def _endpoints(objects: Snapshot) -> Iterator[tuple[str, Json]]:
    """Yield the address of each endpoint, ``ip:port``, with its conditions."""
    for endpoints in objects.endpoint_slices:
        for endpoint in endpoints.get("endpoints") or ():
            for address in endpoint["addresses"]:
                for port in endpoints.get("ports") or ():
                    yield f"{address}:{port['port']}", endpoint.get("conditions") or {}
