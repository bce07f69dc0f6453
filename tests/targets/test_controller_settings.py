"""KIC's settings are read and changed where the installation has them: flags, which win, or environment."""

import pytest

from stickyconf.targets.kong import is_on, setting, with_setting

NAME = "enable-drain-support"
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
