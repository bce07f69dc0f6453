"""What one version of a CustomResourceDefinition says about its objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedded_cluster.apiserver import schema as structural
from embedded_cluster.apiserver.fielderrors import FieldError

if TYPE_CHECKING:  # cel-python takes a while to import, and many clusters have no rules
    from embedded_cluster.apiserver.cel import RuleBook

JsonObject = dict[str, Any]

# Errors after which an object is too wrong for rules to be evaluated on it.
_BLOCKING = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)
_UNCHECKED = FieldError.invalid(
    "<nil>",
    "null",
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation",
)


@dataclass(frozen=True, slots=True)
class CustomVersion:
    """What one served version of a definition says about its objects."""

    schema: structural.Schema
    rules: RuleBook | None
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
        """What the schema finds wrong with *obj*; *old* is its stored state, None at creation."""
        errors = structural.validate(self.schema, obj)
        if self.rules is None:
            return errors
        if any(error.reason in _BLOCKING for error in errors):
            return [*errors, _UNCHECKED]
        return errors + self.rules.errors(obj, old)
