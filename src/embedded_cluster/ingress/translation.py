"""From a snapshot of the cluster to the declarative configuration of its gateways. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from embedded_cluster.ingress import httproutes, ingresses
from embedded_cluster.ingress.backends import targets
from embedded_cluster.ingress.certificates import kong_certificates
from embedded_cluster.ingress.kongstate import Failure, KongService, never_empty
from embedded_cluster.ingress.policies import PolicyError, governing, require_support, upstream_fields
from embedded_cluster.ingress.snapshot import Object, Snapshot, annotation, differing_annotations, full_name, tags


@dataclass(frozen=True, slots=True)
class Settings:
    """What the translation depends on beside the objects.

    *proxy* is the Service in front of the gateways (namespace, name); *gateway_version* is the oldest gateway's.
    """

    drain: bool
    proxy: tuple[str, str]
    ingress_class: str
    gateway_version: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Translation:
    """A configuration to push, what could not be put into it, and the uids of the objects that are in it."""

    config: Object
    failures: tuple[Failure, ...]
    configured: frozenset[str]


def translate(snapshot: Snapshot, settings: Settings) -> Translation:
    """Translate every route of every kind. What is wrong with one object stays with that object."""
    failures: list[Failure] = []
    services = _from_http_routes(snapshot, settings, failures)
    services += ingresses.kong_services(snapshot, settings.ingress_class, failures)
    services.sort(key=lambda service: service.name)
    served = list(_agreeing(services, failures))
    config: Object = {
        "_format_version": "3.0",
        "services": [service.as_kong(_tags(service)) for service in served],
        "upstreams": [
            _upstream(snapshot, settings, service, failures) if service in served else _empty(service)
            for service in services
        ],
    }
    if held := kong_certificates(snapshot, proxy_service(snapshot, settings), settings.ingress_class, failures):
        config["certificates"] = held
    configured = {parent["metadata"]["uid"] for service in served for parent in service.parents}
    configured |= {obj["metadata"]["uid"] for service in services for obj in service.kubernetes_services}
    return Translation(never_empty(config), tuple(failures), frozenset(configured))


def proxy_service(snapshot: Snapshot, settings: Settings) -> Object | None:
    """The Service in front of the gateways, or None while there is none."""
    return snapshot.service(*settings.proxy)


def _from_http_routes(snapshot: Snapshot, settings: Settings, failures: list[Failure]) -> list[KongService]:
    services: list[KongService] = []
    proxy = proxy_service(snapshot, settings)
    for route in sorted(snapshot.http_routes, key=full_name):
        try:
            services += httproutes.kong_services(snapshot, route, proxy, failures)
        except httproutes.UnroutableError as error:
            failures.append(Failure(f"HTTPRoute can't be routed: {error}", (route,)))
    return services


def _agreeing(services: list[KongService], failures: list[Failure]) -> Iterator[KongService]:
    """Yield those whose Services have the same annotations of Kong's; of the others KIC 3.5 serves nothing."""
    for service in services:
        differing = differing_annotations(service.kubernetes_services)
        for behind in service.kubernetes_services if differing else ():
            failures += [
                Failure(
                    f"Service has inconsistent {name} annotation and is used in multi-Service backend {service.name}. "
                    "This annotation must have the same value across all Services in the backend.",
                    (behind,),
                )
                for name in differing
            ]
        if not differing:
            yield service


# KIC's for a rule whose Services do not exist.
_NOBODYS_TAGS = [
    "k8s-name:UNKNOWN",
    "k8s-namespace:UNKNOWN",
    "k8s-kind:Service",
    "k8s-uid:00000000-0000-0000-0000-000000000000",
    "k8s-group:core",
    "k8s-version:v1",
]


def _tags(service: KongService) -> list[str]:
    """One Service's own tags; of several, those of the object that joins them."""
    behind = service.kubernetes_services
    if not behind:
        return _NOBODYS_TAGS
    return tags(behind[0] if len(behind) == 1 else service.parents[0])


def _empty(service: KongService) -> Object:
    return {"name": service.host, "tags": _tags(service), "targets": []}


def _upstream(snapshot: Snapshot, settings: Settings, service: KongService, failures: list[Failure]) -> Object:
    behind = service.kubernetes_services
    upstream: Object = {
        "name": service.host,
        "tags": _tags(service),
        "targets": targets(snapshot, service.backends, drain=settings.drain),
    }
    if host_header := next(filter(None, (annotation(s, "host-header") for s in behind)), None):
        upstream["host_header"] = host_header
    try:
        if behind and (policy := governing(snapshot, behind)):
            require_support(policy, settings.gateway_version)
            upstream |= upstream_fields(policy)
    except PolicyError as error:
        # Traffic goes on without the policy.
        failures.append(Failure(str(error), tuple(behind)))
    return upstream
