"""The few plugins that an ingress controller's own translation relies on, and Envoy's terms for what they do.

KIC writes ``request-termination`` if a rule has no existing backend, and the two transformers for Gateway
API's header modifiers. Every other plugin is kept and shown, and changes nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from embedded_cluster.gateway.entities import Entity

Json = dict[str, Any]

# Kong's transformer sections, in the order they act -> what Envoy does with a header of that name.
_ACTIONS = {
    "replace": "OVERWRITE_IF_EXISTS",
    "add": "ADD_IF_ABSENT",
    "append": "APPEND_IF_EXISTS_OR_ADD",
}


def _record(fields: Json) -> Json:
    return {"type": "record", "required": True, "fields": [{name: field} for name, field in fields.items()]}


_LIST: Json = {"type": "array", "default": [], "elements": {"type": "string"}}


def _transformer(*listed: str) -> Json:
    """A transformer's settings: for each action a record of lists."""
    return _record({action: _record(dict.fromkeys(listed, _LIST)) for action in ("remove", *_ACTIONS)})


# What Kong's ``/schemas/plugins/NAME`` says of a plugin's settings, as far as an ingress controller fills in defaults.
_SETTINGS: dict[str, Json] = {
    "request-termination": _record(
        {
            "status_code": {"type": "integer", "required": True, "default": 503, "between": [100, 599]},
            "message": {"type": "string"},
            "content_type": {"type": "string"},
            "body": {"type": "string"},
            "echo": {"type": "boolean", "required": True, "default": False},
            "trigger": {"type": "string"},
        }
    ),
    "request-transformer": _transformer("headers", "querystring", "body"),
    "response-transformer": _transformer("headers", "json"),
}


def schema(name: str) -> Json | None:
    """The schema of the plugin *name*; None for one that changes nothing here."""
    settings = _SETTINGS.get(name)
    protocols = {"type": "set", "required": True, "default": ["grpc", "grpcs", "http", "https"]}
    return settings and {"fields": [{"protocols": protocols}, {"config": settings}]}


@dataclass(frozen=True, slots=True)
class HeaderChange:
    """What a transformer does to one header: *direction* is request or response, *action* a section of Kong's."""

    direction: str
    action: str
    name: str
    value: str


def answer(status: int, message: str) -> Json:
    """Return an Envoy route's part that answers by itself; the listener makes Kong's shape of the *message*."""
    return {"direct_response": {"status": status, "body": {"inline_string": message}}}


def termination(plugins: Iterable[Entity]) -> tuple[int, str] | None:
    """Return status and message that a ``request-termination`` among *plugins* answers with; None without one."""
    for plugin in plugins:
        if plugin["name"] == "request-termination" and plugin["enabled"]:
            config = plugin["config"] or {}
            return config.get("status_code") or 503, config.get("message") or "Service unavailable"
    return None


def transformations(plugins: Iterable[Entity]) -> Iterator[HeaderChange]:
    """Yield the changes to headers that the transformers among *plugins* make, in the order they act."""
    for plugin in plugins:
        direction, _, kind = plugin["name"].partition("-")
        if kind != "transformer" or direction not in ("request", "response") or not plugin["enabled"]:
            continue
        config = plugin["config"] or {}
        for action in ("remove", *_ACTIONS):
            for header in (config.get(action) or {}).get("headers") or ():
                name, _, value = header.partition(":")
                yield HeaderChange(direction, action, name, value)


def header_changes(plugins: Iterable[Entity]) -> Json:
    """Return the header additions and removals that the transformers among *plugins* make on an Envoy route."""
    changes: Json = {}
    for change in transformations(plugins):
        if change.action == "remove":
            changes.setdefault(f"{change.direction}_headers_to_remove", []).append(change.name)
        else:
            header = _header(f"{change.name}:{change.value}", _ACTIONS[change.action])
            changes.setdefault(f"{change.direction}_headers_to_add", []).append(header)
    return changes


def _header(header: str, action: str) -> Json:
    name, _, value = header.partition(":")
    # A single percent sign would begin one of Envoy's own substitutions.
    return {"header": {"key": name, "value": value.replace("%", "%%")}, "append_action": action}
