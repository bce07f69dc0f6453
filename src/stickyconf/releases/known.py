"""What is known of releases, read from releases.toml. Everything that depends on a version is looked up here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from pathlib import Path

import msgspec
from packaging.version import InvalidVersion, Version

from stickyconf.shipped import project

FILE = "releases.toml"


class BadReleases(ValueError):
    """releases.toml cannot be used; the message is one line that says where in it and why."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file: unknown names in it are refused."""


class KicMinor(_Part, frozen=True, kw_only=True):
    """A minor of KIC. Ranges are first and last minor that its documentation names.

    ``end_of_support``: None if it is not known yet.
    """

    end_of_support: date | None = None
    gateway: tuple[str, str]
    kubernetes: tuple[str, str]
    gateway_api: tuple[str, str]


class Minor(_Part, frozen=True):
    """A minor of anything else. ``end_of_support``: None if it is not known yet."""

    end_of_support: date | None = None


class KicRelease(_Part, frozen=True):
    """A release of KIC; ``manifest`` is the SHA-256 of its all-in-one manifest."""

    released: date
    manifest: str


class GatewayRelease(_Part, frozen=True):
    """A release of Kong Gateway; ``image`` is the image's digest, "" if it is not known."""

    released: date
    image: str = ""


class GatewayApiRelease(_Part, frozen=True):
    """A release of Gateway API: the SHA-256 of each definition, by its plural."""

    released: date
    definitions: dict[str, str]


class NodeRelease(_Part, frozen=True):
    """A node image: its digest, and the release of kind it was built for."""

    released: date
    kind: str
    image: str


class Kic(_Part, frozen=True):
    """Kong Ingress Controller."""

    repository: str
    image: str
    manifest: str
    sticky_sessions_since: str
    minors: dict[str, KicMinor]
    releases: dict[str, KicRelease]


class Gateway(_Part, frozen=True):
    """Kong Gateway. The rules name the first minor that they hold for."""

    image: str
    sticky_sessions_since: str
    licence_needed_from: str
    shell_missing_from: str
    router_flavor: str
    minors: dict[str, Minor]
    releases: dict[str, GatewayRelease]


class GatewayApi(_Part, frozen=True):
    """The definitions of Gateway API; ``definitions`` is the path of one in the repository, with ``{plural}`` in it."""

    repository: str
    definitions: str
    releases: dict[str, GatewayApiRelease]


class Kubernetes(_Part, frozen=True):
    """Kubernetes, as node images of kind."""

    image: str
    kind_repository: str
    minors: dict[str, Minor]
    releases: dict[str, NodeRelease]


class Defaults(_Part, frozen=True):
    """What is installed if nothing else is asked for."""

    kic: str
    gateway: str
    gateway_api: str


class Known(_Part, frozen=True):
    """The whole file."""

    defaults: Defaults
    kic: Kic
    gateway: Gateway
    gateway_api: GatewayApi
    kubernetes: Kubernetes

    @property
    def kong_image(self) -> str:
        """The gateway's image that is installed if no other is asked for."""
        return f"{self.gateway.image}:{self.defaults.gateway}"

    def definitions(self, version: str) -> Mapping[str, str]:
        """Return plural -> SHA-256 of a Gateway API release.

        One that is not known has the definitions of the newest known release that is not newer, not pinned: "".
        """
        if version in self.gateway_api.releases:
            return self.gateway_api.releases[version].definitions
        like = at_or_before(version, self.gateway_api.releases)
        return dict.fromkeys(self.gateway_api.releases[like].definitions, "")

    @property
    def newest_kind(self) -> str:
        """The newest release of kind among those that node images were built for."""
        return sorted_versions(release.kind for release in self.kubernetes.releases.values())[-1]

    def node_image(self, version: str) -> str:
        """Return the node image of a Kubernetes version, with its digest if it is known."""
        release = self.kubernetes.releases.get(version)
        return f"{self.kubernetes.image}:v{version}" + (f"@{release.image}" if release else "")


def load(path: Path) -> Known:
    """Read a releases.toml. Raises BadReleases if it cannot be used."""
    try:
        known = msgspec.toml.decode(path.read_bytes(), type=Known)
        for part in (known.kic, known.gateway, known.kubernetes):
            for version in part.releases:
                if minor(version) not in part.minors:
                    raise BadReleases(f"{path}: {version} is there, but nothing of its minor {minor(version)}")
        for version, releases in (
            (known.defaults.kic, known.kic.releases),
            (known.defaults.gateway, known.gateway.releases),
            (known.defaults.gateway_api, known.gateway_api.releases),
        ):
            if version not in releases:
                raise BadReleases(f"{path}: the default {version} is not among the releases")
    except (OSError, msgspec.MsgspecError, InvalidVersion) as error:
        raise BadReleases(f"{path}: {' '.join(str(error).split())}") from error
    return known


@cache
def known() -> Known:
    """Return what the project's own releases.toml says."""
    return load(project() / FILE)


def minor(version: str) -> str:
    """Return major and minor of a version as text: ``3.5`` of ``3.5.13``. Raises InvalidVersion."""
    parsed = Version(version)
    return f"{parsed.major}.{parsed.minor}"


def is_version(text: str) -> bool:
    """Whether a text is a version with two numbers or more."""
    try:
        return len(Version(text).release) > 1
    except InvalidVersion:
        return False


def sorted_versions(versions: Iterable[str]) -> list[str]:
    """Return versions from the oldest to the newest."""
    return sorted(versions, key=Version)


def newest_by_minor(versions: Iterable[str]) -> dict[str, str]:
    """Return minor -> its newest version, from the oldest minor to the newest."""
    return {minor(version): version for version in sorted_versions(versions)}


def at_or_before(version: str, among: Iterable[str]) -> str:
    """Return the newest of ``among`` that is not newer than ``version``; the oldest if all are newer."""
    ordered = sorted_versions(among)
    return next((one for one in reversed(ordered) if Version(one) <= Version(version)), ordered[0])
