"""Kong's entities, field by field: what ``POST /config`` accepts, and what it fills in.

Facts from Kong's Admin API description (developer.konghq.com, ``api-specs/gateway/admin-ee/3.11/openapi.yaml``),
for the fields that this gateway serves or shows. The wording of the messages follows Kong's if it is public.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Entity = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field or, if *field* is None, with the entity as a whole."""

    field: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its type, what stands when it is left out, and what its value must hold to."""

    kind: str
    default: Any = None
    required: bool = False
    one_of: tuple[str, ...] = ()
    between: tuple[int, int] | None = None
    check: Callable[[Any], str | None] | None = None
    each: "Field | None" = None

    def fault(self, value: Any) -> str | None:
        """Say what is wrong with *value*, or None."""
        if not _KINDS[self.kind](value):
            return f"expected {'an' if self.kind[0] in 'aeiou' else 'a'} {self.kind}"
        if self.one_of and value not in self.one_of:
            return f"expected one of: {', '.join(self.one_of)}"
        if self.between and not self.between[0] <= value <= self.between[1]:
            return f"value should be between {self.between[0]} and {self.between[1]}"
        if self.each:
            return next(filter(None, map(self.each.fault, value)), None)
        return self.check(value) if self.check else None


_KINDS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "map": lambda value: isinstance(value, dict),
    "reference": lambda value: isinstance(value, str | dict),
}


def _fixed_path(path: str) -> str | None:
    return _segments(path, starts=("/",), said="/")


def _route_path(path: str) -> str | None:
    wrong = _segments(path, starts=("/", "~/"), said="/ (fixed path) or ~/ (regex path)")
    if wrong or not path.startswith("~"):
        return wrong
    try:
        re.compile(python_pattern(path[1:]))
    except re.error as error:
        return f"invalid regex: '{path[1:]}' ({error})"
    return None


def _segments(path: str, *, starts: tuple[str, ...], said: str) -> str | None:
    if not path.startswith(starts):
        return f"should start with: {said}"
    return "must not have empty segments" if "//" in path else None


def python_pattern(pattern: str) -> str:
    """Spell *pattern*'s named groups, ``(?<name>``, as Python and RE2 both read them."""
    return re.sub(r"\(\?<(?![=!])", "(?P<", pattern)


def _hostname(name: str) -> str | None:
    if re.fullmatch(r"[\w.*-]+", name) and not re.fullmatch(r"[\d.]+", name):
        return None
    return f"Invalid name ('{name}'); no ip addresses or ports, and only letters, digits, '.', '-' and '_'"


def _target(target: str) -> str | None:
    host, colon, port = target.rpartition(":")
    if colon and re.fullmatch(r"[\w.-]+|\[[\da-fA-F:.]+\]", host) and port.isdigit() and int(port) < 65536:
        return None
    return f"Invalid target ('{target}'); not a valid hostname or ip address with a port"


def _cookie_name(name: str) -> str | None:
    # RFC 6265, section 4.1.1: a cookie's name is a token (RFC 9110, section 5.6.2).
    return None if re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name, re.ASCII) else f"bad cookie name '{name}'"


def _method(method: str) -> str | None:
    return None if re.fullmatch(r"[A-Z]+", method) else f"invalid value: {method}"


def _pem(text: str) -> str | None:
    return None if text.startswith("-----BEGIN ") else "invalid: not in PEM"  # never the text, which may be a key


def _sni(name: str) -> str | None:
    # Kong takes "*", and a wildcard as the first label or the last one.
    if re.fullmatch(r"\*|(\*\.)?[\w-]+(\.[\w-]+)*|[\w-]+(\.[\w-]+)*\.\*", name):
        return None
    return f"invalid sni name '{name}'"


_HASH_INPUTS = ("none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture")
_PROTOCOLS = ("grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp", "ws", "wss")
_TIMEOUT = Field("integer", default=60000, between=(1, 2147483646))
_TEXT = Field("string")
_COMMON = {
    "id": _TEXT,
    "name": _TEXT,
    "tags": Field("array", each=_TEXT),
    "created_at": Field("number"),
    "updated_at": Field("number"),
}

SCHEMAS: dict[str, dict[str, Field]] = {
    "services": {
        **_COMMON,
        "protocol": Field("string", default="http", one_of=_PROTOCOLS),
        "host": Field("string", required=True),
        "port": Field("integer", default=80, between=(0, 65535)),
        "path": Field("string", check=_fixed_path),
        "enabled": Field("boolean", default=True),
        "retries": Field("integer", default=5, between=(0, 32767)),
        "connect_timeout": _TIMEOUT,
        "read_timeout": _TIMEOUT,
        "write_timeout": _TIMEOUT,
        "client_certificate": Field("reference"),
        "ca_certificates": Field("array", each=_TEXT),
        "tls_verify": Field("boolean"),
        "tls_verify_depth": Field("integer", between=(0, 64)),
        "tls_sans": Field("map"),
    },
    "routes": {
        **_COMMON,
        "service": Field("reference"),
        "protocols": Field("array", default=["http", "https"], each=Field("string", one_of=_PROTOCOLS)),
        "methods": Field("array", each=Field("string", check=_method)),
        "hosts": Field("array", each=_TEXT),
        "paths": Field("array", each=Field("string", check=_route_path)),
        "headers": Field("map"),
        "snis": Field("array", each=_TEXT),
        "sources": Field("array"),
        "destinations": Field("array"),
        "regex_priority": Field("integer", default=0),
        "strip_path": Field("boolean", default=True),
        "preserve_host": Field("boolean", default=False),
        "path_handling": Field("string", default="v0", one_of=("v0", "v1")),
        "https_redirect_status_code": Field("integer", default=426),
        "request_buffering": Field("boolean", default=True),
        "response_buffering": Field("boolean", default=True),
    },
    "upstreams": {
        **_COMMON,
        "name": Field("string", required=True, check=_hostname),
        "algorithm": Field(
            "string",
            default="round-robin",
            one_of=("consistent-hashing", "latency", "least-connections", "round-robin", "sticky-sessions"),
        ),
        "hash_on": Field("string", default="none", one_of=_HASH_INPUTS),
        "hash_fallback": Field("string", default="none", one_of=_HASH_INPUTS),
        "hash_on_header": _TEXT,
        "hash_fallback_header": _TEXT,
        "hash_on_cookie": Field("string", check=_cookie_name),
        "hash_on_cookie_path": Field("string", default="/", check=_fixed_path),
        "hash_on_query_arg": _TEXT,
        "hash_fallback_query_arg": _TEXT,
        "hash_on_uri_capture": _TEXT,
        "hash_fallback_uri_capture": _TEXT,
        "sticky_sessions_cookie": Field("string", check=_cookie_name),
        "sticky_sessions_cookie_path": Field("string", default="/", check=_fixed_path),
        "slots": Field("integer", default=10000, between=(10, 65536)),
        "healthchecks": Field("map"),
        "host_header": _TEXT,
        "client_certificate": Field("reference"),
        "use_srv_name": Field("boolean", default=False),
    },
    "targets": {
        **{name: field for name, field in _COMMON.items() if name != "name"},
        "upstream": Field("reference"),
        "target": Field("string", required=True, check=_target),
        "weight": Field("integer", default=100, between=(0, 65535)),
    },
    "plugins": {
        **{name: field for name, field in _COMMON.items() if name != "name"},
        "name": Field("string", required=True),
        "instance_name": _TEXT,
        "config": Field("map"),
        "enabled": Field("boolean", default=True),
        "protocols": Field("array", default=["grpc", "grpcs", "http", "https"], each=_TEXT),
        "service": Field("reference"),
        "route": Field("reference"),
        "consumer": Field("reference"),
        "consumer_group": Field("reference"),
        "ordering": Field("map"),
    },
    "certificates": {
        **{name: field for name, field in _COMMON.items() if name != "name"},
        "cert": Field("string", required=True, check=_pem),
        "key": Field("string", required=True, check=_pem),
        "cert_alt": Field("string", check=_pem),
        "key_alt": Field("string", check=_pem),
        "passphrase": _TEXT,
    },
    "snis": {
        **{name: field for name, field in _COMMON.items() if name != "name"},
        "name": Field("string", required=True, check=_sni),
        "certificate": Field("reference", required=True),
    },
}

# What a field of the entity must be accompanied by: (field, value, field that is then required).
_COMPANIONS = {
    "upstreams": (
        ("algorithm", "sticky-sessions", "sticky_sessions_cookie"),
        ("hash_on", "header", "hash_on_header"),
        ("hash_on", "cookie", "hash_on_cookie"),
        ("hash_on", "query_arg", "hash_on_query_arg"),
        ("hash_on", "uri_capture", "hash_on_uri_capture"),
        ("hash_fallback", "header", "hash_fallback_header"),
        ("hash_fallback", "cookie", "hash_on_cookie"),
        ("hash_fallback", "query_arg", "hash_fallback_query_arg"),
        ("hash_fallback", "uri_capture", "hash_fallback_uri_capture"),
    ),
}


def complete(entity_type: str, entity: Entity) -> Entity:
    """Return *entity* with Kong's default in every field of its type that it leaves out or null."""
    defaults = {name: field.default for name, field in SCHEMAS[entity_type].items()}
    given = {name: value for name, value in entity.items() if value is not None}
    return defaults | given | (_shorthand(given) if entity_type == "upstreams" else {})


def _shorthand(upstream: Entity) -> Entity:
    """What ``hash_on``, if it is given, makes of the algorithm, as Kong does without a word.

    Source: the shorthand fields of Kong's schema; a gateway 3.10 showed it, with an algorithm of its own for sticky
    sessions, of which ``hash_on: none`` is a part.
    """
    if "hash_on" not in upstream:
        return {}
    if upstream["hash_on"] != "none":
        return {"algorithm": "consistent-hashing"}
    return {} if upstream.get("algorithm") == "sticky-sessions" else {"algorithm": "round-robin"}


def faults(entity_type: str, entity: Entity) -> Iterator[Fault]:
    """Yield everything that is wrong with a *complete* entity of the given type (``services``, ``routes``, ...)."""
    schema = SCHEMAS[entity_type]
    for name, value in entity.items():
        if name not in schema:
            yield Fault(name, "unknown field")
        elif value is None:
            if schema[name].required:
                yield Fault(name, "required field missing")
        elif message := schema[name].fault(value):
            yield Fault(name, message)
    for name, value, companion in _COMPANIONS.get(entity_type, ()):
        if entity[name] == value and entity[companion] is None:
            yield Fault(companion, "required field missing")
            yield Fault(None, f"failed conditional validation given value of field '{name}'")
    if entity_type == "routes":
        yield from _unmatchable(entity)


def unknown_before_sticky_sessions(upstream: Entity) -> list[Fault]:
    """Take the fields of sticky sessions out of a *complete* upstream; return what a Kong before 3.11 says of them."""
    taken = {name: upstream.pop(name) for name in ("sticky_sessions_cookie", "sticky_sessions_cookie_path")}
    given = [name for name, value in taken.items() if value not in (None, "/")]
    wrong = [Fault(name, "unknown field") for name in given]
    if upstream["algorithm"] == "sticky-sessions":
        wrong.append(Fault("algorithm", "expected one of: consistent-hashing, latency, least-connections, round-robin"))
    return wrong


def _unmatchable(route: Entity) -> Iterator[Fault]:
    http = [protocol for protocol in route["protocols"] or () if protocol in ("http", "https")]
    if http and not any(route[criterion] for criterion in ("methods", "hosts", "headers", "paths", "snis")):
        yield Fault(None, f"must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is '{http[0]}'")
