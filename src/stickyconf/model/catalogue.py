"""The catalogue: what a conforming implementation must do, as data (requirements.toml)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

FIRST_STICKY = "3.11"
"""The first release of Kong Gateway with sticky sessions."""


class Level(StrEnum):
    """How binding a requirement is."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    OBSERVE = "OBSERVE"


def no_sticky_sessions(gateway: str) -> str:
    """Say what an older release of Kong Gateway is asked no more than, in one line."""
    return f"Kong Gateway {gateway} has no sticky sessions: they came with {FIRST_STICKY}"


@dataclass(frozen=True, slots=True)
class Source:
    """A page, a repository or a standard that requirements come from."""

    title: str
    url: str

    def __str__(self) -> str:
        """Say both in one line."""
        return f"{self.title} <{self.url}>"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One row of the catalogue.

    ``source`` has the short names of sources, separated by spaces; ``see`` says where in them to look, or what else
    is known, "" if nothing is. ``since`` names the releases it applies from. ``profiles`` has at least one name;
    ``exposure`` says what must be shown possible first. ``presupposes`` has the ids of the requirements without which
    it cannot be asked.
    """

    id: str
    level: Level
    title: str
    statement: str
    source: str
    see: str
    since: str
    profiles: tuple[str, ...]
    exposure: str
    presupposes: tuple[str, ...] = ()

    @property
    def about_older_gateways(self) -> bool:
        """Whether it is about releases of Kong Gateway before one, so that nothing is asked of that one and later."""
        return "Gateway before" in self.since

    def unasked_of(self, gateway: str) -> str:
        """Say why it is not asked of this release of Kong Gateway; "" if it is, or if the release is not known."""
        bound = re.search(r"Gateway (?:before )?(\d+)\.(\d+)", self.since)
        release = re.match(r"(\d+)\.(\d+)", gateway)
        if not bound or not release:
            return ""
        since, own = (tuple(int(number) for number in found.groups()) for found in (bound, release))
        if self.about_older_gateways:
            return (
                "" if own < since else f"it is about Kong Gateway before {since[0]}.{since[1]}, and this is {gateway}"
            )
        return "" if own >= since else no_sticky_sessions(gateway)

    @property
    def family(self) -> str:
        """The letters before the number: API, CKE, AFF, ..."""
        return self.id.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every requirement by id, the families' names, and the pages that the short names of sources mean.

    ``on_request`` are the profiles that are judged only if they are asked for by name, ``by_account`` those of them
    that take an account elsewhere, so that the embedded cluster cannot judge them.
    """

    requirements: dict[str, Requirement]
    families: dict[str, str]
    sources: dict[str, Source]
    on_request: frozenset[str] = frozenset()
    by_account: frozenset[str] = frozenset()

    def __getitem__(self, identifier: str) -> Requirement:
        """Return the requirement of this id; KeyError if there is none."""
        return self.requirements[identifier]

    def __contains__(self, identifier: object) -> bool:
        """Whether there is a requirement of this id."""
        return identifier in self.requirements

    def __iter__(self) -> Iterator[Requirement]:
        """Iterate over the requirements in the file's order."""
        return iter(self.requirements.values())

    @property
    def profiles(self) -> tuple[str, ...]:
        """Every profile that has a requirement, in the file's order."""
        return tuple(dict.fromkeys(profile for requirement in self for profile in requirement.profiles))

    def presupposed(self, identifier: str) -> tuple[str, ...]:
        """Return the ids of all that a requirement presupposes, directly or through others, the nearest first."""
        found: dict[str, None] = {}
        due = list(self[identifier].presupposes)
        while due:
            nearest = due.pop(0)
            if nearest not in found:
                found[nearest] = None
                due += self[nearest].presupposes
        return tuple(found)

    def source_links(self, requirement: Requirement) -> dict[str, Source]:
        """Return the pages a requirement comes from, as {short name: source}."""
        return {name: self.sources[name] for name in requirement.source.split()}


def load_catalogue(path: Path) -> Catalogue:
    """Read requirements.toml.

    Raises ValueError, naming the row, if an id stands twice, a level, family or source is unknown, or a field is
    missing; OSError if the file cannot be read.
    """
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        families: dict[str, str] = data["families"]
        sources = {name: Source(page["title"], page["url"]) for name, page in data["sources"].items()}
        rows, since = data["requirement"], data["since"]
    except KeyError as error:
        raise ValueError(f"{path.name}: {error} is missing") from error
    requirements: dict[str, Requirement] = {}
    for row in rows:
        try:
            requirement = _requirement({"since": since} | row)
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path.name}: {row.get('id', 'a row without id')}: {error}") from error
        if requirement.id in requirements:
            raise ValueError(f"{path.name}: {requirement.id} stands twice")
        if requirement.family not in families:
            raise ValueError(f"{path.name}: {requirement.id} is of no known family ({', '.join(families)})")
        for name in requirement.source.split():
            if name not in sources:
                raise ValueError(f"{path.name}: {requirement.id} has the unknown source {name} ({', '.join(sources)})")
        requirements[requirement.id] = requirement
    on_request, by_account = (frozenset(data.get(name, ())) for name in ("on_request", "by_account"))
    if odd := ", ".join(sorted(by_account - on_request)):
        raise ValueError(f"{path.name}: by_account names {odd}, which on_request does not")
    for name in on_request - {profile for requirement in requirements.values() for profile in requirement.profiles}:
        raise ValueError(f"{path.name}: on_request names {name}, and no requirement is of that profile")
    catalogue = Catalogue(requirements, families, sources, on_request, by_account)
    for requirement in catalogue:
        for name in requirement.presupposes:
            if name not in catalogue:
                raise ValueError(f"{path.name}: {requirement.id} presupposes {name}, which is not there")
    for requirement in catalogue:
        if requirement.id in catalogue.presupposed(requirement.id):
            raise ValueError(f"{path.name}: {requirement.id} presupposes itself")
    return catalogue


def _requirement(row: Mapping[str, Any]) -> Requirement:
    if not row["profiles"]:
        raise ValueError("it is in no profile")
    return Requirement(
        id=row["id"],
        level=Level(row["level"]),
        title=row["title"],
        statement=row["statement"],
        source=row["source"],
        see=row.get("see", ""),
        since=row["since"],
        profiles=tuple(row["profiles"]),
        exposure=row["exposure"],
        presupposes=tuple(row.get("presupposes", ())),
    )
