"""The little JSONPath that printer columns use: ``.spec.a``, ``.a['b.c']``, ``.list[0]``, ``.list[*].x``,
``.list[?(@.type=="Ready")].status`` (Kubernetes documentation, "JSONPath Support", as far as
additionalPrinterColumns allow it)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

Finder = Callable[[Any], list[Any]]

_STEP = re.compile(
    r"""\.(?P<field>[\w-]+(?:\\\.[\w-]+)*)
      | \['(?P<quoted>[^']+)'\]
      | \["(?P<double>[^"]+)"\]
      | \[(?P<index>-?\d+)\]
      | (?P<all>\[\*\])
      | \[\?\(@\.(?P<key>[\w.-]+)\s*==\s*(?:"(?P<value>[^"]*)"|'(?P<single>[^']*)')\)\]
    """,
    re.VERBOSE,
)


@lru_cache(maxsize=256)
def compile_path(path: str) -> Finder:
    """A function from an object to the values at *path*. Raises ``ValueError`` for what is not understood."""
    steps: list[Finder] = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            raise ValueError(f"unsupported JSONPath: {path!r} at {path[position:]!r}")
        steps.append(_step(match))
        position = match.end()

    def find(obj: Any) -> list[Any]:
        found = [obj]
        for step in steps:
            found = [value for item in found for value in step(item)]
        return found

    return find


def _step(match: re.Match[str]) -> Finder:
    if match["all"]:
        return lambda value: value if isinstance(value, list) else []
    if match["index"]:
        index = int(match["index"])
        return lambda value: value[index:][:1] if isinstance(value, list) else []
    if match["key"]:
        keys, wanted = match["key"].split("."), match["value"] if match["value"] is not None else match["single"]
        return lambda value: [v for v in value if _at(v, keys) == wanted] if isinstance(value, list) else []
    field = match["quoted"] or match["double"] or match["field"].replace("\\.", ".")
    return lambda value: [value[field]] if isinstance(value, dict) and field in value else []


def _at(value: Any, keys: list[str]) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
