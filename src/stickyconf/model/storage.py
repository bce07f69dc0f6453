"""Histories on disk: JSON Lines, one header, one line a fact, and a last line that proves the file is whole.

That line has the number of facts and the SHA-256 of every line before it. A history is evidence: one that was cut,
changed or spoilt is refused, and never judged as if it had been seen like that.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stickyconf.model.exchange import Answered, Exchange, Outcome, Refused, Unknown
from stickyconf.model.history import Event, Happening, History, Setup, Sighting

FORMAT = "stickyconf-history/1"
_OUTCOMES: dict[str, type[Answered | Refused | Unknown]] = {
    "answered": Answered,
    "refused": Refused,
    "unknown": Unknown,
}


class HistoryFileError(ValueError):
    """A file is not a whole history of this version; the message says which, where and what to do."""


def write_history(history: History, path: Path) -> None:
    """Write a history to ``path``, complete or not at all (written beside it, then renamed)."""
    lines = [_encode(row) for row in _rows(history)]
    lines.append(_encode({"end": len(lines) - 1, "sha256": _checksum(lines)}))
    beside = path.with_suffix(".partial")
    beside.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    beside.replace(path)


def _encode(row: dict[str, Any]) -> str:
    # Escaped to ASCII: a header may hold U+0085 or U+2028, which end a line for some readers and not for others.
    return json.dumps(row, separators=(",", ":"))


def _checksum(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _rows(history: History) -> Iterator[dict[str, Any]]:
    yield {"format": FORMAT, "setup": asdict(history.setup)}
    for exchange in history.exchanges:
        kind = next(name for name, cls in _OUTCOMES.items() if isinstance(exchange.outcome, cls))
        yield {"exchange": asdict(exchange) | {"outcome": {kind: asdict(exchange.outcome)}}}
    for event in history.events:
        yield {"event": asdict(event)}
    for sighting in history.sightings:
        yield {"sighting": asdict(sighting)}


def read_history(path: Path) -> History:
    """Read a history back, equal to the one written; a name that ends in ".gz" is read as gzip.

    Raises HistoryFileError for a file that is truncated, changed, of another format version, or no history at all.
    """
    try:
        stored = path.read_bytes()
        lines = (gzip.decompress(stored) if path.suffix == ".gz" else stored).decode().splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:  # the first three: also what gzip raises
        raise HistoryFileError(f"{path}: cannot be read: {error}") from error
    header = _decode(path, 1, lines[0]) if lines else {}
    if "format" not in header:
        raise HistoryFileError(
            f"{path}: not a history (its first line has no format); give a file written by this suite"
        )
    if header["format"] != FORMAT:
        raise HistoryFileError(
            f"{path}: written as {header['format']}, this version reads {FORMAT}; judge it with the one that wrote it"
        )
    last = _decode(path, len(lines), lines[-1])
    if last.get("end") != len(lines) - 2:
        raise HistoryFileError(
            f"{path}: truncated: its last line does not close it ({len(lines)} lines read); record it again"
        )
    if last.get("sha256") != _checksum(lines[:-1]):
        raise HistoryFileError(f"{path}: damaged: its lines are not the ones that were written; record it again")
    rows = [_decode(path, number, line) for number, line in enumerate(lines, start=1)]
    exchanges, events, sightings = [], [], []
    try:
        setup = header["setup"]
        for number, row in enumerate(rows[1:-1], start=2):
            match row:
                case {"exchange": data}:
                    exchanges.append(_exchange(data))
                case {"event": data}:
                    events.append(Event(**data | {"what": Happening(data["what"])}))
                case {"sighting": data}:
                    sightings.append(Sighting(**data))
                case _:
                    raise HistoryFileError(f"{path}:{number}: neither exchange, event nor sighting")
        whole = Setup(**setup | {"pods": tuple(setup["pods"]), "gateways": tuple(setup["gateways"])})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, HistoryFileError):
            raise
        raise HistoryFileError(f"{path}: damaged: {error!r}; record it again") from error
    return History(whole, tuple(exchanges), tuple(events), tuple(sightings))


def _decode(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:  # not JSON, a number too long to read, or nested too deep
        raise HistoryFileError(f"{path}:{number}: truncated or damaged ({error}); record it again") from error
    if not isinstance(row, dict):
        raise HistoryFileError(f"{path}:{number}: not a history line")
    return row


def _exchange(data: dict[str, Any]) -> Exchange:
    [(kind, fields)] = data["outcome"].items()
    if kind == "answered":
        fields = fields | {"headers": tuple((name, value) for name, value in fields["headers"])}
    outcome: Outcome = _OUTCOMES[kind](**fields)
    return Exchange(**data | {"outcome": outcome, "cookie_fields": tuple(data["cookie_fields"])})
