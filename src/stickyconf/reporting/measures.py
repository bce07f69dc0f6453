"""Whether a measure moved between two runs. One measure has as many values as experiments that took it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

SHARE = 0.2
"""The least change of the median that counts, as a share of the greater one: two runs on one system differ by less."""

SECONDS = 0.1
"""The least change of a duration that counts, in seconds: below it the clocks of polls are compared."""

_EVERY = re.compile(r"\b(\d+) of \1\b")


@dataclass(frozen=True, slots=True)
class Moved:
    """A measure of a requirement, as the older and the newer run have it, both told with their unit."""

    requirement: str
    name: str
    before: str
    after: str


def moved(requirement: str, older: Iterable[Mapping[str, Any]], newer: Iterable[Mapping[str, Any]]) -> list[Moved]:
    """Compare the measures (name, value, unit) of one requirement in two reports, in the newer report's order.

    Numbers moved when their ranges do not meet and their medians differ by SHARE (durations also by SECONDS). Texts
    moved when they are not the same ones; "84 of 84" and "90 of 90" are.
    """
    before, after = _by_name(older), _by_name(newer)
    names = dict.fromkeys([*after, *before])
    return [
        Moved(requirement, name, _told(before.get(name, ())), _told(after.get(name, ())))
        for name in names
        if _differ(before.get(name, ()), after.get(name, ()))
    ]


def told(measures: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return what a requirement measured, name -> its values in a few words with their unit."""
    return {name: _told(values) for name, values in _by_name(measures).items()}


_Values = Sequence[tuple[Any, str]]


def _by_name(measures: Iterable[Mapping[str, Any]]) -> dict[str, list[tuple[Any, str]]]:
    found: dict[str, list[tuple[Any, str]]] = {}
    for measure in measures:
        found.setdefault(measure["name"], []).append((measure["value"], measure["unit"]))
    return found


def _differ(before: _Values, after: _Values) -> bool:
    old, new = _numbers(before), _numbers(after)
    if not old or not new:
        return _texts(before) != _texts(after)
    if max(old) >= min(new) and max(new) >= min(old):
        return False
    step = abs(median(new) - median(old))
    least = SECONDS if any(unit == "s" for _, unit in after) else 0.0
    return step >= least and step >= SHARE * max(abs(median(old)), abs(median(new)))


def _numbers(values: _Values) -> list[float]:
    return [float(value) for value, _ in values if isinstance(value, int | float)]


def _texts(values: _Values) -> set[str]:
    return {_EVERY.sub("all", str(value)) for value, _ in values}


def _told(values: _Values) -> str:
    """Say a measure's values in a few words: one value, the range of several, or the texts."""
    if not values:
        return "not measured"
    numbers = _numbers(values)
    unit = next((unit for _, unit in values if unit), "")
    if numbers:
        low, high = min(numbers), max(numbers)
        said = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    else:
        said = " / ".join(dict.fromkeys(str(value) for value, _ in values))
    return f"{said} {unit}".rstrip()
