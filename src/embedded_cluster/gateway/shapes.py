"""What the Admin API shows of an entity beside its fields: a target's health, its tags, its type's schema."""

from collections.abc import Iterator
from typing import Any

from embedded_cluster.environment import Listener
from embedded_cluster.gateway.entities import SCHEMAS, Entity, Field

_SCHEMA_TYPES = {"reference": "foreign"}
_COUNTED = ("interval", "successes", "http_failures", "tcp_failures", "timeouts")


def listener(at: Listener) -> Entity:
    """Return one listener as the root shows it."""
    host, port = at.address.host, at.address.port
    said = f"{host}:{port} ssl" if at.tls else f"{host}:{port}"
    return {"ip": host, "port": port, "listener": said, "ssl": at.tls, "http2": True}


def health(target: Entity, upstream: Entity) -> Entity:
    """Return what is said of a target's health: nothing is known of it unless its *upstream* has health checks."""
    host, _, port = target["target"].rpartition(":")
    known = "HEALTHY" if _checked(upstream) else "HEALTHCHECKS_OFF"
    shown = {"ip": host, "port": int(port), "health": known, "weight": target["weight"]}
    weight = {"total": target["weight"], "available": target["weight"], "unavailable": 0}
    return {"health": known, "data": {"host": host, "port": int(port), "addresses": [shown], "weight": weight}}


def tags(entities: dict[str, list[Entity]]) -> Iterator[Entity]:
    """Yield every tag of every entity."""
    for kind, members in entities.items():
        for entity in members:
            for tag in entity.get("tags") or ():
                yield {"tag": tag, "entity_name": kind, "entity_id": entity["id"]}


def schema(kind: str, *, sticky_sessions: bool) -> Entity | None:
    """Return the schema of a type of entities (``upstreams``), in a release with or without *sticky_sessions*."""
    fields = SCHEMAS.get(kind)
    if fields is None:
        return None
    shown = {name: one for name, one in fields.items() if sticky_sessions or not name.startswith("sticky_sessions_")}
    return {"fields": [{name: _field(one)} for name, one in shown.items()]}


def _field(one: Field) -> Entity:
    said: dict[str, Any] = {"type": _SCHEMA_TYPES.get(one.kind, one.kind), "required": one.required}
    if one.default is not None:
        said["default"] = one.default
    if one.one_of:
        said["one_of"] = list(one.one_of)
    if one.between:
        said["between"] = list(one.between)
    if one.each:
        said["elements"] = _field(one.each)
    return said


def _checked(upstream: Entity) -> bool:
    """Whether any health check is on: each is off while its intervals and counts are 0."""
    checks = upstream.get("healthchecks") or {}
    states = [
        (checks.get(way) or {}).get(state) or {} for way in ("active", "passive") for state in ("healthy", "unhealthy")
    ]
    return any(state.get(count) for state in states for count in _COUNTED)
