"""What a route of any kind is translated into, before targets and policies are known."""

from dataclasses import dataclass, field

from embedded_cluster.ingress.backends import Backend
from embedded_cluster.ingress.snapshot import Object, annotation

_PROTOCOLS = ("grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp", "ws", "wss")
_TIMEOUT = 60_000  # milliseconds
_STUB = "kong"  # StubUpstreamName in KIC's deckgen


@dataclass(frozen=True, slots=True)
class Failure:
    """Something about *objects* that could not be translated. Each gets an event that says *message*."""

    message: str
    objects: tuple[Object, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """Equal for the same failure of the same objects, no matter what else has changed about them."""
        return (self.message, *(str(obj["metadata"]["uid"]) for obj in self.objects))


@dataclass(slots=True)
class KongService:
    """A Kong service, named as its upstream is (*host*), its routes, and the Services behind it."""

    name: str
    host: str
    parents: list[Object]  # the routes it comes from; only Ingresses share one
    path: str | None = None
    routes: list[Object] = field(default_factory=list)
    plugins: list[Object] = field(default_factory=list)
    backends: list[Backend] = field(default_factory=list)

    @property
    def kubernetes_services(self) -> list[Object]:
        """The Services behind it, each once."""
        return list({service["metadata"]["uid"]: service for service in (b.service for b in self.backends)}.values())

    def as_kong(self, tags: list[str]) -> Object:
        """The entity with its routes and plugins nested, as annotations of its Services would have it."""
        entity: Object = {
            "name": self.name,
            "host": self.host,
            "port": self.backends[-1].port["port"] if self.backends else 80,
            "protocol": "http",
            "connect_timeout": _TIMEOUT,
            "read_timeout": _TIMEOUT,
            "write_timeout": _TIMEOUT,
            "retries": 5,
            "tags": tags,
            "routes": self.routes,
        }
        if self.path:
            entity["path"] = self.path
        if self.plugins:
            entity["plugins"] = self.plugins
        for service in sorted(self.kubernetes_services, key=lambda s: str(s["metadata"]["name"])):
            entity |= _service_overrides(service)
        return entity


def never_empty(config: Object) -> Object:
    """*config* or, if it declares nothing, KIC's stub: without any entity a Kong without a database is never ready."""
    if config["services"] or config["upstreams"]:
        return config
    return {**config, "upstreams": [{"name": _STUB, "tags": [], "targets": []}]}


def route_overrides(obj: Object) -> Object:
    """The fields of a Kong route that annotations of its HTTPRoute or Ingress set. Others' values are ignored."""
    fields: Object = {}
    for name, field_name in (("strip-path", "strip_path"), ("preserve-host", "preserve_host")):
        if (value := annotation(obj, name).lower()) in ("true", "false"):
            fields[field_name] = value == "true"
    if protocols := _listed(obj, "protocols", _PROTOCOLS):
        fields["protocols"] = protocols
    if methods := _listed(obj, "methods"):
        fields["methods"] = methods
    if (priority := annotation(obj, "regex-priority")).lstrip("-").isdigit():
        fields["regex_priority"] = int(priority)
    return fields


def _service_overrides(service: Object) -> Object:
    fields: Object = {}
    for name in ("connect-timeout", "read-timeout", "write-timeout", "retries"):
        if (value := annotation(service, name)).isdigit():
            fields[name.replace("-", "_")] = int(value)
    if (path := annotation(service, "path")).startswith("/"):
        fields["path"] = path
    if (protocol := annotation(service, "protocol")) in _PROTOCOLS:
        fields["protocol"] = protocol
    return fields


def _listed(obj: Object, name: str, allowed: tuple[str, ...] | None = None) -> list[str]:
    values = [value.strip() for value in annotation(obj, name).split(",") if value.strip()]
    return values if allowed is None or set(values) <= set(allowed) else []
