"""How often a request is sent if its targets do not answer: as a Kong 3.10 with five retries was seen to do."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.embedded.gateway_process import Gateway, running_gateway
from tests.ports import free_port

ATTEMPTS = 6


class Mute:
    """Three targets that read each request and close its connection without an answer; ``received`` counts them."""

    def __init__(self) -> None:
        self.received = 0
        self._listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        self.targets = [f"127.0.0.1:{one.getsockname()[1]}" for one in self._listening]
        for one in self._listening:
            threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:  # closed, as the test is over
                return
            with connection:
                if connection.recv(65536):
                    self.received += 1

    def close(self) -> None:
        for one in self._listening:
            one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextmanager
def mute() -> Iterator[Mute]:
    targets = Mute()
    try:
        yield targets
    finally:
        targets.close()


@pytest.fixture(scope="module", params=["envoy", "python"])
def gateway(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    with running_gateway(EMBEDDED_DATA_PLANE=request.param) as running:
        yield running


def give(gateway: Gateway, *targets: str) -> None:
    """Have one sticky upstream with these targets."""
    policy = {"algorithm": "sticky-sessions", "hash_on": "none", "sticky_sessions_cookie": "session_id"}
    upstream = {"name": "u", **policy, "targets": [{"target": target} for target in targets]}
    services = [{"name": "s", "host": "u", "retries": ATTEMPTS - 1, "routes": [{"paths": ["/"]}]}]
    document = {"_format_version": "3.0", "services": services, "upstreams": [upstream]}
    assert gateway.push(document).status_code == 201


@pytest.mark.parametrize(("method", "attempts"), [("GET", ATTEMPTS), ("POST", 1)])
def test_only_what_may_be_repeated_is_sent_again(gateway: Gateway, method: str, attempts: int) -> None:
    """A GET is sent once and five times more; a POST may have been executed, and is not."""
    with mute() as targets:
        give(gateway, *targets.targets)
        answer = gateway.get(method=method, content=b"x" if method == "POST" else None)
        assert (answer.status_code, targets.received) == (502, attempts)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_refused_connection_leads_to_another_target(gateway: Gateway, method: str) -> None:
    """With any method: nothing has been sent, so nothing can have been executed."""
    with mute() as targets:
        give(gateway, *[f"127.0.0.1:{free_port()}" for _ in range(2)], targets.targets[0])
        gateway.get(method=method, content=b"x" if method == "POST" else None)
        assert targets.received >= 1
