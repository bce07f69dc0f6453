"""Reads a list of known violations (``--known-violations FILE``), and says which of them are about what was judged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from stickyconf.model import Catalogue, Level
from stickyconf.model.known import KnownViolation
from stickyconf.reporting.implementation import CONTROLLER, GATEWAY, PARTS, UNKNOWN, Implementation, parts

STAND_IN_PART = "embedded"
"""What the embedded stand-in is called in ``versions``: its version is the suite's."""

_PLAIN = re.compile(r"v?\d+(\.\d+)*")


class BadKnownViolations(ValueError):
    """The list cannot be used; the message is one line that says which entry, and why."""


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    requirement: str
    versions: dict[str, str]
    reason: str
    link: str
    expires: date


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    known: list[_Entry]


def load(path: Path, catalogue: Catalogue) -> tuple[KnownViolation, ...]:
    """Read the file. Raises BadKnownViolations."""
    try:
        entries = msgspec.toml.decode(path.read_bytes(), type=_File).known
    except OSError as error:
        raise BadKnownViolations(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise BadKnownViolations(f"{path}: {' '.join(str(error).split())}") from error
    for number, entry in enumerate(entries, start=1):
        if wrong := _complaint(entry, catalogue):
            raise BadKnownViolations(f"{path}: entry {number} ({entry.requirement}): {wrong}")
    return tuple(
        KnownViolation(entry.requirement, " ".join(entry.reason.split()), entry.link, entry.expires, entry.versions)
        for entry in entries
    )


def about(known: tuple[KnownViolation, ...], implementation: Implementation, suite: str) -> tuple[KnownViolation, ...]:
    """Return those that are about the implementation under test; ``suite`` is the version of the suite."""
    there = _lower(parts(implementation.versions))
    for part, name in (("kong", GATEWAY), ("kic", CONTROLLER)):
        if name not in implementation.about:  # a stand-in, no matter which version it says it has
            there[part] = UNKNOWN
    if implementation.embedded:
        there[STAND_IN_PART] = suite
    return tuple(
        one for one in known if all(_matches(there.get(part, UNKNOWN), text) for part, text in one.versions.items())
    )


def _lower(versions: Mapping[str, str]) -> dict[str, str]:
    return {part.lower(): version for part, version in versions.items()}


def _complaint(entry: _Entry, catalogue: Catalogue) -> str:
    names = [*(part.lower() for part in PARTS), STAND_IN_PART]
    if entry.requirement not in catalogue:
        return "the catalogue has no such requirement"
    if catalogue[entry.requirement].level is Level.OBSERVE:
        return "it is OBSERVE, which is measured and cannot be violated"
    if not entry.versions:
        return f"versions is empty: say of which ({', '.join(names)})"
    for part, text in entry.versions.items():
        if part not in names:
            return f"versions has no part {part!r}; there are: {', '.join(names)}"
        try:
            _specifier(text)
        except InvalidSpecifier:
            return f"versions of {part}: {text!r} is neither a version nor a range like '>=3.11,<3.13'"
    if not entry.reason.strip():
        return "reason is empty"
    if not entry.link.startswith(("https://", "http://")):
        return f"link: {entry.link!r} is no address"
    return ""


def _specifier(text: str) -> SpecifierSet:
    """Return what versions a text stands for: a range, or a version with all that begin with it."""
    plain = text.strip()
    return SpecifierSet(f"=={plain.removeprefix('v')}.*" if _PLAIN.fullmatch(plain) else plain, prereleases=True)


def _matches(version: str, text: str) -> bool:
    """Whether a version is meant. Builds and editions behind the numbers (``-enterprise``, ``+k3s1``) do not matter."""
    number = re.match(r"\d+(\.\d+)*(-?(rc|alpha|beta)\.?\d+)?", version)
    return number is not None and str(number[0]) in _specifier(text)
