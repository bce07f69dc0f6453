"""Kubernetes' protobuf format, read only, for the few bodies that ordinary clients send in it.

``kubectl create namespace|configmap|secret|deployment|...`` and ``kubectl auth can-i`` post protobuf no matter what a
server says it accepts, and so do Go controllers for Leases and Events. Answers are always JSON, which all of them read.
Envelope: Kubernetes documentation, "Kubernetes API Concepts", "Kubernetes Protobuf encoding"; encoding: Protocol
Buffers documentation, "Encoding"; field numbers: :mod:`.protofields`.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from embedded_cluster.apiserver.protofields import MESSAGES

JsonObject = dict[str, Any]

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class _Field(NamedTuple):
    """One field of a message. *pointer*: it may be absent, so that a zero it has was meant; others are always sent."""

    name: str
    type: str
    repeated: bool
    pointer: bool


def decode(content: bytes) -> JsonObject:
    """The object in a protobuf body, as JSON has it. Raises ``ValueError`` for anything not understood."""
    if not content.startswith(_MAGIC):
        raise ValueError("not Kubernetes protobuf: the magic number is missing")
    try:
        envelope = _message("Unknown", content[len(_MAGIC) :])
        about = envelope["typeMeta"]
        kind = f"{about['apiVersion'].rpartition('/')[0]}/{about['kind']}".lstrip("/")
        raw = base64.b64decode(envelope.get("raw", ""))
        return {**_message(kind if kind in MESSAGES else about["kind"], raw), **about}
    except (KeyError, IndexError, struct.error) as error:
        raise ValueError(f"protobuf that cannot be decoded: {error!r}") from None


def _message(name: str, content: bytes) -> JsonObject:
    fields = _fields(name)
    result: JsonObject = {}
    for number, value in _wire(content):
        field = fields.get(number)
        if field is None:
            raise ValueError(f"field {number} of {name} is not known to this server; send JSON instead")
        if field.type.startswith("map"):
            key, item = _entry(field.type.removeprefix("map-"), value)
            result.setdefault(field.name, {})[key] = item
        elif field.repeated:
            result.setdefault(field.name, []).append(_value(field.type, value))
        else:
            decoded = _value(field.type, value)
            if field.name == "":  # a Go struct that is embedded: its fields are those of the message around it
                result |= decoded
            elif field.pointer or decoded not in ("", 0, {}, None):
                result[field.name] = decoded
    return result


@lru_cache(maxsize=128)
def _fields(name: str) -> dict[int, _Field]:
    """The fields of a message, from ``NUMBER NAME[?][*][:TYPE], ...``."""
    if name not in MESSAGES:
        raise ValueError(f"{name} is not known to this server as protobuf; send JSON instead")
    fields: dict[int, _Field] = {}
    for entry in filter(None, MESSAGES[name].split(", ")):
        number, _, rest = entry.partition(" ")
        label, _, kind = rest.partition(":")
        fields[int(number)] = _Field(label.rstrip("?*"), kind or "string", label.endswith("*"), label.endswith("?"))
    return fields


def _entry(kind: str, content: bytes) -> tuple[str, Any]:
    parts = dict(_wire(content))
    return _value("string", parts.get(1, b"")), _value(kind, parts.get(2, b""))


def _value(kind: str, value: Any) -> Any:
    match kind:
        case "string":
            return value.decode()
        case "bytes":
            return base64.b64encode(value).decode()
        case "int":
            return value - (1 << 64) if value >= 1 << 63 else value
        case "bool":
            return bool(value)
        case "Time" | "MicroTime":
            return _time(value, "microseconds" if kind == "MicroTime" else "seconds")
        case "IntOrString":
            parts = _message("IntOrString", value)
            return parts.get("strVal", "") if parts.get("type") else parts.get("intVal", 0)
        case "Quantity":
            return _message("Quantity", value).get("string", "0")
        case _:
            return _message(kind, value)


def _time(content: bytes, precision: str) -> str | None:
    parts = dict(_wire(content))
    if not parts:
        return None
    moment = datetime.fromtimestamp(_value("int", parts.get(1, 0)) + parts.get(2, 0) / 1e9, UTC)
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def _wire(content: bytes) -> Iterator[tuple[int, Any]]:
    """The field numbers and raw values of a message."""
    position = 0
    while position < len(content):
        tag, position = _varint(content, position)
        number, wire = tag >> 3, tag & 7
        value: Any
        if wire == _VARINT:
            value, position = _varint(content, position)
        elif wire == _BYTES:
            size, position = _varint(content, position)
            if position + size > len(content):
                raise IndexError("a field ends after its message")
            value, position = content[position : position + size], position + size
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
            (value,) = struct.unpack_from("<Q" if wire == _FIXED64 else "<I", content, position)
            position += size
        else:
            raise ValueError(f"protobuf wire type {wire} is not used by Kubernetes")
        yield number, value


def _varint(content: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = content[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7
