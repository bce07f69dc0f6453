"""Faults of the API server's definitions: a rule of KongUpstreamPolicy that is missing, or one too many."""

from typing import Any

from stickyconf.mutants.declared import DEFINITION_MARK, mutant

Definition = dict[str, Any]

_POLICY = "kongupstreampolicies.configuration.konghq.com"


@mutant(at="api-server", source="CRD", caught_by=("API-01",))
def refuses_sticky_sessions(definitions: list[Definition]) -> list[Definition]:
    """The algorithm of the how-to is not among those that the definition admits."""
    _spec(definitions, "refuses_sticky_sessions")["algorithm"]["enum"].remove("sticky-sessions")
    return definitions


@mutant(at="api-server", source="CRD", caught_by=("API-02",))
def stores_no_default_path(definitions: list[Definition]) -> list[Definition]:
    """A cookiePath that is left out stays so."""
    del _sticky(definitions, "stores_no_default_path")["properties"]["cookiePath"]["default"]
    return definitions


@mutant(at="api-server", source="CRD", caught_by=("API-03",))
def admits_other_inputs(definitions: list[Definition]) -> list[Definition]:
    """stickySessions is admitted without hashOn.input being none."""
    _drop_rules(definitions, "admits_other_inputs", "must be set to 'none'")
    return definitions


@mutant(at="api-server", source="CRD", caught_by=("API-04",))
def admits_no_cookie(definitions: list[Definition]) -> list[Definition]:
    """stickySessions is admitted without a cookie, and with an empty one."""
    sticky = _sticky(definitions, "admits_no_cookie")
    del sticky["required"], sticky["properties"]["cookie"]["minLength"]
    _drop_rules(definitions, "admits_no_cookie", "spec.stickySessions.cookie is required")
    return definitions


@mutant(at="api-server", source="CRD", caught_by=("API-05",))
def admits_other_algorithms(definitions: list[Definition]) -> list[Definition]:
    """stickySessions is admitted beside another algorithm that hashes."""
    _drop_rules(definitions, "admits_other_algorithms", "must be set to 'sticky-sessions'")
    return definitions


@mutant(at="api-server", source="CRD", caught_by=("API-06",))
def admits_several_inputs(definitions: list[Definition]) -> list[Definition]:
    """stickySessions is admitted beside other fields of hashOn."""
    _drop_rules(definitions, "admits_several_inputs", "Only one of spec.hashOn.(", "must be set to 'none'")
    return definitions


@mutant(at="api-server", source="CRD", caught_by=("API-07",))
def admits_any_algorithm(definitions: list[Definition]) -> list[Definition]:
    """An unknown algorithm is admitted by itself, so that the error does not list those there are."""
    del _spec(definitions, "admits_any_algorithm")["algorithm"]["enum"]
    return definitions


@mutant(at="api-server", source="KIC#7654", caught_by=("API-10",), failure_mode=1)
def keeps_no_status(definitions: list[Definition]) -> list[Definition]:
    """The definition has no status, as an old one may have none: what the controller says of a policy is lost."""
    [version] = _policy(definitions, "keeps_no_status")["spec"]["versions"]
    del version["subresources"]
    return definitions


def _drop_rules(definitions: list[Definition], fault: str, *messages: str) -> None:
    schema = _schema(definitions, fault)
    rules = schema["x-kubernetes-validations"]
    schema["x-kubernetes-validations"] = [
        rule for rule in rules if not any(message in rule["message"] for message in messages)
    ]


def _sticky(definitions: list[Definition], fault: str) -> Definition:
    sticky: Definition = _spec(definitions, fault)["stickySessions"]
    return sticky


def _spec(definitions: list[Definition], fault: str) -> Definition:
    spec: Definition = _schema(definitions, fault)["properties"]["spec"]["properties"]
    return spec


def _schema(definitions: list[Definition], fault: str) -> Definition:
    """Return the schema of KongUpstreamPolicy, which is about to be changed, and mark its definition."""
    [version] = _policy(definitions, fault)["spec"]["versions"]
    schema: Definition = version["schema"]["openAPIV3Schema"]
    return schema


def _policy(definitions: list[Definition], fault: str) -> Definition:
    """Return the definition of KongUpstreamPolicy, marked as changed."""
    [policy] = [one for one in definitions if one["metadata"]["name"] == _POLICY]
    policy["metadata"].setdefault("annotations", {})[DEFINITION_MARK] = fault
    return policy
