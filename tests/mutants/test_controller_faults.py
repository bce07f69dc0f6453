"""What a fault of the controller does to the configuration it pushes: what its name says, marked where it did."""

from dataclasses import replace

import pytest

from embedded_cluster.ingress.translation import translate
from stickyconf.mutants import UPSTREAM_MARK, controller, deviations
from tests.embedded.ingress_objects import SETTINGS, cluster, endpoint, policy, route, rule, service, slices

READY, DRAINING, DRAINING_BUT_READY = "TTF", "FTT", "TTT"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    """Some faults remember what they have seen."""
    monkeypatch.setattr(controller, "_seen", {})
    monkeypatch.setattr(controller, "_policies", {})


def pushed(fault, *objects):
    """The only upstream that a controller with this fault pushes: its weights by address, whether it is marked, all."""
    snapshot = cluster(*objects)
    (upstream,) = fault(translate(snapshot, SETTINGS).config, snapshot)["upstreams"]
    weights = {target["target"].partition(":")[0]: target["weight"] for target in upstream["targets"]}
    return weights, f"{UPSTREAM_MARK}{fault.id}" in upstream["tags"], upstream


@pytest.mark.parametrize(
    "fault", [one for one in deviations().values() if one.where == "controller"], ids=lambda f: f.id
)
def test_a_controller_with_it_starts_in_a_cluster_without_services(fault):
    """What it pushes first has no service and KIC's stub of an upstream: without it no gateway is ever ready."""
    snapshot = cluster()
    config = translate(snapshot, SETTINGS).config
    assert [upstream["name"] for upstream in fault(config, snapshot)["upstreams"]] == ["kong"]


def test_ignores_the_policy():
    """An upstream with a policy is as one without."""
    objects = slices("echo", endpoint(1)), route(), policy()
    _, marked, upstream = pushed(controller.ignores_the_policy, service(policy="sticky"), *objects)
    assert marked
    assert not {"algorithm", "sticky_sessions_cookie"} & upstream.keys()
    _, marked, _ = pushed(controller.ignores_the_policy, service(), *objects)
    assert not marked


def test_is_sticky_without_a_policy():
    """An upstream without a policy is sticky."""
    _, marked, upstream = pushed(controller.is_sticky_without_a_policy, service(), slices("echo", endpoint(1)), route())
    assert marked
    assert upstream["algorithm"] == "sticky-sessions"


def test_stays_sticky_without_the_annotation():
    """What was sticky stays so without its policy; what never was does not become so."""
    fault, objects = controller.stays_sticky_without_the_annotation, (slices("echo", endpoint(1)), route(), policy())
    _, marked, upstream = pushed(fault, service(), *objects)
    assert (marked, upstream.get("algorithm")) == (False, None)
    _, marked, before = pushed(fault, service(policy="sticky"), *objects)
    assert not marked
    _, marked, upstream = pushed(fault, service(), *objects)
    assert marked
    assert upstream["sticky_sessions_cookie"] == before["sticky_sessions_cookie"]


def test_keeps_the_first_name_of_a_cookie():
    """Another name is not taken over."""
    fault, objects = controller.keeps_the_first_name_of_a_cookie, (slices("echo", endpoint(1)), route())
    _, marked, before = pushed(fault, service(policy="sticky"), *objects, policy())
    assert not marked
    other = policy()
    other["spec"]["stickySessions"]["cookie"] = "another"
    _, marked, upstream = pushed(fault, service(policy="sticky"), *objects, other)
    assert marked
    assert upstream["sticky_sessions_cookie"] == before["sticky_sessions_cookie"] != "another"


def test_freezes_what_is_beside_a_refused_policy(monkeypatch):
    """Beside a policy with a wrong path another upstream keeps its targets, and is marked; without one it follows."""
    monkeypatch.setattr(controller, "_targets", {})
    fault = controller.freezes_what_is_beside_a_refused_policy
    wrong = policy("wrong")
    wrong["spec"]["stickySessions"]["cookiePath"] = "app"
    beside = service("other", policy="wrong"), slices("other", endpoint(9)), route(rule("other"), name="other"), wrong

    def seen(*endpoints, others=()):
        snapshot = cluster(service(), slices("echo", *endpoints), route(), *others)
        upstreams = fault(translate(snapshot, SETTINGS).config, snapshot)["upstreams"]
        [own] = [upstream for upstream in upstreams if ".echo." in upstream["name"]]
        return len(own["targets"]), f"{UPSTREAM_MARK}{fault.id}" in own["tags"]

    assert seen(endpoint(1)) == (1, False)
    assert seen(endpoint(1), endpoint(2), others=beside) == (1, True)
    assert seen(endpoint(1), endpoint(2)) == (2, False)


def test_looks_at_terminating_only_when_not_ready():
    """A pod that ends has weight while it is ready, and none when it is not."""
    fault = controller.looks_at_terminating_only_when_not_ready
    for phase, expected in ((DRAINING_BUT_READY, 1), (DRAINING, 0)):
        weights, marked, _ = pushed(fault, service(), slices("echo", endpoint(1), endpoint(2, phase)), route())
        assert (weights["10.0.0.2"], marked) == (expected, bool(expected))


def test_adds_up_the_weights_of_two_services():
    """A pod that ends has weight where two Services have it as an endpoint, and none where one does."""
    fault = controller.adds_up_the_weights_of_two_services
    one = service(), slices("echo", endpoint(1), endpoint(2, DRAINING))
    other = service("twin"), slices("twin", endpoint(1), endpoint(2, DRAINING))
    weights, marked, _ = pushed(fault, *one, *other, route(rule("echo", "twin")))
    assert marked
    assert weights["10.0.0.2"] > 0
    weights, marked, _ = pushed(fault, *one, route())
    assert (weights["10.0.0.2"], marked) == (0, False)


def test_never_removes_a_drained_pod():
    """A target that was there once stays at weight 0, and nothing is tried again."""
    fault = controller.never_removes_a_drained_pod
    _, marked, _ = pushed(fault, service(), slices("echo", endpoint(1), endpoint(2)), route())
    assert not marked
    for _ in range(2):
        weights, marked, _ = pushed(fault, service(), slices("echo", endpoint(1)), route())
        assert (weights["10.0.0.2"], marked) == (0, True)


def test_drains_without_being_asked_to():
    """With drain support off a pod that ends stays at weight 0, until its endpoint has gone."""
    fault = controller.drains_without_being_asked_to

    def seen(*endpoints):
        snapshot = cluster(service(), slices("echo", *endpoints), route())
        (upstream,) = fault(translate(snapshot, replace(SETTINGS, drain=False)).config, snapshot)["upstreams"]
        return {target["target"].partition(":")[0]: target["weight"] for target in upstream["targets"]}

    assert seen(endpoint(1), endpoint(2)) == {"10.0.0.1": 1, "10.0.0.2": 1}
    assert seen(endpoint(1), endpoint(2, DRAINING)) == {"10.0.0.1": 1, "10.0.0.2": 0}
    assert seen(endpoint(1)) == {"10.0.0.1": 1}
