"""Kong's declarative configuration: from the posted document to entities that refer to each other by id.

Nested entities (a service's routes, an upstream's targets, the plugins of either) are taken out, names in
references become ids, missing ids are derived from names, so the same document always gives the same ids.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from embedded_cluster.gateway.entities import (
    SCHEMAS,
    Entity,
    Fault,
    complete,
    faults,
    unknown_before_sticky_sessions,
)

NO_CONFIGURATION = "0" * 32  # what Kong calls the hash of a node that has no entities
# What becomes of sessions while every target has weight 0. Kong's open-source core answers 503 before it asks an
# algorithm; what Enterprise does is not known.
SERVED, REFUSED = "served", "refused"
DRAINED = (SERVED, REFUSED)
FORMAT_VERSIONS = ("1.1", "2.1", "3.0")

# Accepted and shown by GET /config, but nothing in this gateway acts on them.
_KEPT = {
    "acls", "basicauth_credentials", "ca_certificates", "consumer_group_consumers", "consumer_groups",
    "consumers", "custom_plugins", "filter_chains", "hmacauth_secrets", "jwt_secrets", "key_sets",
    "keyauth_credentials", "keys", "licenses", "mtls_auth_credentials", "oauth2_credentials", "parameters", "partials",
    "vaults",
}  # fmt: skip
_NESTED = {
    "services": {"routes": "service", "plugins": "service"},
    "routes": {"plugins": "route"},
    "upstreams": {"targets": "upstream"},
    "certificates": {"snis": "certificate"},
}
_REFERENCES = {
    "routes": {"service": "services"},
    "targets": {"upstream": "upstreams"},
    "plugins": {"service": "services", "route": "routes"},
    "snis": {"certificate": "certificates"},
}


@dataclass(frozen=True, slots=True)
class Declaration:
    """A configuration that has passed: the posted *document*, its *hash*, and its entities by type."""

    document: Entity
    hash: str
    entities: dict[str, list[Entity]]

    def find(self, entity_type: str, name_or_id: str) -> Entity | None:
        """Return the entity with that name or id; None when there is none."""
        return next(
            (e for e in self.entities[entity_type] if name_or_id in (e["id"], e.get("name"))),
            None,
        )

    def without_drained(self) -> "Declaration":
        """Return it as a Kong balances it that looks for a target with a weight before it asks the algorithm.

        An upstream none of whose targets has a weight then has none, and sessions of theirs get what new ones get.
        """
        every = self.entities["targets"]
        balanced = [target["upstream"] for target in every if target["weight"]]
        targets = [target for target in every if target["upstream"] in balanced]
        return replace(self, entities={**self.entities, "targets": targets})

    def referring(self, entity_type: str, reference: str, entity: Entity) -> list[Entity]:
        """Return the entities of a type whose *reference* field names *entity*, in the order declared."""
        return [e for e in self.entities[entity_type] if (e[reference] or {}).get("id") == entity["id"]]


EMPTY = Declaration({"_format_version": "3.0"}, NO_CONFIGURATION, {kind: [] for kind in SCHEMAS})


class NotADeclarationError(Exception):
    """What was posted is a list, over which a Kong stumbles."""


@dataclass(frozen=True, slots=True)
class Faulty:
    """An entity with what is wrong with it: its type and, *posted*, what the document says of it and of no other."""

    kind: str
    posted: Entity
    faults: list[Fault]


class InvalidDeclarationError(Exception):
    """The document is refused; the message says everything that is wrong with it."""

    def __init__(self, faulty: list[Faulty], fields: dict[str, str]) -> None:
        """Take the *faulty* entities, and messages about *fields* of the document itself."""
        self._faulty, self._fields = faulty, fields
        super().__init__(_invalid([*_of_fields(fields), *_of_entities(faulty)]))

    def answer(self, *, flattened: bool) -> Entity:
        """Return the body that says why, in Kong's shape.

        *flattened*: what is wrong with entities is in a list, one by one, and no longer in the message.
        """
        said = [*_of_fields(self._fields), *(() if flattened else _of_entities(self._faulty))]
        body = {
            "code": 14,
            "name": "invalid declarative configuration",
            "message": _invalid(said),
            "fields": self._fields,
        }
        return {**body, "flattened_errors": [_flattened(one) for one in self._faulty]} if flattened else body


def parse(document: Any, *, sticky_sessions: bool = True) -> Declaration:
    """Check and complete a posted document, as a release that has *sticky_sessions* does, or as an older one.

    Raises :class:`InvalidDeclarationError` naming everything that is wrong with it, :class:`NotADeclarationError` for a
    list.
    """
    if isinstance(document, list):
        raise NotADeclarationError
    fields = dict(_wrong_sections(document))
    if fields:
        raise InvalidDeclarationError([], fields)
    taken = _Taken()
    for kind in SCHEMAS:
        for entity in document.get(kind) or ():
            taken.take(kind, entity)
    entities, wrong = taken.entities, _Wrong(taken.posted)
    for kind, members in entities.items():
        for entity in members:
            wrong.add(kind, entity, faults(kind, entity))
            if kind == "upstreams" and not sticky_sessions:
                wrong.add(kind, entity, unknown_before_sticky_sessions(entity))
        _require_unique(kind, members, wrong)
    if wrong.entries:
        raise InvalidDeclarationError(list(wrong.entries.values()), {})
    # As with Kong, in a second pass, and as faults of the document: a list of entities says nothing of them.
    if dangling := dict(_resolve_references(entities)):
        raise InvalidDeclarationError([], dangling)
    return Declaration(document, configuration_hash(document), entities)


def configuration_hash(document: Entity) -> str:
    """Return 32 hexadecimal digits that change with the document's content, not with its layout.

    As with Kong, a document that declares no entity has the hash of a node that has none.
    """
    if not any(content for section, content in document.items() if not section.startswith("_")):
        return NO_CONFIGURATION
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@dataclass
class _Taken:
    """The entities of a document by kind, and of each what was *posted* of it alone, by the entity's identity."""

    entities: dict[str, list[Entity]] = field(default_factory=lambda: {kind: [] for kind in SCHEMAS})
    posted: dict[int, Entity] = field(default_factory=dict)

    def take(self, kind: str, entity: Entity, parent: Entity | None = None) -> None:
        """Put *entity* among its kind and, for their own kinds, the entities nested in it."""
        nested = {section: entity[section] or () for section in _NESTED.get(kind, ()) if section in entity}
        alone = {name: value for name, value in entity.items() if name not in nested}
        own = complete(kind, {**alone, **(parent or {})})
        own["id"] = own["id"] or _derived_id(kind, own, len(self.entities[kind]))
        self.entities[kind].append(own)
        self.posted[id(own)] = alone
        for section, members in nested.items():
            for member in members:
                self.take(section, member, {_NESTED[kind][section]: {"id": own["id"]}})


@dataclass
class _Wrong:
    """The entities found wrong so far, each once, with all that is wrong with it, by the entity's identity."""

    posted: dict[int, Entity]
    entries: dict[int, Faulty] = field(default_factory=dict)

    def add(self, kind: str, entity: Entity, found: Iterator[Fault] | list[Fault]) -> None:
        for fault in found:
            entry = self.entries.setdefault(id(entity), Faulty(kind, self.posted[id(entity)], []))
            entry.faults.append(fault)


def _wrong_sections(document: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(document, dict):
        yield "", "expected a declarative configuration (JSON or YAML)"
        return
    if "_format_version" not in document:
        yield "_format_version", "required field missing"
    elif document["_format_version"] not in FORMAT_VERSIONS:
        yield "_format_version", f"expected one of: {', '.join(FORMAT_VERSIONS)}"
    for section, content in document.items():
        if section.startswith("_"):
            continue
        if section not in SCHEMAS and section not in _KEPT:
            yield section, "unknown field"
        elif content is not None and not (isinstance(content, list) and all(isinstance(e, dict) for e in content)):
            yield section, "expected an array of records"


def _derived_id(kind: str, entity: Entity, position: int) -> str:
    parent = next((_named(entity[ref]) for ref in _REFERENCES.get(kind, ()) if entity[ref]), "")
    name = entity.get("name") or entity.get("target") or position
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{parent}/{name}"))


def _named(reference: Any) -> str:
    return str(reference.get("id") or reference.get("name")) if isinstance(reference, dict) else str(reference)


def _require_unique(kind: str, members: list[Entity], wrong: _Wrong) -> None:
    if kind in ("plugins", "certificates"):
        return
    seen: set[tuple[str, str]] = set()
    for entity in members:
        unique = "target" if kind == "targets" else "name"
        key = (_named(entity.get("upstream")), str(entity[unique]))
        if entity[unique] is not None and key in seen:
            said = f"'{kind}' entity with {unique} set to '{entity[unique]}' already declared"
            wrong.add(kind, entity, [Fault(None, f"uniqueness violation: {said}")])
        seen.add(key)


def _resolve_references(entities: dict[str, list[Entity]]) -> Iterator[tuple[str, str]]:
    """Put ids into all references; yield what leads nowhere, by where it stands."""
    for kind, references in _REFERENCES.items():
        for reference, referred in references.items():
            ids = {key: e["id"] for e in entities[referred] for key in (e["id"], e.get("name")) if isinstance(key, str)}
            for entity in entities[kind]:
                if not entity[reference]:
                    continue
                name = _named(entity[reference])
                if name in ids:
                    entity[reference] = {"id": ids[name]}
                else:
                    holder = entity.get("name") or entity.get("target") or entity["id"]
                    yield f"{kind} {holder}: {reference}", f"'{name}' names no entity of '{referred}'"


def _flattened(faulty: Faulty) -> Entity:
    """What Kong says of one entity. Neither name nor id is there if the entity was posted without, as targets are."""
    posted = faulty.posted
    about: Entity = {"entity_type": faulty.kind.removesuffix("s"), "entity": posted}
    about |= {f"entity_{name}": posted[name] for name in ("id", "name", "tags") if posted.get(name)}
    about["errors"] = [
        {"field": fault.field, "message": fault.message, "type": "field"}
        if fault.field is not None
        else {"message": fault.message, "type": "entity"}
        for fault in faulty.faults
    ]
    return about


def _invalid(faults: list[str]) -> str:
    return f"declarative config is invalid: {{{'; '.join(faults)}}}"


def _of_fields(fields: dict[str, str]) -> Iterator[str]:
    yield from (f"{section or 'document'}: {message}" for section, message in fields.items())


def _of_entities(faulty: list[Faulty]) -> Iterator[str]:
    for one in faulty:
        name = one.posted.get("name") or one.posted.get("target") or one.posted.get("id") or "without a name"
        yield from (f"{one.kind.removesuffix('s')} {name}: {f.field or '@entity'}: {f.message}" for f in one.faults)
