"""Files of other projects at exact versions: downloaded once, pinned by checksum, kept for runs without a network."""

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
"""How long a connection may take to come about, or to pause: a run without a network shall say so soon."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """A file in a public GitHub repository: ``path`` is owner/name/tag/path, ``sha256`` what it must hash to."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Store:
    """Where pinned files come from (``mirror``, laid out as raw.githubusercontent.com) and are kept (``cache``)."""

    cache: Path
    mirror: str = MIRROR

    def read(self, pinned: Pinned) -> bytes:
        """Return a file's content: the kept one, else a download, which is then kept.

        A file that does not have the pinned checksum is never returned. Raises NoTarget.
        """
        kept = self.cache / pinned.path
        with contextlib.suppress(OSError):  # not there, most likely; whatever else it is, writing will tell
            content = kept.read_bytes()
            if hashlib.sha256(content).hexdigest() == pinned.sha256:
                return content  # else: cut short or changed by someone; a new download replaces it
        content = self._download(pinned, kept)
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as part:
                part.write(content)
            Path(part.name).replace(kept)  # whole or not at all, whoever else writes it now
        except OSError as error:
            raise NoTarget(f"{kept} cannot be written ({error.strerror}); give --manifest-cache DIR") from error
        return content

    def _download(self, pinned: Pinned, kept: Path) -> bytes:
        url = f"{self.mirror.rstrip('/')}/{pinned.path}"
        try:
            response = httpx.get(url, timeout=SECONDS, follow_redirects=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoTarget(
                f"{url} cannot be downloaded ({error or type(error).__name__}); without a network put the file"
                f" (SHA-256 {pinned.sha256}) at {kept}, or name a mirror: --manifest-mirror URL"
            ) from error
        if response.status_code != httpx.codes.OK:
            raise NoTarget(f"{url} cannot be downloaded: the server answered {response.status_code}")
        found = hashlib.sha256(response.content).hexdigest()
        if found != pinned.sha256:
            raise NoTarget(
                f"{url} is not the file that was pinned (SHA-256 {found}, expected {pinned.sha256});"
                " nothing of it is used"
            )
        return response.content


def default_cache() -> Path:
    """Return where files are kept unless told otherwise: stickyconf/ in the user's cache directory."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "stickyconf"
