"""Values known to be secret, hidden in every text: those of this process's environment, and what is handed over here.

Patterns find a credential by the name beside it (``reporting.redaction``). A value that is known is found without one:
in a traceback, in a pod's log, in the middle of a command's output.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

REDACTED = "[redacted]"
SHORTEST = 8
"""Shorter values are too common to be secrets, and would be found everywhere."""

PART = 20
"""A line or a JSON member of a secret is one itself from this length on: texts are cut, wrapped and quoted in parts."""

PATH_MAX = 255
"""Longer texts are not taken for paths of files."""

_NAME = re.compile(
    r".*(?:TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIAL|LICEN[CS]E_DATA|API_?KEY)|(?:.*[_-])?(?:KEY|PASS|AUTH|AUTHORIZATION)",
    re.IGNORECASE | re.DOTALL,
)
_NUMBER = re.compile(r"[\d.:]{0,20}")


class Secrets:
    """A growing set of secret values."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        """Take the first values."""
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.keep(*values)

    def __len__(self) -> int:
        """Return how many there are; it grows with every new one."""
        return len(self._values)

    def keep(self, *values: str) -> None:
        """Take values to hide from now on. What is short, a number, or an existing file's path is no secret."""
        found = {spelt for value in values for part in _parts(value) for spelt in _spellings(part)}
        if found <= self._values:
            return
        self._values |= found
        # The longest first: a secret within another must not leave the rest of it standing.
        alternatives = sorted(self._values, key=lambda value: (-len(value), value))
        self._pattern = re.compile("|".join(map(re.escape, alternatives)))

    def hide(self, text: str) -> str:
        """Return the text with every known value replaced by ``[redacted]``, however it is quoted or encoded."""
        return self._pattern.sub(REDACTED, text) if self._pattern else text


def secret_values(named: Mapping[str, str]) -> Iterator[str]:
    """Yield the values whose names sound secret, of environment variables (*_TOKEN, KONG_LICENSE_DATA) and of headers.

    Of "Bearer abc" it is the credential without the scheme, too.
    """
    for name, value in named.items():
        if _NAME.fullmatch(name):
            yield value
            scheme, _, credential = value.partition(" ")
            if scheme.lower() in ("bearer", "basic"):
                yield credential


_known: Secrets | None = None


def known() -> Secrets:
    """Return the secrets of this process; those of its environment are there from the beginning."""
    global _known
    if _known is None:
        _known = Secrets(secret_values(os.environ))
    return _known


def _parts(value: str) -> Iterator[str]:
    """Yield a secret, and the lines and members of it that are secrets themselves."""
    yield value.strip()
    yield from (line.strip() for line in value.splitlines() if len(line.strip()) >= PART)
    try:
        yield from (text for text in _texts(json.loads(value)) if len(text) >= PART)
    except (ValueError, RecursionError):  # most are no JSON
        return


def _texts(data: object) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for item in data.values():
            yield from _texts(item)
    elif isinstance(data, list):
        for item in data:
            yield from _texts(item)


def _is_file(value: str) -> bool:
    return value.startswith("/") and len(value) < PATH_MAX and "\0" not in value and Path(value).exists()


def _spellings(value: str) -> Iterator[str]:
    """Yield the ways a value may be written: as it is, as a JSON string, in an address, and in base64 both ways."""
    if len(value) < SHORTEST or _NUMBER.fullmatch(value) or _is_file(value):
        return
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield quote(value, safe="")
    for encoded in (value, f"{value}\n"):
        yield base64.b64encode(encoded.encode()).decode().rstrip("=")
    try:
        decoded = base64.b64decode(value, validate=True).decode().strip()
    except (binascii.Error, ValueError):  # it is no base64 of a text
        return
    if len(decoded) >= SHORTEST and decoded.isprintable():
        yield decoded
