"""``x-kubernetes-validations``: the CEL rules of custom resources, evaluated by cel-python.

Kubernetes documentation, "Extend the Kubernetes API with CustomResourceDefinitions", "Validation rules"; the texts of
errors: ``k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go``. Of Kubernetes' CEL libraries only the
string functions below are here; a rule that uses anything else is refused with its definition or fails with a message
that says so. Dates and durations stay strings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import celpy
from celpy import celtypes
from celpy.adapter import json_to_cel
from celpy.celparser import CELParseError
from celpy.evaluation import CELEvalError, CELUnsupportedError

from embedded_cluster.apiserver.celtables import keep_tables
from embedded_cluster.apiserver.fielderrors import FieldError
from embedded_cluster.apiserver.schema import Schema, type_name, walk

JsonObject = dict[str, Any]

RULES = "x-kubernetes-validations"
MOST_KEPT = 10_000
"""How many values are remembered as ones that satisfy a rule. Then they are forgotten, and it begins anew."""

_RESERVED_WORDS = """
    true false null in as break const continue else for function if import let loop package namespace return var void
    while
"""
_RESERVED = frozenset(_RESERVED_WORDS.split())
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_SELF = re.compile(r"\bself\b(?:\.(\w+))?")


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule.

    *reads* are the fields of ``self`` the rule looks at, None if it looks at ``self`` as a whole; *transition* says
    that it compares with ``oldSelf``.
    """

    text: str
    message: str
    field_path: str
    reason: str
    transition: bool
    reads: frozenset[str] | None
    program: celpy.Runner
    message_program: celpy.Runner | None


class RuleBook:
    """The compiled rules of one schema."""

    def __init__(self, schema: Schema) -> None:
        """Compile every rule in *schema*. Raises ``ValueError`` naming one that is not understood."""
        keep_tables()
        self._environment = celpy.Environment()
        self._rules: dict[int, list[Rule]] = {}
        self._satisfied: set[tuple[int, str]] = set()  # the identity of a rule, and a value as JSON
        # Rules are found by the identity of their schema node: keep the schema, so that no id is used again.
        self._schema = schema
        self._compile(schema, "openAPIV3Schema")

    def __len__(self) -> int:
        """How many rules there are."""
        return sum(len(rules) for rules in self._rules.values())

    def errors(self, obj: JsonObject, old: JsonObject | None) -> list[FieldError]:
        """What the rules find wrong with *obj*, whose stored state is *old* (None at creation).

        A rule without ``oldSelf`` is skipped if what it reads has not changed: it was satisfied when that was
        stored, or the definition has changed since, and then an unrelated update is not refused for it either
        (Kubernetes calls that ratcheting).
        """
        found: list[FieldError] = []
        old_root = _root(old) if old is not None else None
        for schema, value, before, path in walk(self._schema, _root(obj), old_root):
            rules = self._rules.get(id(schema))
            if not rules or value is None:
                continue
            due = [rule for rule in rules if _is_due(rule, value, before)]
            found += self._errors_at(due, schema, value, before, path) if due else ()
        return found

    def _errors_at(self, due: list[Rule], schema: Schema, value: Any, before: Any, path: str) -> Iterator[FieldError]:
        """What rules find wrong with one value. Most values come again and again, and a rule takes milliseconds."""
        text, values = json.dumps(value, sort_keys=True), dict[str, Any]()
        for rule in due:
            known = id(rule), text
            if known in self._satisfied and not rule.transition:
                continue
            values = values or _bindings(schema, value, before)
            wrong = list(self._check(rule, values, schema, value, path))
            if not wrong and not rule.transition:
                if len(self._satisfied) >= MOST_KEPT:
                    self._satisfied.clear()
                self._satisfied.add(known)
            yield from wrong

    def _check(self, rule: Rule, values: dict[str, Any], schema: Schema, value: Any, path: str) -> Iterator[FieldError]:
        kind = schema.get("type") or type_name(value)
        where = (path + rule.field_path).lstrip(".") or "<nil>"
        try:
            if rule.program.evaluate(values):
                return
        except (CELEvalError, CELUnsupportedError) as error:
            shown = rule.message or rule.text
            yield FieldError.invalid(where, kind, f"{_reason(error)} evaluating rule: {shown}")
            return
        yield _failure(rule, where, kind, self._message(rule, values))

    @staticmethod
    def _message(rule: Rule, values: dict[str, Any]) -> str:
        if rule.message_program is not None:
            try:
                text = str(rule.message_program.evaluate(values))
            except (CELEvalError, CELUnsupportedError):
                text = ""  # as documented: the message field, or the default, is used instead
            if text.strip() and "\n" not in text:
                return text
        return rule.message or f"failed rule: {rule.text}"

    def _compile(self, schema: Schema, path: str) -> None:
        rules: list[Rule] = []
        for index, declared in enumerate(schema.get(RULES) or []):
            at = f"{path}.{RULES}[{index}]"
            if declared.get("optionalOldSelf"):
                raise ValueError(f"{at}.optionalOldSelf: optional values are not supported by this server")
            text = declared["rule"].strip()
            reads = {match[1] for match in _SELF.finditer(text)}
            message = declared.get("messageExpression")
            rules.append(
                Rule(
                    text=text,
                    message=declared.get("message", ""),
                    field_path=declared.get("fieldPath", ""),
                    reason=declared.get("reason", "FieldValueInvalid"),
                    transition="oldSelf" in text,
                    reads=frozenset(reads) if None not in reads else None,
                    program=self._program(text, f"{at}.rule"),
                    message_program=self._program(message, f"{at}.messageExpression") if message else None,
                )
            )
        if rules:
            self._rules[id(schema)] = rules
        for name, below in (schema.get("properties") or {}).items():
            self._compile(below, f"{path}.properties[{name}]")
        for name in ("items", "additionalProperties"):
            if isinstance(schema.get(name), dict):
                self._compile(schema[name], f"{path}.{name}")

    def _program(self, text: str, path: str) -> celpy.Runner:
        try:
            return self._environment.program(self._environment.compile(text), functions=_FUNCTIONS)
        except CELParseError as error:
            raise ValueError(f"{path}: cannot compile {text!r}: {error}") from None


def _is_due(rule: Rule, value: Any, before: Any) -> bool:
    if rule.transition:
        return before is not None
    if before is None:
        return True
    if rule.reads is None or not isinstance(value, dict) or not isinstance(before, dict):
        return bool(value != before)
    return any(value.get(_unescaped(name)) != before.get(_unescaped(name)) for name in rule.reads)


def _failure(rule: Rule, where: str, kind: str, message: str) -> FieldError:
    match rule.reason:
        case "FieldValueForbidden":
            return FieldError.forbidden(where, message)
        case "FieldValueRequired":
            return FieldError.required(where, message)
        case "FieldValueDuplicate":
            return FieldError.duplicate(where, kind)
        case _:
            return FieldError.invalid(where, kind, message)


def _reason(error: Exception) -> str:
    first = error.args[0] if error.args else error
    return re.sub(r"^no such member in mapping: '(.*)'$", r"no such key: \1", str(first))


def _root(obj: JsonObject) -> JsonObject:
    """What ``self`` is at the root: of the metadata, rules see only the name."""
    metadata = {key: obj["metadata"][key] for key in ("name", "generateName") if key in obj["metadata"]}
    return {**obj, "metadata": metadata}


def _bindings(schema: Schema, value: Any, before: Any) -> dict[str, Any]:
    values = {"self": _to_cel(schema, value)}
    if before is not None:
        values["oldSelf"] = _to_cel(schema, before)
    return values


def _to_cel(schema: Any, value: Any) -> Any:
    """A JSON value as CEL sees it: property names escaped, keys of maps as they are."""
    schema = schema if isinstance(schema, dict) else {}
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        extra = schema.get("additionalProperties")
        return celtypes.MapType(
            {
                celtypes.StringType(_escaped(key) if key in properties else key): _to_cel(
                    properties.get(key, extra), item
                )
                for key, item in value.items()
            }
        )
    if isinstance(value, list):
        return celtypes.ListType([_to_cel(schema.get("items"), item) for item in value])
    if schema.get("type") == "number" and isinstance(value, int):
        return celtypes.DoubleType(value)
    return json_to_cel(value)


def _escaped(name: str) -> str:
    if name in _RESERVED:
        return f"__{name}__"
    return re.sub(r"__|[./-]", lambda match: _ESCAPES[match[0]], name)


def _unescaped(name: str) -> str:
    inner = name.removeprefix("__").removesuffix("__")
    if inner in _RESERVED:
        return inner
    back = {escape: plain for plain, escape in _ESCAPES.items()}
    return re.sub("|".join(back), lambda match: back[match[0]], name)


def _split(text: str, separator: str) -> Any:
    return celtypes.ListType([celtypes.StringType(part) for part in text.split(separator)])


def _find(text: str, pattern: str) -> Any:
    match = re.search(pattern, text)
    return celtypes.StringType(match[0] if match else "")


def _substring(text: str, start: int, end: int | None = None) -> Any:
    return celtypes.StringType(text[start:end])


# The string functions of Kubernetes' CEL environment ("CEL in Kubernetes", "Kubernetes CEL libraries").
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "find": _find,
    "indexOf": lambda text, part: celtypes.IntType(text.find(part)),
    "join": lambda parts, separator="": celtypes.StringType(separator.join(parts)),
    "lowerAscii": lambda text: celtypes.StringType(text.lower()),
    "replace": lambda text, old, new: celtypes.StringType(text.replace(old, new)),
    "split": _split,
    "substring": _substring,
    "trim": lambda text: celtypes.StringType(text.strip()),
    "upperAscii": lambda text: celtypes.StringType(text.upper()),
}
