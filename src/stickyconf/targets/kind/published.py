"""The files that are installed: where they are published, and what a report says of those that are not pinned."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from stickyconf.releases.known import at_or_before, known, minor
from stickyconf.targets.installation import NoTarget
from stickyconf.targets.kind import kongmanifest
from stickyconf.targets.kind.downloads import Remote, sha256
from stickyconf.targets.kind.install import Sources
from stickyconf.targets.kind.settings import KindSettings


def kic_manifest(version: str) -> Remote:
    """Return KIC's all-in-one manifest of a version; it is pinned if releases.toml has the version."""
    kic = known().kic
    release = kic.releases.get(version)
    return Remote(f"{kic.repository}/v{version}/{kic.manifest}", release.manifest if release else "")


def gateway_api(version: str) -> tuple[Remote, ...]:
    """Return the definitions of a Gateway API version; they are pinned if releases.toml has the version."""
    api = known().gateway_api
    return tuple(
        Remote(f"{api.repository}/v{version}/{api.definitions.format(plural=plural)}", digest)
        for plural, digest in known().definitions(version).items()
    )


def at_url(url: str) -> Remote:
    """Return a file at an address of its own, which nothing pins."""
    parts = urlsplit(url)
    return Remote(f"urls/{sha256(url.encode())[:16]}/{Path(parts.path).name or parts.hostname}", url=url)


def sources(settings: KindSettings, manifests: Path) -> Sources:
    """Return what is to be installed, downloaded or as it was kept; NoTarget if it cannot be had."""
    notes = {}
    api = gateway_api(settings.gateway_api_version)
    definitions = [settings.store.read(file) for file in api]
    if not all(file.sha256 for file in api):
        notes["Gateway API definitions"] = _not_pinned(definitions)
    manifest, pinned = _manifest(settings)
    if not pinned:
        notes["KIC manifest"] = _not_pinned([manifest])
    if settings.kic_version not in known().kic.releases:
        like = minor(at_or_before(settings.kic_version, known().kic.releases))
        notes["KIC rules"] = f"those of {like}: releases.toml does not have {settings.kic_version}"
    return Sources(
        gateway_api=kongmanifest.documents(definitions),
        kic=kongmanifest.documents([manifest]),
        gateway=kongmanifest.documents([(manifests / "gateway.yaml").read_bytes()]),
        notes=notes,
    )


def _manifest(settings: KindSettings) -> tuple[bytes, bool]:
    """Return KIC's manifest, and whether it is pinned."""
    given = settings.kic_manifest
    if given.startswith(("http://", "https://")):
        return settings.store.read(at_url(given)), False
    if given:
        try:
            return Path(given).read_bytes(), False
        except OSError as error:
            raise NoTarget(f"--kic-manifest {given}: cannot be read: {error.strerror}") from error
    file = kic_manifest(settings.kic_version)
    return settings.store.read(file), bool(file.sha256)


def _not_pinned(contents: Iterable[bytes]) -> str:
    return f"not pinned: SHA-256 {sha256(b''.join(contents))}"
