"""Objects in memory, with one revision counter and a history to start watches from.

Objects that went in are never changed again: readers need no copies, and their JSON text is made once.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

JsonObject = dict[str, Any]
Key = tuple[str, str]  # namespace ("" for cluster-scoped objects) and name
Selection = Callable[[JsonObject], bool]
ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]

HISTORY = 5_000  # changes remembered per collection; a watch that starts before them is told 410 Gone
BACKLOG = 20_000  # changes one watcher may leave unread before it is cut off


def encode(value: object) -> bytes:
    """Compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def clone(value: Any) -> Any:
    """A deep copy of a JSON value."""
    if isinstance(value, dict):
        return {k: clone(v) for k, v in value.items()}
    if isinstance(value, list):
        return [clone(v) for v in value]
    return value


class Entry:
    """A stored object, and its JSON text in each form asked for so far."""

    __slots__ = ("_texts", "obj", "revision")

    def __init__(self, obj: JsonObject, revision: int) -> None:
        """*revision* is the one that stored *obj*, which is not changed from now on."""
        self.obj = obj
        self.revision = revision
        self._texts: dict[str, bytes] = {}

    def text(self, form: str, convert: Callable[[JsonObject], JsonObject]) -> bytes:
        """The JSON of ``convert(obj)``; *form* names the conversion, which is done once."""
        text = self._texts.get(form)
        if text is None:
            text = self._texts[form] = encode(convert(self.obj))
        return text


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a collection: the object after it (at DELETED: its last state) and before it."""

    type: ChangeType
    entry: Entry
    previous: Entry | None

    @property
    def revision(self) -> int:
        """The revision that this change made."""
        return self.entry.revision


class Watcher:
    """The unread changes of one watch."""

    def __init__(self, selection: Selection) -> None:
        """Begin with none. Only changes of objects that *selection* holds for, before or after, are kept."""
        self._selection = selection
        self._unread: deque[Change] = deque()
        self._wake = asyncio.Event()
        self.ended = False  # no more changes will come: the server stops, or the reader was too slow

    def push(self, change: Change) -> None:
        """Add a change, if it is selected; with BACKLOG unread ones the watch ends instead."""
        if not self.concerns(change):
            return
        if len(self._unread) >= BACKLOG:
            self.ended = True
        else:
            self._unread.append(change)
        self._wake.set()

    def concerns(self, change: Change) -> bool:
        """Whether the change is one of an object that is, or was, selected."""
        if self._selection(change.entry.obj):
            return True
        return change.previous is not None and self._selection(change.previous.obj)

    def close(self) -> None:
        """End the watch: its reader gets what is unread, then an empty batch."""
        self.ended = True
        self._wake.set()

    async def next_batch(self, timeout: float) -> list[Change]:
        """All unread changes; waits up to *timeout* seconds for the first, then returns none."""
        if not self._unread and not self.ended:
            try:
                async with asyncio.timeout(timeout):
                    await self._wake.wait()
            except TimeoutError:
                return []
        self._wake.clear()
        batch = list(self._unread)
        self._unread.clear()
        return batch


@dataclass(slots=True)
class Collection:
    """The objects of one resource."""

    entries: dict[Key, Entry] = field(default_factory=dict)
    history: deque[Change] = field(default_factory=lambda: deque(maxlen=HISTORY))
    forgotten: int = 0  # revision of the newest change that has left the history
    watchers: set[Watcher] = field(default_factory=set)


class Store:
    """All collections, by group and plural."""

    def __init__(self) -> None:
        """Begin empty, at revision 1: 0 means "any" in requests."""
        self.revision = 1
        self._collections: dict[tuple[str, str], Collection] = {}

    def collection(self, storage: tuple[str, str]) -> Collection:
        """The collection of a resource; empty if nothing was ever stored there."""
        found = self._collections.get(storage)
        if found is None:
            found = self._collections[storage] = Collection()
        return found

    def get(self, storage: tuple[str, str], namespace: str, name: str) -> Entry | None:
        """One entry, or None."""
        return self.collection(storage).entries.get((namespace, name))

    def entries(self, storage: tuple[str, str]) -> Iterator[Entry]:
        """All entries of a resource, in order of namespace and name."""
        entries = self.collection(storage).entries
        for key in sorted(entries):
            yield entries[key]

    def put(self, storage: tuple[str, str], obj: JsonObject) -> Entry:
        """Store a new object or the new state of one, under the next revision, and tell the watchers.

        Takes ownership of *obj* and sets its ``metadata.resourceVersion``.
        """
        collection = self.collection(storage)
        key = _key(obj)
        previous = collection.entries.get(key)
        entry = self._stamp(obj)
        collection.entries[key] = entry
        self._publish(collection, Change("MODIFIED" if previous else "ADDED", entry, previous))
        return entry

    def remove(self, storage: tuple[str, str], obj: JsonObject) -> Entry:
        """Remove an object; *obj* is its last state, whose ``resourceVersion`` becomes that of the removal."""
        collection = self.collection(storage)
        previous = collection.entries.pop(_key(obj))
        entry = self._stamp({**obj, "metadata": dict(obj["metadata"])})
        self._publish(collection, Change("DELETED", entry, previous))
        return entry

    def watch(self, storage: tuple[str, str], after: int, selection: Selection) -> tuple[Watcher, list[Change]]:
        """A watcher of the objects *selection* holds for, and the changes since revision *after* that it has missed.

        Raises ``LookupError`` when they are no longer known (or *after* lies in the future). The caller hands the
        watcher back through :meth:`unwatch`.
        """
        collection = self.collection(storage)
        if after < collection.forgotten or after > self.revision:
            raise LookupError(collection.forgotten)
        watcher = Watcher(selection)
        collection.watchers.add(watcher)
        missed = (change for change in collection.history if change.revision > after)
        return watcher, [change for change in missed if watcher.concerns(change)]

    def unwatch(self, storage: tuple[str, str], watcher: Watcher) -> None:
        """The watcher wants no more changes."""
        self.collection(storage).watchers.discard(watcher)

    def close(self) -> None:
        """End every watch."""
        for collection in self._collections.values():
            for watcher in collection.watchers:
                watcher.close()

    def _stamp(self, obj: JsonObject) -> Entry:
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        return Entry(obj, self.revision)

    def _publish(self, collection: Collection, change: Change) -> None:
        if len(collection.history) == HISTORY:
            collection.forgotten = collection.history[0].revision
        collection.history.append(change)
        for watcher in collection.watchers:
            watcher.push(change)


def _key(obj: JsonObject) -> Key:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
