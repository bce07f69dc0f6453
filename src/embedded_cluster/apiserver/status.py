"""Errors of the Kubernetes API: exceptions that carry the ``Status`` object a client is sent.

Messages and reasons follow ``k8s.io/apimachinery/pkg/api/errors`` and ``.../util/validation/field``, because clients
print the one and branch on the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from embedded_cluster.apiserver.fielderrors import FieldError
from embedded_cluster.apiserver.kinds import Kind

JsonObject = dict[str, Any]


class ApiError(Exception):
    """A request that failed; ``status`` is the ``Status`` object and ``code`` the HTTP status to answer with."""

    def __init__(self, code: int, reason: str, message: str, details: JsonObject | None = None) -> None:
        """*reason* is one of Kubernetes' StatusReasons, "" for the unnamed one."""
        super().__init__(message)
        self.code = code
        self.status: JsonObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
        }
        if reason:
            self.status["reason"] = reason
        if details:
            self.status["details"] = details
        self.status["code"] = code


def _details(kind: Kind, name: str, **more: object) -> JsonObject:
    details: JsonObject = {}
    if name:
        details["name"] = name
    if kind.group:
        details["group"] = kind.group
    return {**details, "kind": kind.plural, **more}


def not_found(kind: Kind, name: str) -> ApiError:
    """404: no object *name* of this kind."""
    return ApiError(404, "NotFound", f'{kind.resource} "{name}" not found', _details(kind, name))


def no_such_path() -> ApiError:
    """404: the path names nothing that is served."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(kind: Kind, name: str) -> ApiError:
    """409: an object of this name exists."""
    return ApiError(409, "AlreadyExists", f'{kind.resource} "{name}" already exists', _details(kind, name))


def conflict(kind: Kind, name: str, why: str = "") -> ApiError:
    """409: the object is not the one the client thinks it is."""
    why = why or ("the object has been modified; please apply your changes to the latest version and try again")
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(kind, name))


def invalid(kind: Kind, name: str, errors: Sequence[FieldError]) -> ApiError:
    """422: the object is well-formed but breaks the rules of its kind."""
    text = str(errors[0]) if len(errors) == 1 else f"[{', '.join(map(str, errors))}]"
    details = _details(kind, name)
    details["kind"] = kind.name
    details["causes"] = [{"reason": e.reason, "message": e.message, "field": e.path} for e in errors]
    qualified = f"{kind.name}.{kind.group}" if kind.group else kind.name
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details)


def bad_request(message: str) -> ApiError:
    """400: the request itself makes no sense."""
    return ApiError(400, "BadRequest", message)


def forbidden(kind: Kind, name: str, why: str, causes: list[JsonObject] | None = None) -> ApiError:
    """403: understood and refused."""
    details = _details(kind, name, **({"causes": causes} if causes else {}))
    return ApiError(403, "Forbidden", f'{kind.resource} "{name}" is forbidden: {why}', details)


def unauthorized() -> ApiError:
    """401: no bearer token, or the wrong one."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def expired(asked: int, oldest: int) -> ApiError:
    """410: the watch asked to start at a version whose successors are no longer known."""
    return ApiError(410, "Expired", f"too old resource version: {asked} ({oldest})")


def method_not_allowed(kind: Kind) -> ApiError:
    """405: the verb does not exist for this resource."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, _details(kind, ""))


def unsupported_media_type(given: str, supported: Sequence[str]) -> ApiError:
    """415: the body is in a format that is not understood."""
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(supported)}"
    return ApiError(415, "UnsupportedMediaType", f"{message} (got {given})")
