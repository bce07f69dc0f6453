"""What holds for these tests if pytest-xdist runs them side by side, as tox -e selftest does."""

import os
import socket

import pytest

from tests.ports import free_port


def test_a_file_stays_on_one_worker(request: pytest.FixtureRequest) -> None:
    """Its tests share what they have started; pytest-xdist shows the group in a test's id."""
    if not request.config.getoption("loadgroup", False):
        pytest.skip("the tests are not run by pytest-xdist with --dist loadgroup")
    assert request.node.nodeid.endswith("@tests/test_side_by_side.py")


def test_a_run_that_a_test_starts_is_no_worker() -> None:
    """The suite refuses to be one."""
    assert not [name for name in os.environ if name.startswith("PYTEST_XDIST_")]


def test_ports_for_later_are_given_once_and_to_no_connection() -> None:
    """They can be listened on, and are none of those that the kernel gives to clients."""
    ports = [free_port() for _ in range(20)]
    assert len(set(ports)) == 20
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert max(ports) < client.getsockname()[1]
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()
