"""What the KIC stand-in makes of Services, HTTPRoutes and policies: pure translation, one fact at a time."""

import pytest

from embedded_cluster.ingress.translation import Settings
from tests.embedded.ingress_objects import (
    NO_DRAIN,
    SETTINGS,
    Object,
    endpoint,
    made,
    policy,
    route,
    rule,
    service,
    slices,
    translated,
    weights,
)

# -- Termination ------------------------------------------------------------------------------------------------------

PHASES = {
    # ready, serving, terminating: with drain support off, on (None: not a target)
    "TTF": (50, 50),
    "FFF": (None, None),
    "FTT": (None, 0),
    "FFT": (None, 0),
    "TTT": (50, 0),  # publishNotReadyAddresses
    "---": (50, 50),  # nothing stated means ready and staying
    "--T": (50, 0),
    "T--": (50, 50),
}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("drain", [False, True], ids=["drain off", "drain on"])
def test_what_becomes_of_an_endpoint(phase: str, drain: bool) -> None:
    """Ready ones are targets; terminating ones are targets of weight 0 if drain support is on."""
    backend = {"name": "echo", "port": 80, "weight": 100}
    objects = (service(), slices("echo", endpoint(1), endpoint(2, phase)), route(rule(backend)))
    found = weights(translated(*objects, settings=SETTINGS if drain else NO_DRAIN))
    assert found.get("2") == PHASES[phase][drain]
    assert found["1"] == (50 if found.get("2") else 100)  # the rule's weight is for those that stay


def test_everything_terminating_is_everything_at_weight_zero() -> None:
    """Scaled to nothing with a hold, the pods stay reachable for their sessions."""
    ending = slices("echo", endpoint(1, "FTT"), endpoint(2, "FTT"))
    assert weights(translated(service(), ending, route())) == {"1": 0, "2": 0}


def test_services_with_the_same_endpoints_add_up_but_draining_ones_stay_at_zero() -> None:
    """A pod behind two Services of one rule gets both shares; once it drains, none."""
    services = (service("a"), service("b"))
    both = [slices(name, endpoint(1), endpoint(2, "FTT")) for name in "ab"]
    assert weights(translated(*services, *both, route(rule("a", "b")))) == {"1": 2, "2": 0}
    # Also while one of the two slices has not heard of it yet.
    late = [slices("a", endpoint(1), endpoint(2, "FTT")), slices("b", endpoint(1), endpoint(2))]
    assert weights(translated(*services, *late, route(rule("a", "b"))))["2"] == 0


@pytest.mark.parametrize(
    ("weight", "pods", "each"), [(1, 3, 1), (100, 3, 33), (90, 3, 30), (0, 3, 0), (2, 3, 1)], ids=str
)
def test_a_rules_weight_is_shared_out(weight: int, pods: int, each: int) -> None:
    """In whole numbers, at least 1, unless the weight itself is 0."""
    ready = slices("echo", *(endpoint(number) for number in range(pods)))
    found = weights(translated(service(), ready, route(rule({"name": "echo", "port": 80, "weight": weight}))))
    assert set(found.values()) == {each}


# -- HTTPRoutes -------------------------------------------------------------------------------------------------------


def test_an_http_route_becomes_what_kic_makes_of_it() -> None:
    """Names by rule and match, both spellings of a prefix, tags that lead back to the objects."""
    echo = service(policy="sticky")
    its_route = route(
        rule("echo", matches=[{"path": {"type": "PathPrefix", "value": "/echo"}, "method": "GET"}]),
        spec={"hostnames": ["a.example"]},
    )
    found = translated(echo, slices("echo", endpoint(1)), its_route, policy())
    assert not found.failures
    uid = echo["metadata"]["uid"]
    service_tags = ["k8s-name:echo", "k8s-namespace:app", "k8s-kind:Service", f"k8s-uid:{uid}", "k8s-version:v1"]
    assert found.config["upstreams"] == [
        {
            "name": "httproute.app.echo.0",
            "tags": service_tags,
            "targets": [{"target": "10.0.0.1:8080", "weight": 1}],
            "algorithm": "sticky-sessions",
            "hash_on": "none",
            "sticky_sessions_cookie": "session_id",
            "sticky_sessions_cookie_path": "/",
        }
    ]
    (kong_service,) = found.config["services"]
    assert (kong_service["name"], kong_service["host"]) == ("httproute.app.echo.0", "httproute.app.echo.0")
    (kong_route,) = kong_service["routes"]
    assert "k8s-group:gateway.networking.k8s.io" in kong_route.pop("tags")
    assert kong_route == {
        "name": "httproute.app.echo.0.0",
        "hosts": ["a.example"],
        "protocols": ["http"],
        "paths": ["~/echo$", "/echo/"],
        "methods": ["GET"],
        "strip_path": False,
        "preserve_host": True,
    }


@pytest.mark.parametrize(
    ("path", "paths"),
    [
        ({"type": "Exact", "value": "/a"}, ["~/a$"]),
        ({"type": "PathPrefix", "value": "/a/"}, ["~/a/$", "/a/"]),
        ({"type": "PathPrefix", "value": "/"}, ["~/$", "/"]),
        ({"type": "RegularExpression", "value": "/a/[0-9]+"}, ["~/a/[0-9]+"]),
        (None, ["~/$", "/"]),
    ],
    ids=str,
)
def test_path_matches(path: Object | None, paths: list[str]) -> None:
    """Kong's paths, where a regular expression begins with a tilde."""
    matches = [{"path": path}] if path else []
    (kong_service,) = translated(service(), route(rule("echo", matches=matches))).config["services"]
    assert kong_service["routes"][0]["paths"] == paths


def test_matches_that_differ_in_the_path_only_share_a_kong_route() -> None:
    """Others get one of their own, and rules with other backends a service and an upstream of their own."""
    a, b = ({"path": {"type": "Exact", "value": value}} for value in ("/a", "/b"))
    beta = {"path": a["path"], "headers": [{"name": "X-Track", "value": "beta"}]}
    rules = (rule("echo", matches=[a, beta, b]), rule("other", matches=[a]), rule("echo", matches=[a]))
    found = translated(service(), service("other"), route(*rules))
    assert {s["name"]: [(r["name"], r["paths"]) for r in s["routes"]] for s in found.config["services"]} == {
        "httproute.app.echo.0": [
            ("httproute.app.echo.0.0", ["~/a$", "~/b$"]),
            ("httproute.app.echo.0.1", ["~/a$"]),
        ],
        "httproute.app.echo.1": [("httproute.app.echo.1.0", ["~/a$"])],
    }
    assert found.config["services"][0]["routes"][1]["headers"] == {"X-Track": ["beta"]}


def test_header_modifiers_become_plugins() -> None:
    """As the transformer plugin wants them; setting is replacing and adding."""
    modifier = {"set": [{"name": "a", "value": "1"}], "add": [{"name": "b", "value": "2"}], "remove": ["c"]}
    filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": modifier}]
    (kong_service,) = translated(service(), route(rule("echo", filters=filters))).config["services"]
    (plugin,) = kong_service["routes"][0]["plugins"]
    assert plugin["name"] == "request-transformer"
    assert {section: content["headers"] for section, content in plugin["config"].items()} == {
        "replace": ["a:1"],
        "add": ["a:1"],
        "append": ["b:2"],
        "remove": ["c"],
    }


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (rule("echo", matches=[{"queryParams": [{"name": "a", "value": "b"}]}]), "query param matches"),
        (rule("echo", filters=[{"type": "URLRewrite", "urlRewrite": {}}]), "httpFilter URLRewrite unsupported"),
    ],
    ids=["query parameters", "filter"],
)
def test_an_http_route_that_cannot_be_served_keeps_no_other_from_it(bad: Object, said: str) -> None:
    """It is told so by an event, and the rest is translated."""
    broken = route(bad, name="broken")
    found = translated(service(), broken, route())
    assert [(said in failure.message, failure.objects) for failure in found.failures] == [(True, (broken,))]
    assert [s["name"] for s in found.config["services"]] == ["httproute.app.echo.0"]
    assert broken["metadata"]["uid"] not in found.configured


def test_a_rule_without_an_existing_backend_answers_500() -> None:
    """Gateway API asks for it; with some backends missing the others get the traffic."""
    (kong_service,) = translated(route(rule("gone"))).config["services"]
    assert kong_service["plugins"][0]["config"]["status_code"] == 500
    found = translated(service(), slices("echo", endpoint(1)), route(rule("gone", "echo")))
    assert "plugins" not in found.config["services"][0]
    assert weights(found) == {"1": 1}


def test_a_backend_in_another_namespace_needs_a_grant() -> None:
    """Without a ReferenceGrant it does not count; with one it does."""
    there = service("db", namespace="data")
    reference = {"name": "db", "namespace": "data", "port": 80, "weight": 1}
    objects = (there, slices("db", endpoint(1), namespace="data"), route(rule(reference)))
    assert weights(translated(*objects)) == {}
    allowed_from = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "app"}
    spec = {"from": [allowed_from], "to": [{"group": "", "kind": "Service"}]}
    grant = made("ReferenceGrant", "g", "gateway.networking.k8s.io/v1beta1", namespace="data", spec=spec)
    assert weights(translated(*objects, grant)) == {"1": 1}


def test_annotations_of_routes_and_services() -> None:
    """strip-path, preserve-host and protocols on the route; timeouts and retries on the Service."""
    annotated = route(annotations={"strip-path": "true", "preserve-host": "false", "protocols": "http,https"})
    echo = service()
    echo["metadata"]["annotations"] |= {"konghq.com/read-timeout": "1234", "konghq.com/retries": "many"}
    (kong_service,) = translated(echo, annotated).config["services"]
    kong_route = kong_service["routes"][0]
    assert (kong_route["strip_path"], kong_route["preserve_host"]) == (True, False)
    assert kong_route["protocols"] == ["http", "https"]
    assert (kong_service["read_timeout"], kong_service["retries"]) == (1234, 5)


# -- Policies ---------------------------------------------------------------------------------------------------------


def upstream_with(*objects: Object, settings: Settings = SETTINGS) -> Object:
    (upstream,) = translated(*objects, settings=settings).config["upstreams"]
    return {key: value for key, value in upstream.items() if key not in ("name", "tags", "targets")}


def test_the_annotation_is_what_applies_a_policy() -> None:
    """Without it a policy of any name changes nothing."""
    assert upstream_with(service(), route(), policy()) == {}


def test_every_field_of_a_policy_reaches_the_upstream() -> None:
    """In Kong's spelling; header names in health checks are not spelling."""
    spec = {
        "algorithm": "consistent-hashing",
        "slots": 100,
        "hashOn": {"queryArg": "user"},
        "hashOnFallback": {"cookie": "c", "cookiePath": "/p"},
        "healthchecks": {
            "active": {"httpPath": "/h", "headers": {"X-Probe": ["1"]}, "healthy": {"httpStatuses": [200]}}
        },
    }
    assert upstream_with(service(policy="p"), route(), policy("p", **spec)) == {
        "algorithm": "consistent-hashing",
        "slots": 100,
        "hash_on": "query_arg",
        "hash_on_query_arg": "user",
        "hash_fallback": "cookie",
        "hash_on_cookie": "c",
        "hash_on_cookie_path": "/p",
        "healthchecks": {
            "active": {"http_path": "/h", "headers": {"X-Probe": ["1"]}, "healthy": {"http_statuses": [200]}}
        },
    }


POLICY_FAILURES: dict[str, tuple[list[Object], Settings, str]] = {
    "missing": (
        [service(policy="lost"), route()],
        SETTINGS,
        "failed fetching KongUpstreamPolicy: KongUpstreamPolicy app/lost not found",
    ),
    "of another namespace": (
        [
            service(policy="sticky", namespace="app"),
            route(),
            policy() | {"metadata": {"name": "sticky", "namespace": "x"}},
        ],
        SETTINGS,
        "failed fetching KongUpstreamPolicy: KongUpstreamPolicy app/sticky not found",
    ),
    "gateway too old": (
        [service(policy="sticky"), route(), policy()],
        Settings(drain=True, proxy=("kong", "proxy"), ingress_class="kong", gateway_version=(3, 10, 9)),
        "sticky sessions algorithm specified in KongUpstreamPolicy 'sticky' "
        "is not supported with Kong Gateway versions < 3.11.0",
    ),
}


@pytest.mark.parametrize("case", POLICY_FAILURES)
def test_a_policy_that_cannot_be_applied_is_told_to_its_services(case: str) -> None:
    """In KIC's words; traffic goes on without it."""
    objects, settings, said = POLICY_FAILURES[case]
    found = translated(*objects, settings=settings)
    services = tuple(obj for obj in objects if obj["kind"] == "Service")
    assert [(failure.message, failure.objects) for failure in found.failures] == [(said, services)]
    assert upstream_with(*objects, settings=settings) == {}
    assert len(found.config["services"]) == 1


def test_a_rule_whose_services_disagree_is_not_served() -> None:
    """As KIC 3.5 does it: each Service is told which annotation differs, other rules go on."""
    disagreeing = route(rule("a", "b"), name="both")
    found = translated(service("a", policy="sticky"), service("b"), disagreeing, route(rule("a")), policy())
    told = (
        "Service has inconsistent konghq.com/upstream-policy annotation and is used in multi-Service backend "
        "httproute.app.both.0. This annotation must have the same value across all Services in the backend."
    )
    assert [(failure.message, failure.objects[0]["metadata"]["name"]) for failure in found.failures] == [
        (told, "a"),
        (told, "b"),
    ]
    assert [entity["name"] for entity in found.config["services"]] == ["httproute.app.echo.0"]
    assert {entity["name"]: entity["targets"] for entity in found.config["upstreams"]}["httproute.app.both.0"] == []
