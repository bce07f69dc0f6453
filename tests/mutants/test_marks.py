"""The marks of deliberate faults are found in what they touched, and what keeps a fault from acting is told."""

from fixtures.marks import lua_lines, marked
from stickyconf.mutants import RESPONSE_MARK
from tests.embedded.gateway_process import running_gateway, running_pods, sticky


def upstream(name, *tags):
    return {"name": name, "tags": list(tags)}


def test_a_mark_counts_on_any_upstream_of_the_namespace():
    """A fault may act on another Service of the case than the one that is judged; other cases are not looked at."""
    own, beside = upstream("httproute.one.echo.0"), upstream("httproute.one.neighbour.0", "k8s", "mutant:forgets")
    other = upstream("httproute.other.echo.0", "mutant:forgets")

    assert marked([own, beside, other], "one") == [beside]
    assert marked([own, upstream("httproute.one-more.echo.0", "mutant:forgets")], "one") == []
    assert marked([{"name": "httproute.one.echo.0", "tags": None}], "one") == []


def test_other_lines_of_a_gateways_log_are_no_lua_error():
    """Envoy says more than what goes wrong in Lua."""
    assert lua_lines("Envoy: listener manager: ready\nscript log: a pod says so\n") == []


def test_a_fault_whose_lua_fails_is_told_in_envoys_words(capsys):
    """Envoy lets the response pass unmarked: without its log such a fault looks like one that never acts."""
    with (
        running_pods() as pods,
        running_gateway(EMBEDDED_HOOK="tests.mutants.failing:calls_what_is_not_there") as gateway,
    ):
        assert gateway.push(sticky(pods[:2])).status_code == 201
        answer = gateway.get()

    assert answer.status_code == 200
    assert RESPONSE_MARK not in answer.headers
    [line] = set(lua_lines(capsys.readouterr().out))
    assert "no_such_function" in line
