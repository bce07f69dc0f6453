"""Files of other projects: pinned by checksum if their version is known, and kept for runs without a network."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import httpx

from stickyconf.targets.installation import NoTarget

MIRROR = "https://raw.githubusercontent.com"
SECONDS = 4.0
"""How long a connection may take to come about, or to pause: a run without a network must say so soon."""


FIRST_SEEN = ".sha256"
"""Beside a kept file that is not pinned: what it hashed to when it was first downloaded."""


class Unreachable(NoTarget):
    """Nothing answers at a file's address."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file that is published.

    ``path`` is its place in the cache and below the mirror: owner/name/tag/path of a public GitHub repository.
    ``sha256`` is what it must hash to; "" if that is not known: then it must stay what it was when it was first
    downloaded. ``url`` is its address if it is not on the mirror.
    """

    path: str
    sha256: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Store:
    """Where files come from (``mirror``, laid out as raw.githubusercontent.com) and are kept (``cache``)."""

    cache: Path
    mirror: str = MIRROR

    def read(self, file: Remote) -> bytes:
        """Return a file's content. Raises NoTarget if it cannot be had, or is not what it has to be.

        A pinned file is downloaded once; one that is not pinned is compared with its address whenever that answers.
        """
        return self._pinned(file) if file.sha256 else self._not_pinned(file)

    def _pinned(self, file: Remote) -> bytes:
        kept = self.cache / file.path
        with contextlib.suppress(OSError):  # not there, most likely; whatever else it is, writing will tell
            content = kept.read_bytes()
            if sha256(content) == file.sha256:
                return content  # else: cut short or changed; a new download replaces it
        content = self._download(file)
        if (found := sha256(content)) != file.sha256:
            raise NoTarget(
                f"{self._address(file)} is not the file that was pinned (SHA-256 {found}, expected {file.sha256});"
                " nothing of it is used"
            )
        _keep(kept, content)
        return content

    def _not_pinned(self, file: Remote) -> bytes:
        kept = self.cache / file.path
        record = kept.with_name(kept.name + FIRST_SEEN)
        first_seen = record.read_text(encoding="ascii").strip() if record.is_file() else ""
        try:
            content = self._download(file)
        except Unreachable:
            if not (first_seen and kept.is_file() and sha256(kept.read_bytes()) == first_seen):
                raise
            return kept.read_bytes()
        found = sha256(content)
        if first_seen and found != first_seen:
            raise NoTarget(
                f"{self._address(file)} has changed since it was first downloaded (SHA-256 {found}, before"
                f" {first_seen}); nothing of it is used; if the change is wanted, remove {record}"
            )
        _keep(kept, content)
        _keep(record, f"{found}\n".encode("ascii"))
        return content

    def _address(self, file: Remote) -> str:
        return file.url or f"{self.mirror.rstrip('/')}/{file.path}"

    def _download(self, file: Remote) -> bytes:
        url = self._address(file)
        try:
            response = httpx.get(url, timeout=SECONDS, follow_redirects=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            wanted = f" (SHA-256 {file.sha256})" if file.sha256 else ""
            cure = f"put the file{wanted} at {self.cache / file.path}" if file.sha256 else "give --kic-manifest FILE"
            raise Unreachable(
                f"{url} cannot be downloaded ({error or type(error).__name__}); without a network {cure},"
                " or name a mirror: --manifest-mirror URL"
            ) from error
        if response.status_code != httpx.codes.OK:
            raise NoTarget(f"{url} cannot be downloaded: the server answered {response.status_code}")
        return response.content


def sha256(content: bytes) -> str:
    """Return the SHA-256 of a content in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _keep(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
            part.write(content)
        Path(part.name).replace(path)  # whole or not at all, even if another process writes it now
    except OSError as error:
        raise NoTarget(f"{path} cannot be written ({error.strerror}); give --manifest-cache DIR") from error


def default_cache() -> Path:
    """Return where files are kept unless told otherwise: stickyconf/ in the user's cache directory."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "stickyconf"
