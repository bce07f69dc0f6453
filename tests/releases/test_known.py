"""releases.toml says all that depends on a version; what it does not have follows the newest known before it."""

import pytest

from stickyconf.releases.known import FILE, BadReleases, at_or_before, known, load, minor, newest_by_minor
from stickyconf.shipped import project
from stickyconf.targets.kind.published import gateway_api, kic_manifest

TEXT = (project() / FILE).read_text(encoding="utf-8")


def test_checksums():
    """Whatever is listed is pinned: manifests, definitions and node images."""
    sums = [
        *(release.manifest for release in known().kic.releases.values()),
        *(one for release in known().gateway_api.releases.values() for one in release.definitions.values()),
        *(release.image.removeprefix("sha256:") for release in known().kubernetes.releases.values()),
    ]
    assert all(len(one) == 64 and int(one, 16) for one in sums)
    assert known().node_image("1.34.8").startswith("kindest/node:v1.34.8@sha256:")


def test_versions_that_are_not_listed():
    """They have addresses like the others, and no checksum."""
    assert kic_manifest("3.5.13").sha256
    new = kic_manifest("3.6.0-rc.1")
    assert new.path.startswith("Kong/kubernetes-ingress-controller/v3.6.0-rc.1/test/e2e/manifests/all-in-one-")
    assert not new.sha256
    assert [file.path.rpartition("_")[2] for file in gateway_api("1.99.0")] == [
        f"{plural}.yaml" for plural in known().gateway_api.releases["1.6.1"].definitions
    ]
    assert not any(file.sha256 for file in gateway_api("1.99.0"))
    assert len(gateway_api("1.0.7")) == 4, "as 1.0.0, which has no GRPCRoute"


def test_order_of_versions():
    """Numbers are compared as numbers, and a candidate comes before its release."""
    assert newest_by_minor(["3.5.9", "3.5.13", "3.10.0", "3.6.0"]) == {
        "3.5": "3.5.13",
        "3.6": "3.6.0",
        "3.10": "3.10.0",
    }
    assert at_or_before("3.6.0-rc.1", ["3.5.13", "3.6.0"]) == "3.5.13"
    assert at_or_before("3.4", ["3.5.13", "3.6.0"]) == "3.5.13", "there is nothing older"
    assert minor("3.11.0.14") == "3.11"


BAD = {
    "no TOML": ("[kic]", "[kic", "releases.toml: "),
    "an unknown key": ("[gateway]", "[gateway]\nlicense_needed_from = 1", "unknown field `license_needed"),
    "no date": ("end_of_support = 2027-12-18", "end_of_support = 2027", "Expected `date"),
    "a missing checksum": (', manifest = "7aa', ', image = "7aa', "unknown field `image`"),
    "no such default": ('kic = "3.5.13"', 'kic = "3.5.99"', "the default 3.5.99 is not among the releases"),
    "no such minor": ('"3.5.0" =', '"3.4.0" =', "3.4.0 is there, but nothing of its minor 3.4"),
}


@pytest.mark.parametrize(("there", "instead", "said"), BAD.values(), ids=BAD)
def test_bad_file(there, instead, said, tmp_path):
    """One line: which file, where in it, and why."""
    assert there in TEXT
    (tmp_path / FILE).write_text(TEXT.replace(there, instead, 1), encoding="utf-8")
    with pytest.raises(BadReleases) as caught:
        load(tmp_path / FILE)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
