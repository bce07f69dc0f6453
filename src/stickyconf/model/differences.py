"""What differs between an object as it is shown and as it was asked for, so that no message dumps all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

ABSENT = "absent"


def differences(shown: object, asked: Mapping[str, object]) -> list[str]:
    """Return one line for each field that was asked for and is shown otherwise, or not at all.

    Fields are named by their path ("stickySessions.cookie"). What is shown beyond what was asked for is left out.
    """
    return list(_differing(shown, asked, ""))


def _differing(shown: object, asked: Mapping[str, object], path: str) -> Iterator[str]:
    fields: Mapping[object, object] = shown if isinstance(shown, Mapping) else {}
    for name, wanted in asked.items():
        value = fields.get(name)
        if isinstance(wanted, Mapping) and isinstance(value, Mapping):
            yield from _differing(value, wanted, f"{path}{name}.")
        elif name not in fields or value != wanted:
            yield f"{path}{name} is {repr(value) if name in fields else ABSENT}, not {wanted!r}"
