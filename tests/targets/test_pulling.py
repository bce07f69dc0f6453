"""Why an image could not be had is told from what Docker, containerd and registries say."""

import pytest

from stickyconf.targets.kind.faults import not_made
from stickyconf.targets.kind.pulling import is_final, pull_failure

SAID = {
    "no such tag": (
        'failed to resolve reference "docker.io/kong/kong-gateway:9.9": docker.io/kong/kong-gateway:9.9: not found',
        "there is no such image, or none for this platform; check --kong-image",
        True,
    ),
    "another platform": (
        "no match for platform in manifest: not found",
        "there is no such image, or none for this platform; check --kong-image",
        True,
    ),
    "private": (
        "pull access denied, repository does not exist or may require authorization",
        "the registry refuses it; check its name, log in to the registry, or load it",
        True,
    ),
    "misspelt": ("InvalidImageName: couldn't parse image name", "that is no image's name; check --kong-image", True),
    "limited": ("429 Too Many Requests - toomanyrequests", "the registry limits pulls; log in to it", False),
    "no network": (
        'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host',
        "the registry cannot be reached; check the network, or load it",
        False,
    ),
    "something new": ("the moon is full", "no reason that is known here; see what was said, or load it", False),
}


@pytest.mark.parametrize(("said", "cause", "final"), SAID.values(), ids=SAID)
def test_cause_and_cure(said, cause, final):
    """One line has the image, the cause, the cure and the words themselves."""
    message = pull_failure("kong/kong-gateway:9.9", said, option="--kong-image", otherwise="load it")
    assert message.startswith("image kong/kong-gateway:9.9 cannot be pulled: " + cause)
    assert said[-40:] in message
    assert is_final(said) is final


def test_kind_without_a_network():
    """The node's image is named, with how to bring it where there is no registry: an archive keeps no digest."""
    output = """\
Creating cluster "x" ...
 • Ensuring node image (kindest/node:v1.34.0) ...
ERROR: failed to create cluster: failed to pull image "kindest/node:v1.34.0@sha256:7416": command "docker pull" failed

Command Output: Error response from daemon: Get "https://registry-1.docker.io/v2/": no such host
"""
    message = not_made("x", output)
    assert message.startswith("image kindest/node:v1.34.0@sha256:7416 cannot be pulled: the registry cannot be reached")
    assert "docker load -i FILE here, and give --kind-image kindest/node:v1.34.0" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("output", "cure"),
    [
        (
            "ERROR: docker run failed: Bind for 127.0.0.1:80 failed: port is already allocated",
            "give another --proxy-port",
        ),
        ("ERROR: failed to create cluster: write /x: no space left on device", "make room (docker system prune)"),
        ("ERROR: could not start: too many open files", "sudo sysctl fs.inotify.max_user_instances=512"),
        ("ERROR: failed to init node with kubeadm", "kind could not make the cluster x: failed to init node"),
    ],
)
def test_other_faults_of_kind(output, cure):
    """What stops kind half-way has its cure, too."""
    assert cure in not_made("x", output)
