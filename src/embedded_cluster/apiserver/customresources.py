"""CustomResourceDefinitions: from a definition to the kinds it has the server serve."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from embedded_cluster.apiserver import schema as structural
from embedded_cluster.apiserver.customversion import CustomVersion
from embedded_cluster.apiserver.fielderrors import FieldError
from embedded_cluster.apiserver.jsonpath import compile_path
from embedded_cluster.apiserver.kinds import Kind

if TYPE_CHECKING:
    from embedded_cluster.apiserver.cel import RuleBook

JsonObject = dict[str, Any]


def kinds_of(definition: JsonObject) -> list[Kind]:
    """The kinds that a valid CustomResourceDefinition defines: one per served version."""
    spec = definition["spec"]
    names = spec["names"]
    kinds: list[Kind] = []
    for version in spec["versions"]:
        if not version.get("served"):
            continue
        subresources = version.get("subresources") or {}
        schema, rules = _compiled(json.dumps((version.get("schema") or {}).get("openAPIV3Schema") or {}))
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
                    schema=schema,
                    rules=rules,
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


@lru_cache(maxsize=64)
def _compiled(text: str) -> tuple[structural.Schema, RuleBook | None]:
    """A schema, from its JSON text, and its CEL rules if it has any. Raises ``ValueError`` for a bad rule."""
    schema: structural.Schema = json.loads(text)
    if '"x-kubernetes-validations"' not in text:
        return schema, None
    # Late: cel-python takes a while to import, and many clusters have no rules.
    from embedded_cluster.apiserver.cel import RuleBook

    return schema, RuleBook(schema)


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
    return errors or _schema_errors(definition)


def _schema_errors(definition: JsonObject) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, version in enumerate(definition["spec"]["versions"]):
        path = f"spec.versions[{index}]"
        try:
            _compiled(json.dumps(version["schema"]["openAPIV3Schema"]))
        except (ValueError, re.error) as error:
            errors.append(FieldError.invalid(f"{path}.schema", "openAPIV3Schema", str(error)))
        for at, column in enumerate(version.get("additionalPrinterColumns") or []):
            try:
                compile_path(column.get("jsonPath", ""))
            except ValueError as error:
                where = f"{path}.additionalPrinterColumns[{at}].jsonPath"
                errors.append(FieldError.invalid(where, column.get("jsonPath"), str(error)))
    return errors
