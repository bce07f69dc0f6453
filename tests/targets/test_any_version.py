"""Any version can be judged: one that releases.toml does not have, one whose manifest is a file, one that changed."""

import json
import threading
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from stickyconf.shipped import project
from stickyconf.targets.installation import NoTarget
from stickyconf.targets.kind.downloads import sha256
from stickyconf.targets.kind.published import gateway_api, kic_manifest, sources
from stickyconf.targets.kind.settings import settings
from tests.targets import fakes, stand_in
from tests.whole.runs import run_suite

KIC, GATEWAY_API = "3.99.0", "1.99.0"
"""Made up, and newer than everything."""

AS_KIND = ("-p", "tests.targets.embedded_as_kind", "--target", "kind", "--requirement", "CKE-01")


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing of requests."""

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """What is published of the made-up versions: the manifest and definitions that the embedded cluster can run."""
    root = tmp_path / "mirror"
    objects = stand_in.sources("").gateway_api
    for file in gateway_api(GATEWAY_API):
        plural = Path(file.path).stem.partition("_")[2]
        found = [item for item in objects if item["spec"]["names"]["plural"] == plural]
        (root / file.path).parent.mkdir(parents=True, exist_ok=True)
        (root / file.path).write_text(yaml.safe_dump_all(found))
    manifest = root / kic_manifest(KIC).path
    manifest.parent.mkdir(parents=True)
    manifest.write_text(yaml.safe_dump_all(stand_in.all_in_one()))
    return root


@pytest.fixture
def mirror(published: Path) -> Iterator[str]:
    """A real server on loopback that has it."""
    handler = partial(Quiet, directory=str(published))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH on which Docker and kind answer, and are never asked for more than that."""
    state = tmp_path / "fakes"
    fakes.tools(state)
    information = json.dumps({"ServerVersion": "28.0", "DockerRootDir": "/nowhere"})
    (state / "docker").write_text(f"#!/bin/sh\necho '{information}'\n")
    return f"{state}:/usr/bin:/bin"


def test_newer_version(mirror, published, path, tmp_path, monkeypatch):
    """It is installed, found, judged and taken away again, and the report says that it is not pinned.

    A licence given leaves no trace. Then its manifest changes, and it is refused.
    """
    payload = {"license_expiration_date": "2099-01-01", "license_key": "SENSITIVE"}
    monkeypatch.setenv("KONG_LICENSE_DATA", json.dumps({"license": {"payload": payload}}))
    options = (*AS_KIND, "--manifest-mirror", mirror, "--manifest-cache", str(tmp_path / "cache"))
    versions = ("--kic-version", KIC, "--gateway-api-version", GATEWAY_API)
    result = run_suite(tmp_path / "out", *options, *versions, path=path)
    assert result.status == 0, result.output
    assert result.status_of("CKE-01") == "CONFORMS"
    assert result.report
    assert result.report["implementation"]["target"] == "kind"
    assert result.report["implementation"]["controller"] == "embedded stand-in", "whatever its image is called"
    said = result.report["implementation"]["versions"]
    assert said["Admin API"] == "through the Kubernetes API"
    assert "kong/kong-gateway:3.11.0.14" in said.values()
    assert said["ingress-kong"] == f"kong/kubernetes-ingress-controller:{KIC}"
    assert said["KIC manifest"].startswith("not pinned: SHA-256 ")
    assert said["Gateway API definitions"].startswith("not pinned: SHA-256 ")
    assert said["KIC rules"] == f"those of 3.5: releases.toml does not have {KIC}"
    left = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert left
    assert not any(b"SENSITIVE" in file.read_bytes() for file in left)
    assert "SENSITIVE" not in result.output

    with (published / kic_manifest(KIC).path).open("a") as manifest:
        manifest.write("# one more line\n")
    refused = run_suite(tmp_path / "again", *options, *versions, path=path)
    assert refused.status == 2
    [line] = [line for line in refused.output.splitlines() if "has changed since" in line]
    assert f"{mirror}/{kic_manifest(KIC).path} has changed since it was first downloaded" in line


def installed(mirror, tmp_path, **options):
    """What would be installed, with the given options."""
    given = {"manifest_mirror": mirror, "manifest_cache": str(tmp_path / "cache"), "gateway_api_version": GATEWAY_API}
    return sources(settings(Namespace(**given, **options), environ={}), project() / "manifests")


def test_changed_behind_a_known_version(mirror, published, tmp_path):
    """releases.toml has its checksum, and nothing else is taken for it."""
    manifest = published / kic_manifest("3.5.13").path
    manifest.parent.mkdir(parents=True)
    manifest.write_text(yaml.safe_dump_all(stand_in.all_in_one()))
    with pytest.raises(NoTarget) as caught:
        installed(mirror, tmp_path)
    assert str(caught.value).startswith(f"{mirror}/{kic_manifest('3.5.13').path} is not the file that was pinned")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["file", "address"])
def test_manifest_of_ones_own(place, mirror, published, tmp_path):
    """--kic-manifest takes a file or an address; the report will say that nothing pins it."""
    given = published / "mine.yaml"
    given.write_text(yaml.safe_dump_all(stand_in.all_in_one()))
    manifest = str(given) if place == "file" else f"{mirror}/mine.yaml"
    found = installed(mirror, tmp_path, kic_manifest=manifest)
    assert found.kic == stand_in.all_in_one()
    assert found.notes["KIC manifest"] == f"not pinned: SHA-256 {sha256(given.read_bytes())}"
    with pytest.raises(NoTarget, match=r"mine\.yaml\.gone"):
        installed(mirror, tmp_path, kic_manifest=f"{manifest}.gone")


def test_images_of_ones_own():
    """Any image can be judged, also one that no registry has."""
    chosen = settings(Namespace(kic_image="dev:local", kong_image="kong/kong-gateway-dev:nightly"), environ={})
    assert (chosen.setup.kic_image, chosen.setup.kong_image) == ("dev:local", "kong/kong-gateway-dev:nightly")
