"""Files of other projects come from a pinned address once, and from the cache ever after."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stickyconf.targets.installation import NoTarget
from stickyconf.targets.kind.downloads import Remote, Store

CONTENT = b"kind: Namespace\n"
PINNED = Remote("kong/kic/v1/all.yaml", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """A real server on loopback that has the file."""
    root = tmp_path / "mirror"
    (root / "kong/kic/v1").mkdir(parents=True)
    (root / PINNED.path).write_bytes(CONTENT)
    handler = partial(SimpleHTTPRequestHandler, directory=str(root))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_second_run_needs_no_network(mirror, tmp_path):
    """A file is downloaded, checked and kept; then nobody is asked any more."""
    cache = tmp_path / "cache"
    assert Store(cache, mirror).read(PINNED) == CONTENT
    assert Store(cache, "http://127.0.0.1:1").read(PINNED) == CONTENT
    assert [path.name for path in (cache / "kong/kic/v1").iterdir()] == ["all.yaml"]


def test_wrong_checksum(mirror, tmp_path):
    """Another file at the address is neither used nor kept."""
    other = Remote(PINNED.path, "0" * 64)
    with pytest.raises(NoTarget, match=r"is not the file that was pinned .*expected 0000"):
        Store(tmp_path / "cache", mirror).read(other)
    assert not (tmp_path / "cache").exists()


def test_damaged_cache(mirror, tmp_path):
    """A kept file that changed is not trusted: it is replaced, or the run ends."""
    cache = tmp_path / "cache"
    Store(cache, mirror).read(PINNED)
    (cache / PINNED.path).write_bytes(b"kind: Secret\n")
    with pytest.raises(NoTarget, match="cannot be downloaded"):
        Store(cache, "http://127.0.0.1:1").read(PINNED)
    assert Store(cache, mirror).read(PINNED) == CONTENT


def test_no_network(tmp_path):
    """The message has the address, the checksum, and where to put the file by hand."""
    with pytest.raises(NoTarget) as caught:
        Store(tmp_path, "http://127.0.0.1:1").read(PINNED)
    said = str(caught.value)
    assert said.startswith("http://127.0.0.1:1/kong/kic/v1/all.yaml cannot be downloaded")
    assert f"(SHA-256 {PINNED.sha256}) at {tmp_path}/kong/kic/v1/all.yaml" in said


def test_missing_file(mirror, tmp_path):
    """A mirror that lacks the file is told from one that cannot be reached."""
    with pytest.raises(NoTarget, match="the server answered 404"):
        Store(tmp_path, mirror).read(Remote("kong/kic/v2/all.yaml", PINNED.sha256))


def test_cache_that_cannot_be_written(mirror, tmp_path):
    """The place is named, and the option that changes it."""
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(NoTarget, match="give --manifest-cache DIR"):
        Store(tmp_path / "cache", mirror).read(PINNED)


NEW = Remote("kong/kic/v1/all.yaml")
"""The same file, of a version that nobody has pinned."""


def test_not_pinned(mirror, tmp_path):
    """It is taken as it is, what it hashed to is kept beside it, and without a network the kept one does."""
    cache = tmp_path / "cache"
    assert Store(cache, mirror).read(NEW) == CONTENT
    assert (cache / f"{NEW.path}.sha256").read_text() == f"{PINNED.sha256}\n"
    assert Store(cache, "http://127.0.0.1:1").read(NEW) == CONTENT


def test_not_pinned_and_changed(mirror, tmp_path):
    """A tag that was moved behind a version that was judged before: refused in one line, with what to do."""
    cache = tmp_path / "cache"
    Store(cache, mirror).read(NEW)
    (tmp_path / "mirror" / NEW.path).write_bytes(b"kind: Secret\n")
    with pytest.raises(NoTarget) as caught:
        Store(cache, mirror).read(NEW)
    said = str(caught.value)
    assert said.startswith(f"{mirror}/kong/kic/v1/all.yaml has changed since it was first downloaded (SHA-256 ")
    assert f"before {PINNED.sha256}); nothing of it is used" in said
    assert "\n" not in said
    (cache / f"{NEW.path}.sha256").unlink()
    assert Store(cache, mirror).read(NEW) == b"kind: Secret\n"


def test_not_pinned_and_damaged(mirror, tmp_path):
    """Without a network a kept file that is not what was downloaded is no file."""
    cache = tmp_path / "cache"
    Store(cache, mirror).read(NEW)
    (cache / NEW.path).write_bytes(b"kind: Secret\n")
    with pytest.raises(NoTarget, match="give --kic-manifest FILE, or name a mirror"):
        Store(cache, "http://127.0.0.1:1").read(NEW)
