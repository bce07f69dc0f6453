"""The cluster at one moment, as the translation sees it: objects as the API has them, each with its kind."""

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

CONTROLLER_NAME = "konghq.com/kic-gateway-controller"
GATEWAY_GROUP = "gateway.networking.k8s.io"
_PREFIX = "konghq.com/"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All objects of the kinds that matter. They are not changed."""

    namespaces: tuple[Object, ...] = ()
    services: tuple[Object, ...] = ()
    endpoint_slices: tuple[Object, ...] = ()
    ingress_classes: tuple[Object, ...] = ()
    ingresses: tuple[Object, ...] = ()
    gateway_classes: tuple[Object, ...] = ()
    gateways: tuple[Object, ...] = ()
    http_routes: tuple[Object, ...] = ()
    reference_grants: tuple[Object, ...] = ()
    policies: tuple[Object, ...] = ()
    secrets: tuple[Object, ...] = ()

    def service(self, namespace: str, name: str) -> Object | None:
        """The Service of that name, or None."""
        return find(self.services, namespace, name)

    def slices_of(self, service: Object) -> list[Object]:
        """The EndpointSlices of *service*."""
        namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
        return [
            endpoints
            for endpoints in self.endpoint_slices
            if endpoints["metadata"]["namespace"] == namespace
            and endpoints["metadata"].get("labels", {}).get("kubernetes.io/service-name") == name
        ]


def find(objects: tuple[Object, ...], namespace: str, name: str) -> Object | None:
    """The one of *objects* with that name, or None; *namespace* is empty for kinds without."""
    return next(
        (o for o in objects if o["metadata"]["name"] == name and o["metadata"].get("namespace", "") == namespace), None
    )


def annotation(obj: Object, name: str) -> str:
    """The value of the annotation ``konghq.com/<name>``; empty when there is none."""
    return str((obj["metadata"].get("annotations") or {}).get(_PREFIX + name, ""))


def differing_annotations(objects: list[Object]) -> list[str]:
    """The names of Kong's annotations that *objects* do not all have with the same value, sorted."""
    carried = [obj["metadata"].get("annotations") or {} for obj in objects]
    names = {name for annotations in carried for name in annotations if name.startswith(_PREFIX)}
    return sorted(name for name in names if len({annotations.get(name) for annotations in carried}) > 1)


def full_name(obj: Object) -> str:
    """``namespace/name``."""
    return f"{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"


def tags(obj: Object) -> list[str]:
    """What KIC puts on every Kong entity: which Kubernetes object it comes from."""
    group, _, version = obj["apiVersion"].rpartition("/")
    metadata = obj["metadata"]
    about = {
        "name": metadata["name"],
        "namespace": metadata.get("namespace"),
        "kind": obj["kind"],
        "uid": metadata.get("uid"),
        "group": group,
        "version": version,
    }
    return [f"k8s-{key}:{value}" for key, value in about.items() if value]
