"""What happens to an object when it comes in, before any rule of its kind: unknown fields, nulls, wrong JSON types.

For built-in kinds a wrong type is 400, as it is if Go cannot decode it; for custom resources it is found later, by
validation, and is 422.
"""

from __future__ import annotations

from typing import Any

from embedded_cluster.apiserver import schema as structural
from embedded_cluster.apiserver import typed
from embedded_cluster.apiserver.fielderrors import FieldError
from embedded_cluster.apiserver.kinds import Kind
from embedded_cluster.apiserver.status import bad_request

JsonObject = dict[str, Any]


def decode(kind: Kind, obj: JsonObject, field_validation: str) -> list[str]:
    """Drop, in place, what the kind does not know; returns warnings about it.

    *field_validation* is the request's ``fieldValidation``: ``Ignore``, ``Warn`` (also for "") or ``Strict``.
    Raises ``ApiError`` 400 for unknown fields under ``Strict``, and for values of the wrong type.
    """
    if field_validation not in ("", "Ignore", "Warn", "Strict"):
        supported = "supported values: Ignore, Strict, Warn"
        raise bad_request(f"fieldValidation: Unsupported value: {field_validation!r}: {supported}")
    metadata = obj["metadata"]
    structural.default(typed.metadata_schema(), metadata)  # it has no defaults: this drops nulls
    unknown = structural.prune(typed.metadata_schema(), metadata, "metadata", root=False)
    errors = structural.validate(typed.metadata_schema(), metadata, "metadata")
    if kind.custom is not None:
        unknown += kind.custom.prune(obj)
    else:
        schema = typed.schema_of(kind)
        structural.default(schema, obj)
        unknown += structural.prune(schema, obj)
        errors += structural.validate(schema, obj)
    if errors:
        raise bad_request(_undecodable(kind, _go_text(kind, errors[0])))
    found = [f'unknown field "{path}"' for path in unknown]
    if found and field_validation == "Strict":
        raise bad_request(_undecodable(kind, f"strict decoding error: {', '.join(found)}"))
    return [] if field_validation == "Ignore" else found


def _undecodable(kind: Kind, why: str) -> str:
    return f'{kind.name} in version "{kind.version}" cannot be handled as a {kind.name}: {why}'


def _go_text(kind: Kind, error: FieldError) -> str:
    """*error*, which says "... must be of type WANTED: "ACTUAL"", in the words of Go's JSON decoder."""
    _, _, rest = error.message.partition(" must be of type ")
    wanted, _, actual = rest.partition(": ")
    actual = actual.strip('"').replace("boolean", "bool")
    return f"json: cannot unmarshal {actual} into Go struct field {kind.name}.{error.path} of type {wanted}"
