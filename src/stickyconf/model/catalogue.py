"""The catalogue: what a conforming implementation must do, as data (requirements.toml)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Level(StrEnum):
    """How binding a requirement is."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    OBSERVE = "OBSERVE"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One row of the catalogue. ``exposure`` says what must be shown possible first."""

    id: str
    level: Level
    title: str
    statement: str
    source: str
    since: str
    profiles: tuple[str, ...]
    exposure: str

    @property
    def family(self) -> str:
        """The letters before the number: API, CKE, AFF, ..."""
        return self.id.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every requirement by id, the families' names, and the pages the sources stand for."""

    requirements: dict[str, Requirement]
    families: dict[str, str]
    sources: dict[str, str]

    def __getitem__(self, identifier: str) -> Requirement:
        """Return the requirement of this id; KeyError where there is none."""
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

    def source_links(self, requirement: Requirement) -> dict[str, str]:
        """Return the pages a requirement stands on, as {short name: address or text}."""
        return {
            name: self.sources[name] for name in requirement.source.replace(",", " ").split() if name in self.sources
        }


def load_catalogue(path: Path) -> Catalogue:
    """Read requirements.toml.

    Raises ValueError naming the row where an id stands twice, a level or family is unknown, or a field is missing.
    """
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    families: dict[str, str] = data["families"]
    requirements: dict[str, Requirement] = {}
    for row in data["requirement"]:
        try:
            requirement = Requirement(
                id=row["id"],
                level=Level(row["level"]),
                title=row["title"],
                statement=row["statement"],
                source=row["source"],
                since=row.get("since", ""),
                profiles=tuple(row["profiles"]),
                exposure=row.get("exposure", ""),
            )
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path.name}: {row.get('id', 'a row without id')}: {error}") from error
        if requirement.id in requirements:
            raise ValueError(f"{path.name}: {requirement.id} stands twice")
        if requirement.family not in families:
            raise ValueError(f"{path.name}: {requirement.id} is of no known family ({', '.join(families)})")
        requirements[requirement.id] = requirement
    return Catalogue(requirements, families, data["sources"])
