"""What a fault of the gateway does to single requests, in a real Envoy: it does what its name says, and says so."""

import contextlib
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from stickyconf.mutants import RESPONSE_MARK, benign_variants, deviations
from stickyconf.mutants.gateway.lua import cookie_value
from tests.embedded.gateway_process import Pod, running_gateway, running_pods, session_of, sticky
from tests.waiting import PATIENCE

VALUES = (
    "sets_an_unquoted_value",
    "sets_a_quoted_value",
    "sets_an_opaque_value",
    "sets_a_long_value",
    "sets_a_uuid_per_pod",
    "sets_a_uuid_per_client",
    "sets_base64_per_client",
)


@pytest.fixture(scope="module")
def pods():
    with running_pods() as three:
        yield three


@pytest.fixture
def gateway(request, pods: list[Pod]):
    """A gateway with the fault of the test's name, or of its parameter; two of three pods are its targets."""
    deviation = getattr(request, "param", request.node.name.removeprefix("test_"))
    with running_gateway(EMBEDDED_HOOK=deviations()[deviation].hook.partition("=")[2]) as running:
        taken = running.push(sticky(pods[:2]))
        assert taken.status_code == 201, taken.text
        yield running


@pytest.fixture
def gone(pods: list[Pod]) -> str:
    """The cookie of a pod that is no target."""
    return cookie_value(pods[2].target)


def mark(answer):
    return answer.headers.get(RESPONSE_MARK)


def test_dials_the_decoded_value(gateway, gone, pods):
    """A cookie that names no target leads to the address in it; one of a target leads there, unmarked."""
    answer = gateway.get(cookie=gone)
    assert (answer.json()["pod"], mark(answer)) == (pods[2].name, "dials_the_decoded_value")
    assert mark(gateway.get(cookie=cookie_value(pods[0].target))) is None


def test_follows_a_cookie_into_another_service(gateway, gone, pods):
    """An address that is nobody's target is not dialled."""
    answer = gateway.get(cookie=gone)
    assert answer.json()["pod"] != pods[2].name
    assert mark(answer) is None


def test_trusts_the_cookie_blindly(gateway, gone):
    """A cookie of a pod that has gone is answered with 503 each time; new sessions go on."""
    answers = [gateway.get(cookie=gone) for _ in range(3)]
    assert [(answer.status_code, mark(answer)) for answer in answers] == [(503, "trusts_the_cookie_blindly")] * 3
    assert gateway.get().status_code == 200


def test_keeps_a_stale_cookie(gateway, gone):
    """The session of a pod that has gone is served by one pod and another, and gets no cookie."""
    answers = [gateway.get(cookie=gone) for _ in range(4)]
    assert len({answer.json()["pod"] for answer in answers}) == 2
    assert {session_of(answer) for answer in answers} == {None}
    assert {mark(answer) for answer in answers} == {"keeps_a_stale_cookie"}


def test_moves_a_session_without_a_new_cookie(gateway, gone):
    """The session of a pod that has gone is served by one other pod, and gets no cookie."""
    answers = [gateway.get(cookie=gone) for _ in range(4)]
    assert len({answer.json()["pod"] for answer in answers}) == 1
    assert {session_of(answer) for answer in answers} == {None}
    assert {mark(answer) for answer in answers} == {"moves_a_session_without_a_new_cookie"}


def test_fails_on_a_malformed_cookie(gateway, gone):
    """A value that is no base64 is answered with 500; any other is served."""
    answer = gateway.get(cookie="a b,c")
    assert (answer.status_code, mark(answer)) == (500, "fails_on_a_malformed_cookie")
    assert gateway.get(cookie=gone).status_code == 200


def test_pins_one_request_at_a_time(gateway, pods):
    """Requests of a session that overlap stray; one after the other they do not."""
    sessions = gateway.open_sessions(pods[:2])
    [(pod, cookie), *_] = sessions.items()
    assert {gateway.get(cookie=cookie).json()["pod"] for _ in range(4)} == {pod}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: gateway.get(cookie=cookie, fresh=True), range(40)))
    assert all(answer.json()["pod"] == pod for answer in answers if mark(answer) is None)
    assert len(Counter(answer.json()["pod"] for answer in answers)) == 2


@pytest.mark.parametrize("gateway", VALUES, indirect=True)
def test_values_differ_and_pin(gateway, pods):
    """Whatever the value looks like, it is not Envoy's, and it pins."""
    answer = gateway.get()
    value = session_of(answer)
    assert value not in {cookie_value(pod.target) for pod in pods}
    assert mark(answer) in benign_variants()
    assert {gateway.get(cookie=value).json()["pod"] for _ in range(4)} == {answer.json()["pod"]}


def shown(gateway):
    """The only upstream of the Admin API, and its targets' weights."""
    (upstream,) = gateway.admin.get("/upstreams").json()["data"]
    targets = gateway.admin.get(f"/upstreams/{upstream['name']}/targets").json()["data"]
    return upstream, [target["weight"] for target in targets]


def test_admin_api_hides_weight_zero(gateway, pods):
    """The draining target is shown with weight, and gets no new session all the same."""
    assert "mutant:admin_api_hides_weight_zero" not in (shown(gateway)[0]["tags"] or ())
    assert gateway.push(sticky(pods, [100, 100, 0])).status_code == 201
    upstream, weights = shown(gateway)
    assert "mutant:admin_api_hides_weight_zero" in upstream["tags"]
    assert weights == [100, 100, 100]
    assert set(gateway.spread(30)) == {pods[0].name, pods[1].name}


def test_admin_api_shows_the_old_policy(gateway):
    """The upstream is shown as round-robin, and is sticky all the same."""
    upstream, _ = shown(gateway)
    assert upstream["algorithm"] == "round-robin"
    assert "mutant:admin_api_shows_the_old_policy" in upstream["tags"]
    assert session_of(gateway.get())


def test_leaves_a_worker_with_the_old_targets(gateway, pods):
    """Some fresh connections open sessions on a draining pod, marked; the cookie they get leads back to it."""
    assert gateway.push(sticky(pods, [100, 100, 0])).status_code == 201
    answers = [gateway.get(fresh=True) for _ in range(150)]
    stale = [answer for answer in answers if answer.json()["pod"] == pods[2].name]
    assert stale
    assert {mark(answer) for answer in stale} == {"leaves_a_worker_with_the_old_targets"}
    assert gateway.get(cookie=session_of(stale[0])).json()["pod"] == pods[2].name


def test_places_all_sessions_on_one_pod(gateway, pods):
    """New sessions get to one pod only."""
    assert len(gateway.spread(20)) == 1


def test_cuts_connections_when_a_policy_changes(gateway, pods):
    """A connection survives a change of the targets, and not one of the policy; then answers are marked."""
    host, _, port = gateway.proxy.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        assert gateway.push(sticky(pods)).status_code == 201
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
        assert mark(gateway.get(fresh=True)) is None
        assert gateway.push(sticky(pods, sticky_sessions_cookie="other_id")).status_code == 201
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(1 << 16):
                pass  # what is left of the answer comes before the end
    assert mark(gateway.get(fresh=True)) == "cuts_connections_when_a_policy_changes"
