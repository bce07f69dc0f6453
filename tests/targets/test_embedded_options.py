"""What the embedded target is told of the command line, and what it tells its cluster."""

from __future__ import annotations

from argparse import Namespace

import pytest

from stickyconf.targets.embedded import options
from stickyconf.targets.installation import KONG_TEMPO, BadOption


def given(**more: object) -> Namespace:
    """The options of a run of which nothing was asked, but for some."""
    nothing = {"admin_url": None, "proxy_url": None, "echo_image": None, "echo_pull_secret": None, "target": "embedded"}
    of_the_target = {
        "gateway": "envoy",
        "gateway_version": "",
        "gateway_workers": 1,
        "worker_lag": 0.0,
        "drained_sessions": "served",
        "node_pace": "quick",
        "control_plane_assets": None,
        "controller_binary": None,
        "controller_argument": [],
    }
    return Namespace(**{**nothing, **of_the_target, **more})


def test_the_pace_of_a_real_node_is_that_of_pods_and_of_the_controller() -> None:
    real = given(node_pace="real")
    options.check(real)
    assert options.tempo(real).sync == KONG_TEMPO.sync
    assert options.arguments(real)[-2:] == ["--node-pace", "real"]
    assert options.tempo(given()).sync < 1


def test_the_suite_knows_the_sync_period_that_the_cluster_is_given() -> None:
    assert options.tempo(given(), ["--gateway", "envoy", "--sync-period", "5"]).sync == 5


def test_another_pace_is_one_line() -> None:
    with pytest.raises(BadOption, match=r"^no pace is called 'slow'; there are: quick, real$"):
        options.check(given(node_pace="slow"))


def test_an_older_gateway_is_asked_for_by_its_release() -> None:
    assert options.arguments(given(gateway_version="3.10.0"))[-2:] == ["--gateway-version", "3.10.0"]
    with pytest.raises(BadOption, match=r"^--gateway-version 'old' is no release, such as 3\.10\.0$"):
        options.check(given(gateway_version="old"))


def test_a_gateway_that_refuses_drained_sessions_is_asked_for_by_name() -> None:
    assert options.arguments(given(drained_sessions="refused"))[-2:] == ["--drained-sessions", "refused"]
    assert "--drained-sessions" not in options.arguments(given())
    with pytest.raises(BadOption, match=r"^--drained-sessions 'kept': they are served or refused$"):
        options.check(given(drained_sessions="kept"))
