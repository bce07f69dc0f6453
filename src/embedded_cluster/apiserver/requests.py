"""What a request is about: the parts of its path, its verb and its options."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True, slots=True)
class ResourcePath:
    """``/apis/GROUP/VERSION/namespaces/NAMESPACE/RESOURCE/NAME/SUBRESOURCE``, taken apart; "" for what is missing."""

    group: str
    version: str
    namespace: str
    resource: str
    name: str
    subresource: str

    @classmethod
    def parse(cls, path: str) -> ResourcePath | None:
        """The parts of *path*; None if it does not name a resource (discovery and other documents)."""
        parts = path.strip("/").split("/")
        if parts[0] == "api" and len(parts) > 2:
            group, version, rest = "", parts[1], parts[2:]
        elif parts[0] == "apis" and len(parts) > 3:
            group, version, rest = parts[1], parts[2], parts[3:]
        else:
            return None
        namespace = ""
        # /namespaces/NAME and its subresources are the Namespace itself; anything else lies inside it.
        if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
            namespace, rest = rest[1], rest[2:]
        if len(rest) > 3:
            return None
        resource, name, subresource = (*rest, "", "")[:3]
        return cls(group, version, namespace, resource, name, subresource)


def verb_of(request: web.Request, path: ResourcePath) -> str:
    """The verb as RBAC and audit logs name it."""
    if request.method in ("GET", "HEAD"):
        if is_true(request.query.get("watch")):
            return "watch"
        return "get" if path.name else "list"
    if request.method == "DELETE":
        return "delete" if path.name else "deletecollection"
    return _VERBS.get(request.method, request.method.lower())


def is_true(value: str | None) -> bool:
    """A boolean query parameter, as Go's ``strconv.ParseBool`` and its callers read it."""
    return value is not None and value.lower() in ("", "1", "t", "true")
