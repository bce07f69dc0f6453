"""What is newer than what is known, and releases.toml with it written in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import tomlkit
from packaging.version import Version
from tomlkit.items import InlineTable

from stickyconf.releases.asking import Asking, NoAnswer, Release, node_images
from stickyconf.releases.known import Known, is_version, minor, newest_by_minor, sorted_versions


@dataclass(frozen=True, slots=True)
class New:
    """A release that releases.toml does not have. ``table`` is its part of the file."""

    table: str
    name: str
    version: str
    released: date
    facts: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.name} {self.version}, released {self.released}"


def news(known: Known, asking: Asking) -> list[New]:
    """Ask for everything, and return what is new. Raises NoAnswer."""
    return [*_kic(known, asking), *_gateway(known, asking), *_gateway_api(known, asking), *_nodes(known, asking)]


def with_checksums(found: Iterable[New], known: Known, asking: Asking) -> Iterator[New]:
    """Download what new releases consist of, and yield them with the checksums. Raises NoAnswer."""
    for new in found:
        if new.table == "kic":
            path = f"{known.kic.repository}/v{new.version}/{known.kic.manifest}"
            yield _with(new, manifest=_sha256(asking.file(path)))
        elif new.table == "gateway_api":
            path = f"{known.gateway_api.repository}/v{new.version}/{known.gateway_api.definitions}"
            plurals = known.definitions(new.version)
            sums = {plural: _sha256(asking.file(path.format(plural=plural))) for plural in plurals}
            yield _with(new, definitions=sums)
        else:
            yield new


def written(text: str, found: Iterable[New]) -> str:
    """Return the text of releases.toml with new releases in it; all else, comments too, stays as it is."""
    document: Any = tomlkit.parse(text)
    for new in sorted(found, key=lambda one: (one.table, Version(one.version))):
        part = document[new.table]
        if new.table == "kubernetes":  # one image a minor is enough
            for old in [version for version in part["releases"] if minor(version) == minor(new.version)]:
                del part["releases"][old]
        _add_minor(part, new)
        if new.table == "gateway_api":
            table = tomlkit.table()
            table.add("released", new.released)
            table.add("definitions", new.facts["definitions"])
            part["releases"].add(new.version, table)
        else:
            part["releases"].add(new.version, _inline({"released": new.released, **new.facts}))
    return tomlkit.dumps(document)


def _add_minor(part: Any, new: New) -> None:
    """Add the minor of a new release; KIC's ranges are those of the minor before, for a reviewer to look up."""
    short = minor(new.version)
    if "minors" not in part or short in part["minors"]:
        return
    table = tomlkit.table()
    if new.table == "kic":
        before = part["minors"][sorted_versions(part["minors"])[-1]]
        table.comment("taken over from the minor before: look up Kong's pages, and add end_of_support")
        for name in ("gateway", "kubernetes", "gateway_api"):
            table.add(name, list(before[name]))
    else:
        table.comment("add end_of_support once it is published")
    part["minors"].add(short, table)


def _inline(values: dict[str, Any]) -> InlineTable:
    table = tomlkit.inline_table()
    for name, value in values.items():
        if value:
            table.add(name, value)
    return table


def _kic(known: Known, asking: Asking) -> Iterator[New]:
    for one in _unknown(asking.github_releases(known.kic.repository), known.kic.releases):
        yield New("kic", "KIC", one.version, one.released)


def _gateway(known: Known, asking: Asking) -> Iterator[New]:
    for one in _unknown(asking.hub_tags(known.gateway.image, r"\d+(\.\d+){3}"), known.gateway.releases):
        yield New("gateway", "Kong Gateway", one.version, one.released, {"image": one.digest})


def _gateway_api(known: Known, asking: Asking) -> Iterator[New]:
    """Yield the newest release of each minor: older patches of Gateway API are of no use to anybody."""
    listed = _unknown(asking.github_releases(known.gateway_api.repository), known.gateway_api.releases)
    newest = newest_by_minor([*known.gateway_api.releases, *(one.version for one in listed)])
    for one in listed:
        if newest[minor(one.version)] == one.version:
            yield New("gateway_api", "Gateway API", one.version, one.released)


def _nodes(known: Known, asking: Asking) -> Iterator[New]:
    """Yield the newest node image of each minor, as kind's release notes name it."""
    images: dict[str, New] = {}
    for kind in asking.github_releases(known.kubernetes.kind_repository):
        for version, digest in node_images(kind.notes):
            facts = {"kind": kind.version, "image": digest}
            if version not in images or Version(kind.version) > Version(images[version].facts["kind"]):
                images[version] = New("kubernetes", "Kubernetes node", version, kind.released, facts)
    newest = newest_by_minor([*known.kubernetes.releases, *images])
    oldest = Version(sorted_versions(known.kubernetes.releases)[0])
    for version in sorted_versions(images):
        new = images[version]
        if version not in known.kubernetes.releases and newest[minor(version)] == version and Version(version) > oldest:
            yield new


def _unknown(listed: list[Release], releases: dict[str, Any]) -> list[Release]:
    """Return the releases that are not known, from the oldest known minor on, the oldest first."""
    if not listed:
        raise NoAnswer("the server knows no release at all; has the repository moved?")
    oldest = Version(minor(sorted_versions(releases)[0]))
    return sorted(
        (
            one
            for one in listed
            if is_version(one.version)
            and not Version(one.version).is_prerelease
            and one.version not in releases
            and Version(one.version) >= oldest
        ),
        key=lambda one: Version(one.version),
    )


def _with(new: New, **facts: Any) -> New:
    return New(new.table, new.name, new.version, new.released, new.facts | facts)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
