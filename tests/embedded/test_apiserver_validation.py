"""What the API server refuses, and how it says so."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.embedded.apiserver_process import ApiServer, running_apiserver

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
HTTP_ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes"
GATEWAYS = "/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways"
POLICIES = "/apis/configuration.konghq.com/v1beta1/namespaces/default/kongupstreampolicies"
PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"
WIDGETS = "/apis/example.org/v1/namespaces/default/widgets"


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    with running_apiserver() as running:
        running.install_crds()
        running.request("POST", CRDS, definition("widgets", "Widget", WIDGET))
        yield running


WIDGET: dict[str, Any] = {
    "type": "object",
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
        "color": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 6, "nullable": True},
        "port": {"x-kubernetes-int-or-string": True},
        "tags": {"type": "array", "maxItems": 2, "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "parts": {
            "type": "array",
            "minItems": 1,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "price": {
                        "type": "integer",
                        "x-kubernetes-validations": [
                            {"rule": "self >= oldSelf", "messageExpression": "'was ' + string(oldSelf)"}
                        ],
                    },
                },
            },
        },
        "namespace": {"type": "string"},
        "limits": {"type": "object", "additionalProperties": {"type": "integer"}},
        "anything": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
    "x-kubernetes-validations": [
        {
            "rule": "!has(self.tags) || self.tags.all(t, t.size() > 1)",
            "message": "tags are words",
            "fieldPath": ".tags",
        },
        {"rule": "!has(self.__namespace__) || self.__namespace__.split('-')[0] == 'team'", "message": "a team's"},
        {"rule": "has(self.size) == has(oldSelf.size)", "message": "size comes and goes"},
    ],
}


def definition(plural: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"spec": spec}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "kind": kind}
    return {
        "metadata": {"name": f"{plural}.example.org"},
        "spec": {"group": "example.org", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def widget(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": spec}


def causes(status: dict[str, Any]) -> dict[str, str]:
    """The complaints of a Status, by field."""
    return {cause["field"]: cause["message"] for cause in status["details"]["causes"]}


# --- custom resources -------------------------------------------------------------------------------------------------


def test_defaults_are_filled_in_and_null_is_no_value(server: ApiServer) -> None:
    made = server.request("POST", WIDGETS, widget("defaults", size=None, color=None, port="http"))
    assert made["spec"] == {"size": 3, "color": None, "port": "http"}


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        ({"size": 10}, "spec.size", "Invalid value: 10: spec.size in body should be less than or equal to 9"),
        ({"size": 0}, "spec.size", "Invalid value: 0: spec.size in body should be greater than or equal to 1"),
        ({"size": "3"}, "spec.size", 'Invalid value: "string": spec.size in body must be of type integer: "string"'),
        ({"size": True}, "spec.size", 'Invalid value: "boolean": spec.size in body must be of type integer: "boolean"'),
        ({"color": "Red"}, "spec.color", "Invalid value: \"Red\": spec.color in body should match '^[a-z]+$'"),
        ({"color": "crimson"}, "spec.color", "Too long: may not be more than 6 bytes"),
        (
            {"port": 1.5},
            "spec.port",
            'Invalid value: "number": spec.port in body must be of type integer,string: "number"',
        ),
        ({"tags": ["aa", "bb", "cc"]}, "spec.tags", "Too many: 3: must have at most 2 items"),
        ({"tags": ["aa", "aa"]}, "spec.tags[1]", 'Duplicate value: "aa"'),
        ({"parts": []}, "spec.parts", "Invalid value: 0: spec.parts in body should have at least 1 items"),
        ({"parts": [{"price": 1}]}, "spec.parts[0].name", "Required value"),
        ({"parts": [{"name": "a"}, {"name": "a"}]}, "spec.parts[1]", 'Duplicate value: {"name":"a"}'),
        (
            {"limits": {"cpu": "1"}},
            "spec.limits[cpu]",
            'Invalid value: "string": spec.limits[cpu] in body must be of type integer: "string"',
        ),
        ({"tags": ["a"]}, "spec.tags", 'Invalid value: "object": tags are words'),
        ({"namespace": "x-y"}, "spec", 'Invalid value: "object": a team\'s'),
    ],
)
def test_schema_errors_name_the_field(server: ApiServer, spec: dict[str, Any], field: str, message: str) -> None:
    status = server.request("POST", WIDGETS, widget("wrong", **spec), code=422)
    assert (status["kind"], status["reason"], status["details"]["kind"]) == ("Status", "Invalid", "Widget")
    assert causes(status)[field] == message
    assert f"{field}: {message}" in status["message"]


def test_unknown_fields_are_dropped_and_warned_about(server: ApiServer) -> None:
    body = widget("unknown", size=1, wrong=2, anything={"goes": [1]}, parts=[{"name": "a", "odd": 1}])
    answer = server.client.post(WIDGETS, json=body)
    assert answer.json()["spec"] == {"size": 1, "anything": {"goes": [1]}, "parts": [{"name": "a"}]}
    warnings = answer.headers.get_list("Warning")
    assert warnings == ['299 - "unknown field \\"spec.wrong\\""', '299 - "unknown field \\"spec.parts[0].odd\\""']


def test_unknown_fields_are_refused_when_the_client_is_strict(server: ApiServer) -> None:
    body = widget("strict", wrong=2)
    status = server.request("POST", f"{WIDGETS}?fieldValidation=Strict", body, code=400)
    assert 'strict decoding error: unknown field "spec.wrong"' in status["message"]
    assert "Warning" not in server.client.post(f"{WIDGETS}?fieldValidation=Ignore", json=body).headers


def test_transition_rules_compare_with_what_was(server: ApiServer) -> None:
    """Also inside lists whose items have a key; a new item has no past."""
    path = f"{WIDGETS}/priced"
    server.request("POST", WIDGETS, widget("priced", parts=[{"name": "a", "price": 5}, {"name": "b", "price": 1}]))
    server.patch(path, {"spec": {"parts": [{"name": "b", "price": 1}, {"name": "a", "price": 6}, {"name": "c"}]}})
    status = server.patch(path, {"spec": {"parts": [{"name": "c"}, {"name": "a", "price": 5}]}}, code=422)
    assert causes(status) == {"spec.parts[1].price": 'Invalid value: "integer": was 6'}


def test_rules_are_not_evaluated_on_what_did_not_change(server: ApiServer) -> None:
    """An object that was stored before a rule existed can still be updated elsewhere (ratcheting)."""
    server.request(
        "POST", CRDS, definition("gadgets", "Gadget", {"type": "object", "properties": {"n": {"type": "integer"}}})
    )
    gadgets = "/apis/example.org/v1/namespaces/default/gadgets"
    server.request("POST", gadgets, {"metadata": {"name": "old"}, "spec": {"n": 1}})
    stricter = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "x-kubernetes-validations": [{"rule": "self.n > 1"}],
    }
    server.patch(f"{CRDS}/gadgets.example.org", {"spec": definition("gadgets", "Gadget", stricter)["spec"]})
    server.patch(f"{gadgets}/old", {"metadata": {"labels": {"a": "b"}}})
    status = server.patch(f"{gadgets}/old", {"spec": {"n": 0}}, code=422)
    assert causes(status) == {"spec": 'Invalid value: "object": failed rule: self.n > 1'}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"metadata": {"name": "other.example.org"}}, "metadata.name"),
        ({"spec": {"scope": "Everywhere"}}, "spec.scope"),
        ({"spec": {"versions": []}}, "spec.versions"),
        ({"spec": {"versions": [{"name": "v1", "served": True, "storage": True}]}}, "spec.versions[0].schema"),
    ],
)
def test_bad_definitions_are_refused(server: ApiServer, change: dict[str, Any], field: str) -> None:
    body = definition("things", "Thing", {"type": "object"})
    for part, fields in change.items():
        body[part] = {**body[part], **fields}
    status = server.request("POST", CRDS, body, code=422)
    assert any(cause.startswith(field) for cause in causes(status))


def test_rule_that_is_no_cel_is_refused_with_its_definition(server: ApiServer) -> None:
    body = definition("things", "Thing", {"type": "object", "x-kubernetes-validations": [{"rule": "self.a ==="}]})
    assert "self.a ===" in server.request("POST", CRDS, body, code=422)["message"]


def test_definition_is_served_as_soon_as_it_is_made(server: ApiServer) -> None:
    made = server.request("GET", f"{CRDS}/widgets.example.org")
    conditions = {condition["type"]: condition["status"] for condition in made["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    (resource,) = (r for r in server.request("GET", "/apis/example.org/v1")["resources"] if r["name"] == "widgets")
    assert (resource["kind"], resource["singularName"], resource["namespaced"]) == ("Widget", "widget", True)


def test_custom_resources_take_no_strategic_merge_patch(server: ApiServer) -> None:
    server.request("POST", WIDGETS, widget("patched"))
    server.patch(f"{WIDGETS}/patched", {"spec": {}}, "strategic-merge", code=415)


# --- KongUpstreamPolicy -----------------------------------------------------------------------------------------------

STICKY: dict[str, Any] = {
    "algorithm": "sticky-sessions",
    "hashOn": {"input": "none"},
    "stickySessions": {"cookie": "session_id"},
}
ONLY_NONE = (
    "When spec.stickySessions is set, spec.hashOn.input must be set to 'none' (no other hash_on fields allowed)."
)
UNCHECKED = "some validation rules were not checked"


def test_sticky_policy_is_admitted_with_the_default_path(server: ApiServer) -> None:
    made = server.request("POST", POLICIES, {"metadata": {"name": "sticky"}, "spec": STICKY}, code=201)
    assert made["spec"]["stickySessions"] == {"cookie": "session_id", "cookiePath": "/"}


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        pytest.param({"hashOn": None}, "<nil>", ONLY_NONE, id="API-03 without hashOn"),
        pytest.param({"hashOn": {"input": "ip"}}, "<nil>", ONLY_NONE, id="API-03 another input"),
        pytest.param({"stickySessions": {}}, "spec.stickySessions.cookie", "Required value", id="API-04 no cookie"),
        pytest.param(
            {"stickySessions": {"cookie": ""}},
            "spec.stickySessions.cookie",
            "should be at least 1 chars long",
            id="API-04 empty cookie",
        ),
        *(
            pytest.param(
                {"algorithm": algorithm},
                "<nil>",
                "spec.algorithm must be set to 'sticky-sessions' when spec.stickySessions is set.",
                id=f"API-05 {algorithm}",
            )
            for algorithm in ("round-robin", "consistent-hashing", "least-connections", "latency", None)
        ),
        *(
            pytest.param({"hashOn": {"input": "none", name: "x"}}, "<nil>", ONLY_NONE, id=f"API-06 {name}")
            for name in ("header", "cookie", "cookiePath", "uriCapture", "queryArg")
        ),
        pytest.param(
            {"algorithm": "random"},
            "spec.algorithm",
            'Unsupported value: "random": supported values: "round-robin", "consistent-hashing", "least-connections", '
            '"latency", "sticky-sessions"',
            id="API-07",
        ),
        pytest.param({"slots": 9}, "spec.slots", "greater than or equal to 10", id="slots"),
        pytest.param({"slots": 65537}, "spec.slots", "less than or equal to 65536", id="more slots"),
        pytest.param(
            {"hashOnFallback": {"input": "ip"}},
            "<nil>",
            'spec.algorithm must be set to "consistent-hashing" when spec.hashOnFallback is set.',
            id="fallback",
        ),
    ],
)
def test_wrong_policy_is_refused(server: ApiServer, change: dict[str, Any], field: str, message: str) -> None:
    """Rules that the real definition has at the root name no field but in their message, as on a real cluster."""
    spec = {name: value for name, value in {**STICKY, **change}.items() if value is not None}
    status = server.request("POST", POLICIES, {"metadata": {"name": "wrong"}, "spec": spec}, code=422)
    found = [cause["message"] for cause in status["details"]["causes"] if cause["field"] == field]
    assert any(message in text for text in found), status["message"]
    server.request("GET", f"{POLICIES}/wrong", code=404)


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"algorithm": "round-robin", "slots": 100},
        {"algorithm": "sticky-sessions", "hashOn": {"input": "ip"}},
        {"algorithm": "sticky-sessions"},
        {
            "algorithm": "consistent-hashing",
            "hashOn": {"header": "x"},
            "hashOnFallback": {"cookie": "c", "cookiePath": "/"},
        },
        {"algorithm": "consistent-hashing", "hashOn": {"cookie": "c", "cookiePath": "/"}},
        {"healthchecks": {"active": {"type": "http", "healthy": {"interval": 5, "httpStatuses": [200]}}}},
    ],
)
def test_policies_the_real_definition_admits_are_admitted(server: ApiServer, spec: dict[str, Any]) -> None:
    """Also what makes little sense: sticky-sessions without stickySessions is a gap of the real one (API-08)."""
    server.request("POST", POLICIES, {"metadata": {"generateName": "ok-"}, "spec": spec}, code=201)


def test_blocking_errors_leave_rules_unchecked_and_say_so(server: ApiServer) -> None:
    spec = {**STICKY, "algorithm": "random"}
    status = server.request("POST", POLICIES, {"metadata": {"name": "blocked"}, "spec": spec}, code=422)
    assert UNCHECKED in causes(status)["<nil>"]


def test_status_of_a_policy_is_checked_too(server: ApiServer) -> None:
    server.request("POST", POLICIES, {"metadata": {"name": "reported"}, "spec": STICKY})
    path = f"{POLICIES}/reported/status"
    condition = {
        "type": "Programmed",
        "status": "True",
        "reason": "Programmed",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    ancestor = {
        "ancestorRef": {"group": "", "kind": "Service", "name": "echo"},
        "controllerName": "konghq.com/kic-gateway-controller",
        "conditions": [condition],
    }
    good = server.patch(path, {"status": {"ancestors": [ancestor]}})
    assert good["status"]["ancestors"][0]["conditions"] == [condition]
    ancestor["conditions"] = [{**condition, "status": "Yes"}]
    status = server.patch(path, {"status": {"ancestors": [ancestor]}}, code=422)
    assert "status.ancestors[0].conditions[0].status" in causes(status)


# --- Gateway API ------------------------------------------------------------------------------------------------------


def test_route_gets_the_defaults_of_gateway_api(server: ApiServer) -> None:
    backend = {"name": "echo", "port": 80}
    body = {
        "metadata": {"name": "r"},
        "spec": {"parentRefs": [{"name": "kong"}], "rules": [{"backendRefs": [backend]}]},
    }
    spec = server.request("POST", HTTP_ROUTES, body)["spec"]
    assert spec["parentRefs"] == [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "kong"}]
    (rule,) = spec["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert rule["backendRefs"] == [{"group": "", "kind": "Service", "name": "echo", "port": 80, "weight": 1}]
    older = server.request("GET", HTTP_ROUTES.replace("/v1/", "/v1beta1/") + "/r")
    assert (older["apiVersion"], older["spec"]) == ("gateway.networking.k8s.io/v1beta1", spec)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"backendRefs": [{"name": "echo"}]}, "Must have port for Service reference"),
        ({"matches": [{"path": {"value": "echo"}}]}, "value must be an absolute path and start with '/'"),
        ({"matches": [{"path": {"value": "/a//b"}}]}, "must not contain '//'"),
        ({"matches": [{"method": "FETCH"}]}, 'Unsupported value: "FETCH"'),
        ({"backendRefs": [{"name": "echo", "port": 80, "weight": -1}]}, "greater than or equal to 0"),
    ],
)
def test_wrong_route_is_refused(server: ApiServer, rule: dict[str, Any], message: str) -> None:
    body = {"metadata": {"name": "wrong"}, "spec": {"parentRefs": [{"name": "kong"}], "rules": [rule]}}
    assert message in server.request("POST", HTTP_ROUTES, body, code=422)["message"]


def test_gateway_begins_as_pending_and_lists_same_namespace_routes(server: ApiServer) -> None:
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    body = {"metadata": {"name": "g"}, "spec": {"gatewayClassName": "kong", "listeners": [listener]}}
    made = server.request("POST", GATEWAYS, body)
    assert made["spec"]["listeners"][0]["allowedRoutes"] == {"namespaces": {"from": "Same"}}
    assert {c["type"]: c["reason"] for c in made["status"]["conditions"]} == {
        "Accepted": "Pending",
        "Programmed": "Pending",
    }
    twice = {**body, "metadata": {"name": "g2"}}
    twice["spec"] = {"gatewayClassName": "kong", "listeners": [listener, {**listener, "name": "more"}]}
    status = server.request("POST", GATEWAYS, twice, code=422)
    assert "Combination of port, protocol and hostname must be unique" in status["message"]


# --- built-in kinds ---------------------------------------------------------------------------------------------------


def pod_with(**container: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i", **container}]}}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (PODS, {"metadata": {}, "spec": {}}, "metadata.name"),
        (PODS, {"metadata": {"name": "Upper"}, "spec": {}}, "metadata.name"),
        (PODS, {"metadata": {"name": "p", "labels": {"a": "b c"}}, "spec": {}}, "metadata.labels"),
        (PODS, {"metadata": {"name": "p", "labels": {"a b": ""}}, "spec": {}}, "metadata.labels"),
        (PODS, {"metadata": {"name": "p"}, "spec": {}}, "spec.containers"),
        (PODS, pod_with(image=""), "spec.containers[0].image"),
        (PODS, pod_with(name="C"), "spec.containers[0].name"),
        (PODS, pod_with(ports=[{"containerPort": 70000}]), "spec.containers[0].ports[0].containerPort"),
        (PODS, pod_with(volumeMounts=[{"name": "v", "mountPath": "/v"}]), "spec.containers[0].volumeMounts[0].name"),
        (SERVICES, {"metadata": {"name": "s"}, "spec": {}}, "spec.ports"),
        (SERVICES, {"metadata": {"name": "s.t"}, "spec": {"ports": [{"port": 1}]}}, "metadata.name"),
        (SERVICES, {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 0}]}}, "spec.ports[0].port"),
        (SERVICES, {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 1}, {"port": 2}]}}, "spec.ports[0].name"),
        (DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": {"replicas": -1}}, "spec.replicas"),
        (DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": {}}, "spec.selector"),
        (
            DEPLOYMENTS,
            {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}}},
            "spec.template.metadata.labels",
        ),
        (
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
            {"metadata": {"name": "e"}, "endpoints": []},
            "addressType",
        ),
    ],
)
def test_wrong_builtin_object_is_refused(server: ApiServer, path: str, body: dict[str, Any], field: str) -> None:
    status = server.request("POST", path, body, code=422)
    assert field in causes(status), status["message"]
    assert re.match(r'\w+(\.apps|\.discovery\.k8s\.io)? ".*" is invalid: ', status["message"])


def test_wrong_json_type_cannot_be_decoded(server: ApiServer) -> None:
    body = {"metadata": {"name": "d"}, "spec": {"replicas": "three"}}
    status = server.request("POST", DEPLOYMENTS, body, code=400)
    assert "cannot unmarshal string into Go struct field Deployment.spec.replicas" in status["message"]


def test_unknown_fields_of_builtin_kinds_are_treated_alike(server: ApiServer) -> None:
    body = pod_with(imagePolicy="Always")
    status = server.request("POST", f"{PODS}?fieldValidation=Strict", body, code=400)
    assert 'unknown field "spec.containers[0].imagePolicy"' in status["message"]
    assert "imagePolicy" not in server.request("POST", PODS, body)["spec"]["containers"][0]


def test_selector_and_pod_spec_never_change(server: ApiServer) -> None:
    template = {"metadata": {"labels": {"a": "b", "c": "d"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    server.request("POST", DEPLOYMENTS, {"metadata": {"name": "fixed"}, "spec": spec})
    status = server.patch(f"{DEPLOYMENTS}/fixed", {"spec": {"selector": {"matchLabels": {"c": "d"}}}}, code=422)
    assert "field is immutable" in causes(status)["spec.selector"]
    server.request("POST", PODS, {**pod_with(), "metadata": {"name": "fixed"}})
    status = server.patch(f"{PODS}/fixed", {"spec": {"nodeName": "elsewhere"}}, code=422)
    assert "pod updates may not change fields other than" in causes(status)["spec"]
