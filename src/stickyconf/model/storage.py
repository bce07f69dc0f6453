"""Histories on disk: JSON Lines, one header, one line a fact, and a last line that proves the file is whole.

That line has the number of facts and the SHA-256 of every line before it. A history is evidence: one that was cut,
changed or damaged is refused, and never judged as if it had been recorded like that.

Both directions go line by line, so that a file is never in memory as a whole, and a text that is repeated from line to
line (the name of a session, a header field, a cookie) is kept once.
"""

from __future__ import annotations

import gc
import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import MISSING, asdict, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec

from stickyconf.model.exchange import Answered, Exchange, Refused, Unknown
from stickyconf.model.history import Event, History, Setup, Sighting

FORMAT = "stickyconf-history/1"
MOST_KEPT = 100_000
"""How many texts the reader remembers in order to keep equal ones once. Then it forgets them and begins anew."""


class HistoryFileError(ValueError):
    """A file is not a whole history of this version; the message says which, where and what to do."""


class _Outcome(msgspec.Struct, omit_defaults=True, gc=False):
    """An outcome as it is stored: under the name of its kind."""

    answered: Answered | None = None
    refused: Refused | None = None
    unknown: Unknown | None = None


_KINDS: dict[type, str] = {Answered: "answered", Refused: "refused", Unknown: "unknown"}


def _stored_field(name: str, kind: Any, default: Any) -> tuple[Any, ...]:
    kind = _Outcome if name == "outcome" else kind
    return (name, kind) if default is MISSING else (name, kind, default)


# msgspec reads no union of dataclasses, so that an exchange is stored by way of a struct with the same fields.
_hints = get_type_hints(Exchange)
_Exchange = msgspec.defstruct(
    "_Exchange", [_stored_field(field.name, _hints[field.name], field.default) for field in fields(Exchange)], gc=False
)
_FIELDS = tuple(field.name for field in fields(Exchange))
_values = attrgetter(*_FIELDS)
_OUTCOME = _FIELDS.index("outcome")
_SHARED = tuple(
    place
    for place, name in enumerate(_FIELDS)
    if name == "cookie_fields" or (_hints[name] is str and name != "request_id")  # no two of those are the same
)


class _Row(msgspec.Struct, omit_defaults=True, gc=False):
    """A line but the first."""

    exchange: _Exchange | None = None  # type: ignore[valid-type]
    event: Event | None = None
    sighting: Sighting | None = None
    end: int | None = None
    sha256: str = ""


_encoder, _decoder = msgspec.json.Encoder(), msgspec.json.Decoder(_Row)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector from scanning what is read again and again: none of it refers to itself.

    It took two thirds of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def write_history(history: History, path: Path) -> None:
    """Write a history to ``path``, complete or not at all (written beside it, then renamed)."""
    beside = path.with_suffix(".partial")
    try:
        with beside.open("wb") as file:
            checksum, count = hashlib.sha256(), -1  # the header is no fact
            for line in _lines(history):
                checksum.update(b"\n" + line if count >= 0 else line)
                file.write(line + b"\n")
                count += 1
            file.write(_encode(_Row(end=count, sha256=checksum.hexdigest())) + b"\n")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _lines(history: History) -> Iterator[bytes]:
    yield json.dumps({"format": FORMAT, "setup": asdict(history.setup)}, separators=(",", ":")).encode("ascii")
    for exchange in history.exchanges:
        values = list(_values(exchange))
        outcome: dict[str, Any] = {_KINDS[type(exchange.outcome)]: exchange.outcome}
        values[_OUTCOME] = _Outcome(**outcome)
        yield _encode(_Row(exchange=_Exchange(*values)))
    for event in history.events:
        yield _encode(_Row(event=event))
    for sighting in history.sightings:
        yield _encode(_Row(sighting=sighting))


def _encode(row: _Row) -> bytes:
    """Return a row as JSON in ASCII: a header may hold U+0085 or U+2028, which end a line for some readers."""
    try:
        line = _encoder.encode(row)
    except UnicodeEncodeError:  # half a surrogate pair
        line = b"\xff"
    return line if line.isascii() else json.dumps(msgspec.to_builtins(row), separators=(",", ":")).encode("ascii")


@_uncollected()
def read_history(path: Path) -> History:
    """Read a history back, equal to the one written; a name that ends in ".gz" is read as gzip.

    Raises HistoryFileError for a file that is truncated, changed, of another format version, or no history at all.
    """
    lines = _stored_lines(path)
    header = next(lines, b"{}")
    setup = _setup(path, header)
    exchanges: list[Exchange] = []
    events: list[Event] = []
    sightings: list[Sighting] = []
    kept, checksum, last, number = _Kept(), hashlib.sha256(header), _Row(), 1
    for number, line in enumerate(lines, start=2):
        if last.end is not None:
            raise HistoryFileError(f"{path}:{number}: damaged: a line follows the one that ends it; record it again")
        row = _row(path, number, line)
        if row.end is not None:
            last = row
            continue
        checksum.update(b"\n" + line)
        if row.exchange is not None:
            exchanges.append(_exchange(path, number, row.exchange, kept))
        elif row.event is not None:
            events.append(row.event)
        elif row.sighting is not None:
            sightings.append(Sighting(kept[row.sighting.pod], row.sighting.request_id, row.sighting.when))
        else:
            raise HistoryFileError(f"{path}:{number}: neither exchange, event nor sighting")
    if last.end != number - 2:
        raise HistoryFileError(
            f"{path}: truncated: its last line does not close it ({number} lines read); record it again"
        )
    if last.sha256 != checksum.hexdigest():
        raise HistoryFileError(f"{path}: damaged: its lines are not the ones that were written; record it again")
    return History(setup, tuple(exchanges), tuple(events), tuple(sightings))


def _stored_lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for line in file:
                yield line.rstrip(b"\r\n")
    except (OSError, EOFError, zlib.error) as error:  # gzip raises each of them
        raise HistoryFileError(f"{path}: cannot be read: {error}") from error


def _setup(path: Path, line: bytes) -> Setup:
    """Read the first line."""
    header = _json(path, 1, line)
    if not isinstance(header, dict):
        raise HistoryFileError(f"{path}:1: not a history line")
    if "format" not in header:
        raise HistoryFileError(
            f"{path}: not a history (its first line has no format); give a file written by this suite"
        )
    if header["format"] != FORMAT:
        raise HistoryFileError(
            f"{path}: written as {header['format']}, this version reads {FORMAT}; judge it with the one that wrote it"
        )
    try:
        setup = header["setup"]
        return Setup(**setup | {"pods": tuple(setup["pods"]), "gateways": tuple(setup["gateways"])})
    except (KeyError, TypeError) as error:
        raise HistoryFileError(f"{path}:1: damaged: {error!r}; record it again") from error


def _json(path: Path, number: int, line: bytes) -> Any:
    try:
        return json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise HistoryFileError(f"{path}: cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:  # not JSON, a number too long to read, or nested too deep
        raise HistoryFileError(f"{path}:{number}: truncated or damaged ({error}); record it again") from error


def _row(path: Path, number: int, line: bytes) -> _Row:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Damaged, or JSON that msgspec does not take: half a surrogate pair.
        data = _json(path, number, line)
    try:
        return msgspec.convert(data, _Row)
    except (msgspec.ValidationError, RecursionError) as error:
        raise HistoryFileError(f"{path}:{number}: damaged: {error}; record it again") from error


T = TypeVar("T")


class _Kept(dict[Any, Any]):
    """Of equal texts, or pairs of them, the one that came first."""

    def __missing__(self, value: T) -> T:
        if len(self) >= MOST_KEPT:
            self.clear()
        self[value] = value
        return value


def _exchange(path: Path, number: int, row: Any, kept: _Kept) -> Exchange:
    values = list(_values(row))
    for place in _SHARED:
        values[place] = kept[values[place]]
    stored = values[_OUTCOME]
    if stored.answered is not None:
        answer = stored.answered
        headers = tuple(map(kept.__getitem__, answer.headers))
        values[_OUTCOME] = Answered(answer.status, headers, kept[answer.pod])
    elif stored.refused is not None or stored.unknown is not None:
        values[_OUTCOME] = stored.refused or stored.unknown
    else:
        raise HistoryFileError(f"{path}:{number}: damaged: an exchange without an outcome; record it again")
    return Exchange(*values)
