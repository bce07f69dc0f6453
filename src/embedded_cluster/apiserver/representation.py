"""How objects are shown: as they are, as rows of a Table (``kubectl get``), or their metadata only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Protocol

from embedded_cluster.apiserver import tables
from embedded_cluster.apiserver.kinds import Kind
from embedded_cluster.apiserver.registry import shown
from embedded_cluster.apiserver.store import Entry, encode

JsonObject = dict[str, Any]


class Representation(Protocol):
    """One way to show the objects of a kind; everything is returned as JSON text."""

    def one(self, entry: Entry) -> bytes:
        """A single object, as an answer or inside a watch event."""

    def many(self, entries: Iterable[Entry], revision: int) -> bytes:
        """A list, at *revision* of the store."""


class AsObject:
    """The object itself."""

    def __init__(self, kind: Kind) -> None:
        """For objects of *kind*, in its version."""
        self._kind = kind

    def one(self, entry: Entry) -> bytes:
        """The object."""
        return entry.text(self._kind.api_version, self._convert)

    def many(self, entries: Iterable[Entry], revision: int) -> bytes:
        """A ``...List``."""
        return _list(self._kind.list_kind, self._kind.api_version, map(self.one, entries), revision)

    def _convert(self, obj: JsonObject) -> JsonObject:
        return shown(self._kind, obj)


class AsMetadata:
    """``PartialObjectMetadata``: what clients ask for that only care about names, labels and owners."""

    def one(self, entry: Entry) -> bytes:
        """The object's metadata."""
        return entry.text("PartialObjectMetadata", self._convert)

    def many(self, entries: Iterable[Entry], revision: int) -> bytes:
        """A ``PartialObjectMetadataList``."""
        return _list("PartialObjectMetadataList", "meta.k8s.io/v1", map(self.one, entries), revision)

    @staticmethod
    def _convert(obj: JsonObject) -> JsonObject:
        return {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": obj["metadata"],
        }


class AsTable:
    """Columns and cells computed by the server. Rows carry the object's metadata, or what *include* says."""

    def __init__(self, kind: Kind, include: str) -> None:
        """*include* is the request's ``includeObject``: ``Metadata`` (also for ""), ``Object`` or ``None``."""
        self._kind = kind
        self._include = include
        self._headed = False

    def one(self, entry: Entry) -> bytes:
        """A table of one row; the column definitions come with the first only, as in a watch."""
        table = self._table([entry], entry.revision)
        if self._headed:
            table["columnDefinitions"] = None
        self._headed = True
        return encode(table)

    def many(self, entries: Iterable[Entry], revision: int) -> bytes:
        """A table."""
        return encode(self._table(entries, revision))

    def _table(self, entries: Iterable[Entry], revision: int) -> JsonObject:
        layout = tables.layout(self._kind)
        return {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": {"resourceVersion": str(revision)},
            "columnDefinitions": layout.definitions,
            "rows": [self._row(layout, entry) for entry in entries],
        }

    def _row(self, layout: tables.Layout, entry: Entry) -> JsonObject:
        row: JsonObject = {"cells": layout.cells(entry.obj)}
        if self._include == "Object":
            row["object"] = shown(self._kind, entry.obj)
        elif self._include != "None":
            row["object"] = {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": entry.obj["metadata"],
            }
        return row


def negotiate(kind: Kind, accept: str, include: str) -> Representation:
    """The first representation in the *accept* header that is known; the object itself if there is none."""
    for choice in accept.split(","):
        parameters = dict(re.findall(r";\s*([\w-]+)=([^;\s]+)", choice))
        if "application/json" not in choice or parameters.get("v", "v1") != "v1":
            continue
        match parameters.get("as"):
            case "Table":
                return AsTable(kind, include)
            case "PartialObjectMetadata" | "PartialObjectMetadataList":
                return AsMetadata()
            case None:
                break
    return AsObject(kind)


def _list(kind: str, api_version: str, items: Iterable[bytes], revision: int) -> bytes:
    head = f'{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{{"resourceVersion":"{revision}"}},"items":['
    return head.encode() + b",".join(items) + b"]}"
