"""KongUpstreamPolicy: which one applies to an upstream, and what it says in Kong's words."""

import re
from typing import Any

from embedded_cluster.ingress.snapshot import Object, Snapshot, annotation, find

ANNOTATION = "upstream-policy"
STICKY_SINCE = (3, 11, 0)  # the first Kong Gateway that has the algorithm


class PolicyError(Exception):
    """No policy can be applied to these Services; the message says why, in KIC's words."""


def governing(snapshot: Snapshot, services: list[Object]) -> Object | None:
    """The policy that *services*, which agree, name; None when none of them names one.

    Raises :class:`PolicyError` when it does not exist.
    """
    if not (name := annotation(services[0], ANNOTATION)):
        return None
    namespace = services[0]["metadata"]["namespace"]
    policy = find(snapshot.policies, namespace, name)
    if policy is None:
        raise PolicyError(f"failed fetching KongUpstreamPolicy: KongUpstreamPolicy {namespace}/{name} not found")
    return policy


def require_support(policy: Object, gateway_version: tuple[int, ...]) -> None:
    """Raise :class:`PolicyError` when gateways of that version cannot do what *policy* asks for."""
    if policy["spec"].get("algorithm") == "sticky-sessions" and gateway_version < STICKY_SINCE:
        name, since = policy["metadata"]["name"], ".".join(map(str, STICKY_SINCE))
        raise PolicyError(
            f"sticky sessions algorithm specified in KongUpstreamPolicy '{name}' "
            f"is not supported with Kong Gateway versions < {since}"
        )


def upstream_fields(policy: Object) -> Object:
    """The fields of a Kong upstream that *policy* sets."""
    spec = policy["spec"]
    fields = {key: spec[key] for key in ("algorithm", "slots") if key in spec}
    if "healthchecks" in spec:
        fields["healthchecks"] = _snake_case(spec["healthchecks"])
    for section, field in (("hashOn", "hash_on"), ("hashOnFallback", "hash_fallback")):
        fields |= _hash_fields(spec.get(section) or {}, field)
    if sticky := spec.get("stickySessions"):
        fields["sticky_sessions_cookie"] = sticky["cookie"]
        if "cookiePath" in sticky:
            fields["sticky_sessions_cookie_path"] = sticky["cookiePath"]
    return fields


def _hash_fields(hashing: Object, field: str) -> Object:
    fields: Object = {}
    for key, value in hashing.items():
        match key:
            case "input":
                fields[field] = value
            case "cookiePath":
                fields["hash_on_cookie_path"] = value
            case "cookie":
                fields[field], fields["hash_on_cookie"] = "cookie", value  # Kong has one cookie for both
            case "header" | "queryArg" | "uriCapture":
                name = re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", key)
                fields[field], fields[f"{field}_{name}"] = name, value
    return fields


def _snake_case(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", key): (
            content if key == "headers" else _snake_case(content)  # header names are data
        )
        for key, content in value.items()
    }
