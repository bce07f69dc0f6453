"""Each fault of the gateway misbehaves as its name says, in a real Envoy, and marks what it touched and no more."""

import tomllib
from collections import Counter
from pathlib import Path

import pytest

from embedded_cluster.environment import load_hook
from stickyconf.mutants import RESPONSE_MARK, mutants
from tests.embedded.gateway_process import Pod, running_gateway, running_pods, session_of, sticky


@pytest.fixture(scope="module")
def pods():
    with running_pods() as three:
        yield three


@pytest.fixture
def gateway(request, pods: list[Pod]):
    """A gateway with the fault that the test's name ends with."""
    mutant = request.node.name.removeprefix("test_")
    _, _, hook = mutants()[mutant].hook.partition("=")
    with running_gateway(EMBEDDED_HOOK=hook) as running:
        taken = running.push(sticky(pods))
        assert taken.status_code == 201, taken.text
        yield running


def own_cookies(answer):
    return [value for value in answer.headers.get_list("set-cookie") if value.startswith("session_id=")]


def test_never_sets_the_cookie(gateway):
    """No session cookie, the application's own is left alone; every such response is marked."""
    for _ in range(5):
        answer = gateway.get()
        assert answer.headers.get_list("set-cookie") == ["theme=dark"]
        assert answer.headers[RESPONSE_MARK] == "never_sets_the_cookie"


def test_ignores_the_cookie_sometimes(gateway, pods):
    """About one request in twenty goes astray, is marked, and leaves the client its cookie; the others do not."""
    sessions = gateway.open_sessions(pods)
    requests, astray, marked = 900, 0, 0
    for number in range(requests):
        pod, cookie = list(sessions.items())[number % len(sessions)]
        answer = gateway.get(cookie=f"{cookie}; theme=dark")
        leaked, fired = answer.json()["pod"] != pod, RESPONSE_MARK in answer.headers
        assert not own_cookies(answer)
        assert fired or not leaked
        assert ("session_id" in answer.json()["headers"]["cookie"]) is not fired
        assert "theme=dark" in answer.json()["headers"]["cookie"]
        astray += leaked
        marked += fired
    # 5 % and 7.5 % of 900, six standard deviations to either side.
    assert 6 <= astray <= 84
    assert 21 <= marked <= 114


def test_sets_a_wrong_path(gateway):
    """The Path differs, all else of the cookie is the same."""
    answer = gateway.get()
    (cookie,) = own_cookies(answer)
    assert "; Path=/elsewhere; HttpOnly" in cookie
    assert answer.headers[RESPONSE_MARK] == "sets_a_wrong_path"
    assert RESPONSE_MARK not in gateway.get(cookie=session_of(answer)).headers


def test_adds_max_age(gateway):
    """The cookie outlives the client's session; the application's own does not."""
    answer = gateway.get()
    (cookie,) = own_cookies(answer)
    assert cookie.endswith("; Path=/; HttpOnly; Max-Age=3600")
    assert "theme=dark" in answer.headers.get_list("set-cookie")
    assert answer.headers[RESPONSE_MARK] == "adds_max_age"


def test_starves_a_pod(gateway):
    """One of three pods gets none of 60 new sessions; what is opened is marked, and pins as it should."""
    answers = [gateway.get() for _ in range(60)]
    placed = Counter(answer.json()["pod"] for answer in answers)
    assert len(placed) == 2
    assert {answer.headers[RESPONSE_MARK] for answer in answers} == {"starves_a_pod"}
    first = answers[0]
    assert gateway.get(cookie=session_of(first)).json()["pod"] == first.json()["pod"]


def test_every_fault_says_what_it_is():
    """A sentence, a source, and requirements of the catalogue that have to object."""
    catalogue = tomllib.loads((Path(__file__).parents[2] / "requirements.toml").read_text())
    known = {row["id"] for row in catalogue["requirement"]}
    for mutant in mutants().values():
        assert mutant.sentence.endswith(".")
        assert "\n" not in mutant.sentence
        assert mutant.source
        assert mutant.caught_by or mutant.measured_by
        assert {*mutant.caught_by, *mutant.measured_by} <= known
        assert load_hook(mutant.hook.partition("=")[2]) is mutant
