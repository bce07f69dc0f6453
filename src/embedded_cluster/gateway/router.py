"""Kong's traditional router in Envoy's terms: which requests a route matches, and which route goes first.

Source: developer.konghq.com, "Traditional router". Envoy takes the first route of a list that matches, so
Kong's priorities become an order. A Kong route with several paths is one entry of the list per path, because
its paths rank separately.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from embedded_cluster.gateway.entities import Entity, python_pattern

Json = dict[str, Any]
Rank = tuple[int | bool, ...]

SCHEME = "x-forwarded-proto"
"""The header that says how the client came: http, or https."""

# What RFC 9110, section 9.2.2, calls idempotent: sending it twice does what sending it once does.
IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE")


@dataclass(frozen=True, slots=True)
class Entry:
    """One Envoy route match for one *path* (None: any) of a Kong *route*."""

    route: Entity
    path: str | None
    match: Json
    idempotent: bool
    rank: Rank


def entries(routes: list[Entity]) -> list[Entry]:
    """Return what *routes* match, the more specific first, the earlier declared first among equals."""
    listed = [entry for position, route in enumerate(routes) for entry in _entries(route, position)]
    return sorted(listed, key=lambda entry: entry.rank)


def _entries(route: Entity, position: int) -> Iterator[Entry]:
    for path in route["paths"] or [None]:
        where = _path_match(path)
        for idempotent, methods in _methods(route):
            headers = [*_hosts(route), *methods, *_headers(route)]
            match = {**where, "headers": headers} if headers else where
            yield Entry(route, path, match, idempotent, (*_rank(route, path), position))


def _rank(route: Entity, path: str | None) -> Rank:
    criteria = sum(bool(route[name]) for name in ("methods", "hosts", "headers", "snis", "paths"))
    wildcard = any("*" in host for host in route["hosts"] or ())
    regex = bool(path and path.startswith("~"))
    priority = route["regex_priority"] if regex else 0
    return (-criteria, wildcard, -len(route["headers"] or ()), not regex, -priority, -len(path or ""))


def _path_match(path: str | None) -> Json:
    if path is None:
        return {"prefix": "/"}
    if path.startswith("~"):
        # Kong anchors a pattern at the start of the path only, Envoy at both ends.
        return {"safe_regex": {"regex": f"(?:{python_pattern(path[1:])}).*"}}
    return {"prefix": path}


def _methods(route: Entity) -> Iterator[tuple[bool, list[Json]]]:
    """Yield the methods in two groups: as with Kong, only an idempotent request may be sent a second time."""
    if not route["methods"]:
        yield True, [_matching(":method", "|".join(IDEMPOTENT))]
        yield False, []
        return
    for idempotent in (True, False):
        group = [method for method in route["methods"] if (method in IDEMPOTENT) is idempotent]
        if group:
            yield idempotent, [_matching(":method", "|".join(group))]


def _hosts(route: Entity) -> Iterator[Json]:
    if route["hosts"]:
        names = "|".join(re.escape(host).replace(r"\*", "[^:]+") for host in route["hosts"])
        yield _matching(":authority", rf"(?i)(?:{names})(?::\d+)?")


def _headers(route: Entity) -> Iterator[Json]:
    for name, values in (route["headers"] or {}).items():
        if len(values) == 1 and values[0].startswith("~*"):
            yield _matching(name.lower(), f"(?is).*(?:{python_pattern(values[0][2:])}).*")
        else:
            yield _matching(name.lower(), f"(?i)(?:{'|'.join(map(re.escape, values))})")


def without_tls(entry: Entry) -> Entry:
    """Return the entry for those requests only that did not come over TLS: every data plane sets the header itself."""
    headers = [*entry.match.get("headers", ()), _matching(SCHEME, "http")]
    return replace(entry, match={**entry.match, "headers": headers})


def _matching(header: str, pattern: str) -> Json:
    return {"name": header, "string_match": {"safe_regex": {"regex": pattern}}}


def rewrite(path: str | None, *, strip: bool, service_path: str | None) -> Json:
    """Return the part of a route action that turns the request's path into the upstream's.

    As Kong's ``path_handling: v0``: what *path* matched is cut off if *strip*, the rest follows the service's path.
    """
    base = (service_path or "").rstrip("/")
    if not strip or path is None:
        return _substitute(r"^/(.*)$", rf"{_literal(base)}/\1") if base else {}
    if path.startswith("~"):
        pattern = python_pattern(path[1:])
        rest = re.compile(pattern).groups + 1
        return _substitute(rf"^(?:{pattern})/?(.*)$", rf"{_literal(base)}/\{rest}")
    return _substitute(rf"^{re.escape(path.rstrip('/'))}/?(.*)$", rf"{_literal(base)}/\1")


def _substitute(pattern: str, substitution: str) -> Json:
    return {"regex_rewrite": {"pattern": {"regex": pattern}, "substitution": substitution}}


def _literal(text: str) -> str:
    return text.replace("\\", r"\\")
