"""A gateway of several workers: processes on one port, each with its own balancer, some of them later than others."""

import time
from collections import Counter

import pytest

from embedded_cluster.balancer import ordered
from embedded_cluster.environment import Address
from stickyconf.mutants import RESPONSE_MARK, deviations
from tests.embedded.gateway_process import Pod, readiness, running_gateway, running_pods, session_of, start, sticky
from tests.waiting import PATIENCE, eventually

VICTIM = 0
LAG = 5.0
"""Seconds that the last worker is late: a busy machine, too, asks all that it has to before they are over."""


@pytest.fixture(scope="module")
def pods():
    with running_pods() as three:
        yield three


def drained(pods: list[Pod]):
    return sticky(pods, [0 if number == VICTIM else 100 for number in range(len(pods))])


def placed(gateway, requests: int) -> Counter[str]:
    """Where so many new sessions are placed, each on a connection of its own."""
    return Counter(gateway.get(fresh=True).json()["pod"] for _ in range(requests))


@pytest.mark.parametrize("plane", ["envoy", "python"])
def test_workers_share_the_port_and_the_admin_api_lists_them(plane, pods):
    """Four processes take connections, and a session keeps its pod whichever of them serves it."""
    with running_gateway(EMBEDDED_DATA_PLANE=plane, EMBEDDED_WORKERS="4") as gateway:
        told = gateway.admin.get("/").json()["pids"]
        assert len(set(told["workers"])) == 4
        assert told["master"] == gateway.process.pid
        assert gateway.push(sticky(pods)).status_code == 201
        for pod, cookie in gateway.open_sessions(pods).items():
            assert {gateway.get(cookie=cookie, fresh=True).json()["pod"] for _ in range(20)} == {pod}
        counted = gateway.admin.get("/status").json()["server"]["total_requests"]
        assert counted >= 60


def test_one_worker_is_what_there_is_without_the_option(pods):
    """The id that the Admin API lists is that of the one process."""
    with running_gateway() as gateway:
        assert gateway.admin.get("/").json()["pids"]["workers"] == [gateway.envoy()]


def test_the_last_worker_acts_later_than_the_admin_api_shows(pods):
    """For as long as its lag it still deals new sessions to a pod of weight 0, and then no worker does."""
    with running_gateway(EMBEDDED_WORKERS="2", EMBEDDED_WORKER_LAG=str(LAG)) as gateway:
        gateway.push(sticky(pods))
        eventually("both workers have the first configuration", lambda: _all_answer(gateway))
        gateway.push(drained(pods))
        shown = time.monotonic()
        assert placed(gateway, 60)[pods[VICTIM].name] > 0
        assert time.monotonic() < shown + LAG
        eventually("both workers have the change", lambda: time.monotonic() > shown + LAG + 0.5)
        assert placed(gateway, 60)[pods[VICTIM].name] == 0


def test_a_gateway_is_ready_once_every_worker_has_a_configuration(pods):
    """As a Kong, which counts the workers whose router is built: before, some connections get a 404."""
    with running_gateway(EMBEDDED_WORKERS="4", EMBEDDED_WORKER_LAG=str(LAG)) as gateway:
        gateway.push(sticky(pods))
        status, said = readiness(gateway)
        assert (status, said.partition(",")[0]) == (503, "router builds not yet complete")
        assert said.endswith("of 4 workers")
        eventually("the gateway is ready", lambda: readiness(gateway) == (200, "ready"))
        assert {gateway.get(fresh=True).status_code for _ in range(40)} == {200}
        gateway.push(drained(pods))
        assert readiness(gateway) == (200, "ready")


def _all_answer(gateway) -> bool:
    return all(gateway.get(fresh=True).status_code == 200 for _ in range(20))


def mutated(name: str, workers: int):
    hook = deviations()[name].hook.partition("=")[2]
    return running_gateway(EMBEDDED_HOOK=hook, EMBEDDED_WORKERS=str(workers))


def test_leaves_a_worker_without_the_policy(pods):
    """Some connections get no cookie: those of one worker, which marks what it answers."""
    with mutated("leaves_a_worker_without_the_policy", 4) as gateway:
        gateway.push(sticky(pods))
        answers = [gateway.get(fresh=True) for _ in range(80)]
    assert {(session_of(one) is None, RESPONSE_MARK in one.headers) for one in answers} == {
        (True, True),
        (False, False),
    }
    assert 3 <= sum(RESPONSE_MARK in one.headers for one in answers) <= 45


@pytest.mark.parametrize(
    ("name", "workers"), [("leaves_a_worker_that_ignores_weight_zero", 4), ("leaves_one_worker_of_sixteen_behind", 16)]
)
def test_leaves_a_worker_that_deals_to_a_draining_pod(name, workers, pods):
    """New sessions on the pod at weight 0 are those of one worker, and it had not marked any before."""
    with mutated(name, workers) as gateway:
        gateway.push(sticky(pods))
        assert not any(RESPONSE_MARK in gateway.get(fresh=True).headers for _ in range(40))
        gateway.push(drained(pods))
        answers = [gateway.get(fresh=True) for _ in range(100 * workers // 4)]
    stray = [one for one in answers if one.json()["pod"] == pods[VICTIM].name]
    assert stray
    assert all(one.headers[RESPONSE_MARK] == name for one in stray)
    assert sum(RESPONSE_MARK in one.headers for one in answers) < len(answers) / 2


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"EMBEDDED_WORKERS": "0"}, "EMBEDDED_WORKERS must be a number from 1 to 64, not '0'"),
        ({"EMBEDDED_WORKER_LAG": "soon"}, "EMBEDDED_WORKER_LAG must be a number from 0 to 60, not 'soon'"),
        ({"EMBEDDED_WORKERS": "2", "EMBEDDED_DATA_PLANE": "haproxy"}, "of the data plane haproxy there is one"),
    ],
)
def test_what_cannot_be_is_one_line(environment, said):
    """The gateway ends at once with status 2."""
    process, _ = start(**environment)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert said in stderr


def test_a_balancer_gives_connections_to_all_replicas_and_one_always_to_the_same():
    """The first replica tried follows from the connection alone."""
    replicas = [Address("127.2.1.2", 8000), Address("127.2.1.3", 8000)]
    first = Counter(ordered(replicas, f"127.0.0.1:{port}")[0] for port in range(40000, 40400))
    assert ordered(replicas, "127.0.0.1:40000") == ordered(replicas[::-1], "127.0.0.1:40000")
    assert min(first[replica] for replica in replicas) > 140
