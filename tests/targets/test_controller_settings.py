"""KIC's settings are read and changed where the installation has them: flags, which win, or environment."""

import pytest

from stickyconf.targets.kong import is_on, is_stand_in, release, setting, with_setting

NAME = "enable-drain-support"
KIC = "kong/kubernetes-ingress-controller:3.5.13"
CONTAINERS = {
    "unset": ({}, None),
    "variable": ({"env": [{"name": "CONTROLLER_ENABLE_DRAIN_SUPPORT", "value": "true"}]}, "true"),
    "flag": ({"args": ["--enable-drain-support=false"]}, "false"),
    "bare flag": ({"args": ["--enable-drain-support", "--log-level=info"]}, "true"),
    "flag and value": ({"args": ["--enable-drain-support", "true"]}, "true"),
    "flag wins": (
        {
            "args": ["--enable-drain-support=false"],
            "env": [{"name": "CONTROLLER_ENABLE_DRAIN_SUPPORT", "value": "true"}],
        },
        "false",
    ),
    "in the command": ({"command": ["/manager", "--enable-drain-support=true"]}, "true"),
}


@pytest.mark.parametrize(("container", "value"), CONTAINERS.values(), ids=CONTAINERS)
def test_setting_is_read(container, value):
    """The value is the one that KIC runs with."""
    assert setting(container, NAME) == value


@pytest.mark.parametrize("container", [container for container, _ in CONTAINERS.values()], ids=CONTAINERS)
@pytest.mark.parametrize("value", ["true", "false"])
def test_setting_is_changed(container, value):
    """After the change KIC runs with the new value, everything else is as before, and the original is untouched."""
    container = {"name": "ingress-controller", "env": []} | container
    before = repr(container)
    changed = with_setting(container, NAME, value)
    assert setting(changed, NAME) == value
    assert is_on(changed) is (value == "true")
    assert repr(container) == before
    assert changed["name"] == "ingress-controller"
    assert ("--log-level=info" in changed.get("args", ())) == ("--log-level=info" in container.get("args", ()))


@pytest.mark.parametrize(
    ("container", "stand_in"),
    [
        ({"image": "kong/kubernetes-ingress-controller:3.5.13"}, False),
        ({"image": "stickyconf.dev/x", "command": ["/opt/kic", "--log-level=info"]}, False),
        (
            {
                "image": "kong/kubernetes-ingress-controller:3.5",
                "command": ["python3", "-m", "embedded_cluster.ingress"],
            },
            True,
        ),
    ],
)
def test_who_the_controller_is(container, stand_in):
    """What runs decides, not what its image is called."""
    assert is_stand_in(container) is stand_in


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        (KIC, "3.5.13"),
        ("registry.test:5000/kic:nightly@sha256:9f86", "nightly"),
        ("registry.test:5000/kic@sha256:9f86", ""),
        ("kic", ""),
    ],
)
def test_release(image, tag):
    """The tag is the release, as far as anybody can tell."""
    assert release({"image": image}) == tag
