"""What is wrong with one field of an object, as kube-apiserver says it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that is wrong: its path (``spec.ports[0].port``), the reason code and the text behind the path."""

    path: str
    reason: str
    message: str

    def __str__(self) -> str:
        """``PATH: MESSAGE``."""
        return f"{self.path}: {self.message}"

    @classmethod
    def required(cls, path: str, detail: str = "") -> FieldError:
        """The field is missing."""
        return cls(path, "FieldValueRequired", f"Required value: {detail}" if detail else "Required value")

    @classmethod
    def invalid(cls, path: str, value: object, detail: str) -> FieldError:
        """The value is not acceptable; *detail* says why."""
        return cls(path, "FieldValueInvalid", f"Invalid value: {_shown(value)}: {detail}")

    @classmethod
    def type_invalid(cls, path: str, value: object, detail: str) -> FieldError:
        """The value has the wrong JSON type."""
        return cls(path, "FieldValueTypeInvalid", f"Invalid value: {_shown(value)}: {detail}")

    @classmethod
    def unsupported(cls, path: str, value: object, supported: Iterable[object]) -> FieldError:
        """The value is not one of those *supported*."""
        listed = ", ".join(_shown(item) for item in supported)
        return cls(path, "FieldValueNotSupported", f"Unsupported value: {_shown(value)}: supported values: {listed}")

    @classmethod
    def duplicate(cls, path: str, value: object) -> FieldError:
        """The value is twice in a list of unique ones."""
        return cls(path, "FieldValueDuplicate", f"Duplicate value: {_shown(value)}")

    @classmethod
    def forbidden(cls, path: str, detail: str) -> FieldError:
        """The field may not be set here, or not be changed."""
        return cls(path, "FieldValueForbidden", f"Forbidden: {detail}")

    @classmethod
    def too_long(cls, path: str, limit: int) -> FieldError:
        """The text has more than *limit* bytes."""
        return cls(path, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")

    @classmethod
    def too_many(cls, path: str, count: int, limit: int) -> FieldError:
        """The list or map has more than *limit* items."""
        return cls(path, "FieldValueTooMany", f"Too many: {count}: must have at most {limit} items")


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
