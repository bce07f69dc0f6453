"""The few plugins that an ingress controller's own translation relies on, in Envoy's terms.

KIC writes ``request-termination`` where a rule has no existing backend, and the two transformers for Gateway
API's header modifiers. Every other plugin is kept and shown, and changes nothing.
"""

import json
from collections.abc import Iterable
from typing import Any

from stickyconf.embedded.gateway.entities import Entity

Json = dict[str, Any]

# Kong's transformer sections -> what Envoy does with a header of that name.
_ACTIONS = {
    "replace": "OVERWRITE_IF_EXISTS",
    "add": "ADD_IF_ABSENT",
    "append": "APPEND_IF_EXISTS_OR_ADD",
}


def answer(status: int, message: str) -> Json:
    """Return an Envoy route's part that answers by itself, as Kong does: a JSON object with a *message*."""
    return {
        "direct_response": {"status": status, "body": {"inline_string": json.dumps({"message": message})}},
        "response_headers_to_add": [
            _header("content-type:application/json; charset=utf-8", "OVERWRITE_IF_EXISTS_OR_ADD")
        ],
    }


def termination(plugins: Iterable[Entity]) -> Json | None:
    """Return the answer that a ``request-termination`` among *plugins* gives; None without one."""
    for plugin in plugins:
        if plugin["name"] == "request-termination" and plugin["enabled"]:
            config = plugin["config"] or {}
            return answer(config.get("status_code") or 503, config.get("message") or "Service unavailable")
    return None


def header_changes(plugins: Iterable[Entity]) -> Json:
    """Return the header additions and removals that the transformers among *plugins* make on a route."""
    changes: Json = {}
    for plugin in plugins:
        direction, _, kind = plugin["name"].partition("-")
        if kind != "transformer" or direction not in ("request", "response") or not plugin["enabled"]:
            continue
        config = plugin["config"] or {}
        changes[f"{direction}_headers_to_remove"] = (config.get("remove") or {}).get("headers") or []
        changes[f"{direction}_headers_to_add"] = [
            _header(header, action)
            for section, action in _ACTIONS.items()
            for header in (config.get(section) or {}).get("headers") or ()
        ]
    return changes


def _header(header: str, action: str) -> Json:
    name, _, value = header.partition(":")
    # A single percent sign would begin one of Envoy's own substitutions.
    return {"header": {"key": name, "value": value.replace("%", "%%")}, "append_action": action}
