"""CustomResourceDefinitions: from a definition to the kinds it has the server serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import schema as structural
from .kinds import Kind
from .status import FieldError

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CustomVersion:
    """What one served version of a definition says about its objects."""

    schema: structural.Schema
    has_status: bool
    columns: tuple[JsonObject, ...]
    scale: JsonObject | None
    selectable_fields: frozenset[str]

    def prune(self, obj: JsonObject) -> list[str]:
        """Drop unknown fields in place; returns their paths."""
        return structural.prune(self.schema, obj)

    def default(self, obj: JsonObject) -> None:
        """Fill in the schema's defaults in place."""
        structural.default(self.schema, obj)

    def validate(self, obj: JsonObject, old: JsonObject | None) -> list[FieldError]:
        """What the schema has against *obj*; *old* is its stored state, None at creation."""
        return structural.validate(self.schema, obj)


def kinds_of(definition: JsonObject) -> list[Kind]:
    """The kinds that a valid CustomResourceDefinition defines: one per served version."""
    spec = definition["spec"]
    names = spec["names"]
    kinds: list[Kind] = []
    for version in spec["versions"]:
        if not version.get("served"):
            continue
        subresources = version.get("subresources") or {}
        kinds.append(
            Kind(
                group=spec["group"],
                version=version["name"],
                name=names["kind"],
                plural=names["plural"],
                namespaced=spec["scope"] == "Namespaced",
                short_names=tuple(names.get("shortNames") or ()),
                categories=tuple(names.get("categories") or ()),
                subresources=frozenset(subresources),
                counts_generation=True,
                blind_update=False,
                singular=names.get("singular", ""),
                list_name=names.get("listKind", ""),
                custom=CustomVersion(
                    schema=(version.get("schema") or {}).get("openAPIV3Schema") or {},
                    has_status="status" in subresources,
                    columns=tuple(version.get("additionalPrinterColumns") or ()),
                    scale=subresources.get("scale"),
                    selectable_fields=frozenset(
                        field["jsonPath"].removeprefix(".") for field in version.get("selectableFields") or ()
                    ),
                ),
            )
        )
    return kinds


def establish(definition: JsonObject, now: str) -> None:
    """Complete a stored definition in place: names it may leave out, and the status that says it is served."""
    spec = definition["spec"]
    names = spec["names"]
    names.setdefault("singular", names["kind"].lower())
    names.setdefault("listKind", names["kind"] + "List")
    spec.setdefault("conversion", {"strategy": "None"})
    stored = [version["name"] for version in spec["versions"] if version.get("storage")]
    before = (definition.get("status") or {}).get("conditions") or []
    times = {condition["type"]: condition.get("lastTransitionTime", now) for condition in before}
    definition["status"] = {
        "acceptedNames": dict(names),
        "conditions": [
            {
                "type": kind,
                "status": "True",
                "reason": reason,
                "message": message,
                "lastTransitionTime": times.get(kind, now),
            }
            for kind, reason, message in (
                ("NamesAccepted", "NoConflicts", "no conflicts found"),
                ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
            )
        ],
        "storedVersions": stored,
    }


def definition_errors(definition: JsonObject) -> list[FieldError]:
    """What is wrong with a CustomResourceDefinition."""
    errors: list[FieldError] = []
    spec = definition.get("spec") or {}
    names = spec.get("names") or {}
    required = {
        "spec.group": spec.get("group"),
        "spec.scope": spec.get("scope"),
        "spec.names.plural": names.get("plural"),
        "spec.names.kind": names.get("kind"),
        "spec.versions": spec.get("versions"),
    }
    errors += [FieldError.required(path) for path, value in required.items() if not value]
    if errors:
        return errors
    if spec["scope"] not in ("Cluster", "Namespaced"):
        errors.append(FieldError.unsupported("spec.scope", spec["scope"], ("Cluster", "Namespaced")))
    wanted = f"{names['plural']}.{spec['group']}"
    name = definition["metadata"]["name"]
    if name != wanted:
        errors.append(FieldError.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    if sum(bool(version.get("storage")) for version in spec["versions"]) != 1:
        errors.append(
            FieldError.invalid(
                "spec.versions", len(spec["versions"]), "must have exactly one version marked as storage version"
            )
        )
    for index, version in enumerate(spec["versions"]):
        path = f"spec.versions[{index}]"
        if not version.get("name"):
            errors.append(FieldError.required(f"{path}.name"))
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            errors.append(FieldError.required(f"{path}.schema.openAPIV3Schema", "schemas are required"))
    return errors
